"""Sending, simulating and airdrops, with a node's error shapes."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.message import to_bytes_versioned
from solders.rpc.errors import SendTransactionPreflightFailureMessage
from solders.rpc.responses import SendTransactionResp, SimulateTransactionResp
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from events.engine import OutcomeUnknown
from mu.localnet import base58
from mu.localnet.commitment import Commitment
from mu.localnet.jsonrpc import RpcError
from mu.localnet.sending import decode_transaction
from tests.mu.localnet.conftest import address, keypair

SOL = 10**9
PROCESSED = Commitment.PROCESSED
SEND = {"encoding": "base64", "preflightCommitment": "processed"}
SIMULATE = {"encoding": "base64", "commitment": "processed"}


def text(transaction: VersionedTransaction) -> str:
    return base64.b64encode(bytes(transaction)).decode()


def forged(transaction: VersionedTransaction) -> VersionedTransaction:
    return VersionedTransaction.populate(transaction.message, [Signature.from_bytes(b"\1" * 64)])


@pytest.mark.parametrize("versioned", [False, True])
async def test_a_transaction_is_sent_in_both_encodings(chain, rpc, versioned: bool) -> None:
    one = chain.transfer(address(1), SOL, versioned=versioned)
    assert await rpc.result("sendTransaction", text(one), SEND) == str(one.signatures[0])
    two = chain.transfer(address(1), 2 * SOL, versioned=versioned)
    wanted = {"preflightCommitment": "processed"}
    assert await rpc.result("sendTransaction", base58.encode(bytes(two)), wanted) == str(two.signatures[0])
    assert chain.lamports(address(1)) == 3 * SOL


async def failed(rpc: Any, transaction: VersionedTransaction, **more: object) -> Any:
    """The preflight error, which solders must be able to read (it panics where `data` is missing)."""
    answer = await rpc.call("sendTransaction", text(transaction), {**SEND, **more})
    parsed = SendTransactionResp.from_json(json.dumps(answer))
    assert isinstance(parsed, SendTransactionPreflightFailureMessage)
    assert answer["error"]["code"] == -32002
    return answer["error"]


async def test_preflight_failures_have_a_nodes_shape(chain, rpc) -> None:
    error = await failed(rpc, chain.transfer(address(1), 10**18))
    assert error["message"] == (
        "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
    )
    assert error["data"]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert error["data"]["unitsConsumed"] == 150
    assert "insufficient lamports" in error["data"]["logs"][1]
    error = await failed(rpc, chain.transfer(address(1), 1, blockhash=Hash(b"x" * 32)))
    assert error["message"] == "Transaction simulation failed: Blockhash not found"
    assert (error["data"]["err"], error["data"]["logs"]) == ("BlockhashNotFound", [])
    assert (await failed(rpc, forged(chain.transfer(address(1), 1))))["data"]["err"] == "SignatureFailure"
    unpaid = chain.transfer(address(1), 1, payer=keypair(9))
    assert (await failed(rpc, unpaid))["data"]["err"] == "AccountNotFound"
    assert chain.ledger.transaction_count == 0


async def test_a_transaction_sent_again_is_already_processed(chain, rpc) -> None:
    transaction = chain.transfer(address(1), SOL)
    await rpc.result("sendTransaction", text(transaction), SEND)
    assert (await failed(rpc, transaction))["data"]["err"] == "AlreadyProcessed"
    skipping = {**SEND, "skipPreflight": True}
    assert await rpc.result("sendTransaction", text(transaction), skipping) == str(transaction.signatures[0])
    assert chain.lamports(address(1)) == SOL


async def test_without_preflight_failures_are_recorded_or_dropped(chain, rpc) -> None:
    skipping = {**SEND, "skipPreflight": True}
    overdrawn = chain.transfer(address(1), 10**18)
    await rpc.result("sendTransaction", text(overdrawn), skipping)
    record = chain.ledger.transaction(overdrawn.signatures[0], PROCESSED)
    assert record.outcome.error == {"InstructionError": [0, {"Custom": 1}]}
    unknown = chain.transfer(address(1), 1, blockhash=Hash(b"x" * 32))
    assert await rpc.result("sendTransaction", text(unknown), skipping) == str(unknown.signatures[0])
    assert (await rpc.error("sendTransaction", text(forged(overdrawn)), skipping))["code"] == -32003
    assert chain.ledger.transaction_count == 1


async def test_the_blockhash_must_be_known_at_the_preflight_commitment(chain, rpc) -> None:
    chain.advance(40)
    transaction = chain.transfer(address(1), SOL)
    assert (await failed(rpc, transaction, preflightCommitment=None))["data"]["err"] == "BlockhashNotFound"
    await rpc.result("sendTransaction", text(transaction), SEND)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (["x", {"encoding": "base64"}], -32602),
        (["!", {"encoding": "base64"}], -32602),
        (["0"], -32602),
        (["A" * 2_000, {"encoding": "base64"}], -32602),
        (["1" * 2_000], -32602),
        (["1" * 10_000_000], -32602),
        (["AA", {"encoding": "jsonParsed"}], -32602),
        ([5], -32602),
        ([], -32602),
    ],
)
async def test_what_is_no_transaction_is_refused(rpc, params: list[object], code: int) -> None:
    for method in ("sendTransaction", "simulateTransaction"):
        assert (await rpc.error(method, *params))["code"] == code


async def test_a_transaction_that_is_cut_or_followed_by_more_is_refused(chain) -> None:
    whole = bytes(chain.transfer(address(1), SOL))
    assert bytes(decode_transaction(base64.b64encode(whole).decode(), "base64")) == whole
    for length in range(len(whole)):
        with pytest.raises(RpcError):
            decode_transaction(base64.b64encode(whole[:length]).decode(), "base64")
    with pytest.raises(RpcError):
        decode_transaction(base64.b64encode(whole + b"\0").decode(), "base64")


def test_damaged_transactions_never_get_past_a_typed_error(chain) -> None:
    whole = bytes(chain.transfer(address(1), SOL))

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def check(damage: list[tuple[int, int]]) -> None:
        data = bytearray(whole)
        for position, value in damage:
            data[position] = value
        try:
            transaction = decode_transaction(base64.b64encode(data).decode(), "base64")
        except RpcError:
            return
        outcome, _ = chain.ledger.simulate(transaction, PROCESSED)
        assert bytes(data) == whole or outcome.error is not None

    check()


async def test_a_simulation_can_be_read_by_solders(chain, rpc) -> None:
    transaction = chain.transfer(address(1), SOL)
    wanted = {**SIMULATE, "accounts": {"encoding": "base64", "addresses": [str(address(1)), str(address(2))]}}
    answer = await rpc.call("simulateTransaction", text(transaction), {**wanted, "innerInstructions": True})
    parsed = SimulateTransactionResp.from_json(json.dumps(answer))
    assert isinstance(parsed, SimulateTransactionResp)
    assert parsed.value.err is None
    shown = answer["result"]["value"]["accounts"]
    assert (shown[0]["lamports"], shown[1]) == (SOL, None)
    assert chain.lamports(address(1)) == 0


async def test_a_simulation_checks_signatures_and_blockhash_only_when_asked(chain, rpc) -> None:
    bad = text(forged(chain.transfer(address(1), SOL)))
    assert (await rpc.value("simulateTransaction", bad, SIMULATE))["err"] is None
    verifying = {**SIMULATE, "sigVerify": True}
    assert (await rpc.value("simulateTransaction", bad, verifying))["err"] == "SignatureFailure"
    old = text(chain.transfer(address(1), SOL, blockhash=Hash(b"x" * 32)))
    assert (await rpc.value("simulateTransaction", old, SIMULATE))["err"] == "BlockhashNotFound"
    replaced = await rpc.value("simulateTransaction", old, {**SIMULATE, "replaceRecentBlockhash": True})
    assert replaced["err"] is None
    assert replaced["replacementBlockhash"]["blockhash"] == str(chain.ledger.latest_blockhash(PROCESSED))
    both = {**verifying, "replaceRecentBlockhash": True}
    assert (await rpc.error("simulateTransaction", old, both))["code"] == -32602


async def test_airdrops_are_ordinary_transactions_and_may_repeat(chain, rpc) -> None:
    sent = [await rpc.result("requestAirdrop", str(address(1)), SOL) for _ in range(3)]
    assert len(set(sent)) == 3
    assert chain.lamports(address(1)) == 3 * SOL
    assert chain.reopened().lamports(address(1)) == 3 * SOL
    for lamports in (10**18, 2**64, -1):
        assert (await rpc.error("requestAirdrop", str(address(1)), lamports))["code"] == -32602


async def test_the_fee_of_a_message(chain, rpc) -> None:
    for versioned in (False, True):
        message = chain.transfer(address(1), SOL, versioned=versioned).message
        asked = base64.b64encode(to_bytes_versioned(message)).decode()
        assert await rpc.value("getFeeForMessage", asked, {"commitment": "processed"}) == 5_000
    stale = chain.transfer(address(1), SOL, blockhash=Hash(b"x" * 32)).message
    assert await rpc.value("getFeeForMessage", base64.b64encode(bytes(stale)).decode()) is None
    assert (await rpc.error("getFeeForMessage", "AA=="))["code"] == -32602


async def test_a_journal_in_doubt_is_an_internal_error_and_acknowledges_nothing(chain, rpc) -> None:
    chain.engine.fail_next_commit(OutcomeUnknown("?"), applied=True)
    transaction = text(chain.transfer(address(1), SOL))
    for _ in range(2):
        assert (await rpc.error("sendTransaction", transaction, SEND))["code"] == -32603
