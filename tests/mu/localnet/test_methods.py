"""The methods that read: their values, and a node's refusals."""

import base64

import pytest

from mu.localnet import base58
from mu.localnet.block_methods import BLOCK_METHODS
from mu.localnet.commitment import Commitment
from mu.localnet.methods import READ_METHODS
from mu.localnet.sending import TRANSACTION_METHODS
from mu.localnet.token_methods import TOKEN_METHODS
from tests.mu.localnet.conftest import GENESIS_TIME, address

SOL = 10**9
SYSTEM = "1" * 32
PROCESSED = {"commitment": "processed"}
CONFIRMED = {"commitment": "confirmed"}


async def test_slots_at_each_commitment(chain, rpc) -> None:
    chain.advance(50)
    assert [await rpc.result("getSlot", {"commitment": level}) for level in Commitment] == [50, 49, 18]
    assert await rpc.result("getSlot") == 18
    assert await rpc.result("getBlockHeight", PROCESSED) == 50
    info = await rpc.result("getEpochInfo", PROCESSED)
    assert (info["absoluteSlot"], info["slotIndex"], info["epoch"]) == (50, 50, 0)


async def test_what_never_changes(chain, rpc) -> None:
    assert await rpc.result("getHealth") == "ok"
    assert "solana-core" in await rpc.result("getVersion")
    assert await rpc.result("getGenesisHash") == str(chain.ledger.genesis_hash)
    assert await rpc.result("getMinimumBalanceForRentExemption", 100) == 1_586_880


async def test_block_times(chain, rpc) -> None:
    chain.advance(3)
    assert await rpc.result("getBlockTime", 2) == GENESIS_TIME + 2
    assert (await rpc.error("getBlockTime", 4))["code"] == -32004


async def test_a_context_slot_not_reached_is_told_with_its_data(chain, rpc) -> None:
    chain.advance(40)
    for method, params in [("getSlot", []), ("getBalance", [SYSTEM]), ("getLatestBlockhash", [])]:
        error = await rpc.error(method, *params, {**CONFIRMED, "minContextSlot": 40})
        assert (error["code"], error["data"]) == (-32016, {"contextSlot": 39})
        assert "result" in await rpc.call(method, *params, {**CONFIRMED, "minContextSlot": 39})


async def test_blockhashes_by_commitment(chain, rpc) -> None:
    chain.advance(40)
    newest = await rpc.value("getLatestBlockhash", PROCESSED)
    assert newest["lastValidBlockHeight"] == 190
    assert await rpc.value("isBlockhashValid", newest["blockhash"], PROCESSED) is True
    assert await rpc.value("isBlockhashValid", newest["blockhash"]) is False
    assert await rpc.value("isBlockhashValid", SYSTEM) is False


async def test_account_encodings_and_slices(chain, rpc) -> None:
    clock = "SysvarC1ock11111111111111111111111111111111"
    chain.advance(5)
    plain = await rpc.value("getAccountInfo", clock, {"encoding": "base64"})
    data = base64.b64decode(plain["data"][0])
    assert (int.from_bytes(data[:8], "little"), int.from_bytes(data[32:], "little")) == (5, GENESIS_TIME + 5)
    assert plain["space"] == 40
    assert (await rpc.value("getAccountInfo", clock))["data"] == base58.encode(data)
    assert (await rpc.value("getAccountInfo", clock, {"encoding": "base58"}))["data"][1] == "base58"
    assert (await rpc.value("getAccountInfo", clock, {"encoding": "jsonParsed"}))["data"] == plain["data"]
    part = {"encoding": "base64", "dataSlice": {"offset": 32, "length": 100}}
    assert base64.b64decode((await rpc.value("getAccountInfo", clock, part))["data"][0]) == data[32:]
    assert await rpc.value("getAccountInfo", str(address(9))) is None
    token = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    assert (await rpc.error("getAccountInfo", token, {"encoding": "base58"}))["code"] == -32600


async def test_program_accounts_and_filters(chain, rpc) -> None:
    for number in range(1, 4):
        chain.ledger.transact(chain.transfer(address(number), number * SOL))
    faucet = str(chain.ledger.faucet.pubkey())
    people = {str(address(number)) for number in range(1, 4)}

    async def found(*filters: object, **more: object) -> set[str]:
        wanted = {**PROCESSED, "encoding": "base64", "filters": list(filters), **more}
        return {one["pubkey"] for one in await rpc.result("getProgramAccounts", SYSTEM, wanted)}

    assert await found() == people | {faucet}
    assert await found({"dataSize": 0}) == people | {faucet}
    assert await found({"dataSize": 1}) == set()
    assert await found({"memcmp": {"offset": 0, "bytes": ""}}) == people | {faucet}
    assert await found({"memcmp": {"offset": 0, "bytes": "2"}}) == set()
    assert await found({"memcmp": {"offset": 0, "bytes": "AA==", "encoding": "base64"}}) == set()
    chain.advance()
    assert await found(commitment="confirmed") == people | {faucet}
    answer = await rpc.result("getProgramAccounts", SYSTEM, {"withContext": True})
    assert answer["context"]["slot"] == 0


async def test_statuses(chain, rpc) -> None:
    chain.advance(40)
    good = str(chain.ledger.transact(chain.transfer(address(1), SOL)).signature)
    bad = str(chain.ledger.transact(chain.transfer(address(1), 10**18)).signature)
    first, second, third = await rpc.value("getSignatureStatuses", [good, bad, "1" * 64])
    assert (first["confirmationStatus"], first["confirmations"], first["err"]) == ("processed", 0, None)
    assert second["status"] == {"Err": {"InstructionError": [0, {"Custom": 1}]}}
    assert third is None
    chain.advance()
    assert (await rpc.value("getSignatureStatuses", [good]))[0]["confirmationStatus"] == "confirmed"
    chain.advance(31)
    last = (await rpc.value("getSignatureStatuses", [good]))[0]
    assert (last["confirmationStatus"], last["confirmations"]) == ("finalized", None)


async def test_a_versioned_transaction_is_shown_to_who_can_read_it(chain, rpc) -> None:
    legacy = str(chain.ledger.transact(chain.transfer(address(1), SOL)).signature)
    versioned = str(chain.ledger.transact(chain.transfer(address(1), SOL, versioned=True)).signature)
    chain.advance()
    assert "version" not in await rpc.result("getTransaction", legacy, CONFIRMED)
    asks = {**CONFIRMED, "maxSupportedTransactionVersion": 0}
    assert (await rpc.result("getTransaction", legacy, asks))["version"] == "legacy"
    assert (await rpc.result("getTransaction", versioned, asks))["version"] == 0
    assert (await rpc.error("getTransaction", versioned, CONFIRMED))["code"] == -32015


async def test_a_transaction_in_every_encoding(chain, rpc) -> None:
    sent = chain.transfer(address(1), SOL)
    record = chain.ledger.transact(sent)
    chain.advance(32)
    signature = str(record.signature)
    texts = [await rpc.result("getTransaction", signature, how) for how in ("base64", "base58", "json")]
    assert base64.b64decode(texts[0]["transaction"][0]) == bytes(sent)
    assert base58.decode(texts[1]["transaction"][0], max_bytes=1_232) == bytes(sent)
    message = texts[2]["transaction"]["message"]
    assert message["accountKeys"] == [str(key) for key in record.account_keys]
    assert message["instructions"][0]["programIdIndex"] == 2
    assert texts[2]["meta"]["fee"] == 5_000
    assert texts[2]["blockTime"] == GENESIS_TIME


async def test_signatures_of_an_address_page_back(chain, rpc) -> None:
    sent = [str(chain.ledger.transact(chain.transfer(address(1), SOL + n)).signature) for n in range(5)]
    chain.advance()

    async def page(**wanted: object) -> list[str]:
        answer = await rpc.result("getSignaturesForAddress", str(address(1)), {**CONFIRMED, **wanted})
        return [one["signature"] for one in answer]

    assert await page() == sent[::-1]
    assert await page(limit=2) == [sent[4], sent[3]]
    assert await page(before=sent[3], limit=2) == [sent[2], sent[1]]
    assert await page(until=sent[1]) == [sent[4], sent[3], sent[2]]


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("nope", [], -32601),
        ("getSlot", [1], -32602),
        ("getSlot", [{}, 2], -32602),
        ("getSlot", [{"commitment": "bad"}], -32602),
        ("getSlot", [{"minContextSlot": -1}], -32602),
        ("getBalance", [], -32602),
        ("getBalance", ["zz"], -32602),
        ("getBalance", ["0OIl"], -32602),
        ("getBalance", [1], -32602),
        ("getBalance", ["1" * 100_000], -32602),
        ("getAccountInfo", [SYSTEM, {"encoding": "bad"}], -32602),
        ("getAccountInfo", [SYSTEM, {"dataSlice": {"offset": -1, "length": 1}}], -32602),
        ("getMultipleAccounts", [[SYSTEM] * 101], -32602),
        ("getMultipleAccounts", [SYSTEM], -32602),
        ("getProgramAccounts", [SYSTEM, {"filters": [{"dataSize": 1}] * 5}], -32602),
        ("getProgramAccounts", [SYSTEM, {"filters": [{}]}], -32602),
        ("getProgramAccounts", [SYSTEM, {"filters": [{"memcmp": {"offset": 0, "bytes": "1" * 200}}]}], -32602),
        ("getProgramAccounts", [SYSTEM, {"filters": [{"memcmp": {"offset": 0, "bytes": "0"}}]}], -32602),
        ("getProgramAccounts",
         [SYSTEM, {"filters": [{"memcmp": {"offset": 0, "bytes": "é", "encoding": "base64"}}]}], -32602),
        ("isBlockhashValid", ["x"], -32602),
        ("getSignatureStatuses", [["x"]], -32602),
        ("getSignatureStatuses", [["1" * 64] * 257], -32602),
        ("getTransaction", ["x"], -32602),
        ("getTransaction", ["1" * 64, {"commitment": "processed"}], -32602),
        ("getTransaction", ["1" * 64, "bad"], -32602),
        ("getSignaturesForAddress", [SYSTEM, {"limit": 0}], -32602),
        ("getSignaturesForAddress", [SYSTEM, {"limit": 1001}], -32602),
        ("getSignaturesForAddress", [SYSTEM, {"before": "x"}], -32602),
        ("getSignaturesForAddress", [SYSTEM, {"before": "1" * 64}], -32020),
        ("getSignaturesForAddress", [SYSTEM, {"commitment": "processed"}], -32602),
        ("getMinimumBalanceForRentExemption", [-1], -32602),
        ("getMinimumBalanceForRentExemption", [10**10], -32602),
        ("getMinimumBalanceForRentExemption", [10**30], -32602),
    ],
)  # fmt: skip
async def test_a_nodes_refusals(rpc, method: str, params: list[object], code: int) -> None:
    assert (await rpc.error(method, *params))["code"] == code


@pytest.mark.parametrize("method", sorted(READ_METHODS | BLOCK_METHODS | TOKEN_METHODS | TRANSACTION_METHODS))
@pytest.mark.parametrize(
    "value",
    [None, True, -1, 2**63, 2**64, 1.5, "", "1" * 32, "1" * 64, "\ud7ff", [], ["x"], {}, {"encoding": 1}],
)
async def test_every_method_answers_to_any_parameters(rpc, method: str, value: object) -> None:
    for params in ([value], [value, value], ["1" * 32, value], ["1" * 64, value]):
        answer = await rpc.call(method, *params)
        assert ("error" in answer) != ("result" in answer)
        assert answer.get("error", {"code": -32602})["code"] in (-32602, -32004, -32020)
