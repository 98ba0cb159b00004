"""What a node says when it refuses a transaction, as the node says it: JSON, read by solders."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solana.rpc.core import RPCException
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.rpc.responses import SendTransactionResp

from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from contract.errors import MuError
from contract.program_errors import EscrowTooLow, InstructionDataInvalid, ProgramError
from events.chain.rpc import ChainUnavailable
from mu.refusals import InsufficientLamports, InsufficientTokens, TransactionFailed, refusal_of

PAYER = Keypair.from_seed(bytes(32)).pubkey()
SYSTEM = Pubkey.default()
OTHER = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
ESCROW_TOO_LOW = EscrowTooLow.code


def refusal(error: dict[str, Any], program: Pubkey = PROGRAM_ID) -> MuError | None:
    """What becomes of a JSON-RPC error upon a transaction that calls `program`."""
    answer = SendTransactionResp.from_json(json.dumps({"jsonrpc": "2.0", "id": 0, "error": error}))
    return refusal_of(RPCException(answer), Message([Instruction(program, b"", [])], PAYER))


def preflight(error: Any, logs: list[str] | None = None, program: Pubkey = PROGRAM_ID) -> MuError | None:
    data = {"err": error, "logs": logs, "accounts": None, "unitsConsumed": 0, "returnData": None}
    message = "Transaction simulation failed"
    return refusal({"code": -32002, "message": message, "data": data}, program)


def custom(code: int) -> Any:
    return {"InstructionError": [0, {"Custom": code}]}


def failed(*programs: Pubkey, code: int) -> list[str]:
    return [f"Program {program} failed: custom program error: {code:#x}" for program in programs]


@pytest.mark.parametrize("logs", [None, [], failed(PROGRAM_ID, code=ESCROW_TOO_LOW)])
def test_the_programs_own_errors(logs: list[str] | None):
    refused = preflight(custom(ESCROW_TOO_LOW), logs)
    assert type(refused) is EscrowTooLow
    assert type(preflight(custom(6000), logs and failed(PROGRAM_ID, code=6000))) is InstructionDataInvalid


def test_another_programs_number_is_not_ours():
    for logs in ([], failed(OTHER, code=ESCROW_TOO_LOW)):
        refused = preflight(custom(ESCROW_TOO_LOW), logs, OTHER)
        assert type(refused) is TransactionFailed
        assert str(refused) == f"the program {OTHER} refused instruction 0: its error {ESCROW_TOO_LOW}"
    inner = preflight(custom(ESCROW_TOO_LOW), failed(OTHER, PROGRAM_ID, code=ESCROW_TOO_LOW))
    assert type(inner) is TransactionFailed
    unknown = preflight(custom(9999), failed(PROGRAM_ID, code=9999))
    assert type(unknown) is TransactionFailed


def test_what_a_program_logs_is_not_a_failure_of_another():
    forged = [
        f"Program log: Program {PROGRAM_ID} failed: x",
        f"Program log: a\nProgram {PROGRAM_ID} failed: x",
    ]
    refused = preflight(custom(ESCROW_TOO_LOW), [*forged, *failed(OTHER, code=ESCROW_TOO_LOW)], OTHER)
    assert type(refused) is TransactionFailed


def test_too_few_tokens():
    logs = ["Program log: Error: insufficient funds", *failed(TOKEN_PROGRAM_ID, PROGRAM_ID, code=1)]
    assert type(preflight(custom(1), logs)) is InsufficientTokens
    assert type(preflight(custom(1), None, TOKEN_PROGRAM_ID)) is InsufficientTokens
    assert type(preflight(custom(4), failed(TOKEN_PROGRAM_ID, PROGRAM_ID, code=4))) is TransactionFailed


def test_too_little_sol_for_what_is_created():
    logs = ["Transfer: insufficient lamports 5000, need 2500000000", *failed(SYSTEM, PROGRAM_ID, code=1)]
    refused = preflight(custom(1), logs)
    assert type(refused) is InsufficientLamports
    assert "has 0.000005 SOL and needs 2.5 SOL" in str(refused)
    endless = f"Transfer: insufficient lamports 1, need {'9' * 5000}"
    for unusable in (None, [endless, *failed(SYSTEM, code=1)]):
        assert type(preflight(custom(1), unusable, SYSTEM)) is InsufficientLamports
    assert type(preflight(custom(0), failed(SYSTEM, PROGRAM_ID, code=0))) is TransactionFailed


def test_without_logs_nobody_knows_whose_number_it_is():
    assert type(preflight(custom(1))) is TransactionFailed


@pytest.mark.parametrize("error", ["AccountNotFound", "InsufficientFundsForFee"])
def test_too_little_sol_for_the_fee(error: str):
    refused = preflight(error, [])
    assert type(refused) is InsufficientLamports
    assert str(PAYER) in str(refused)


@pytest.mark.parametrize(
    "error", [{"InsufficientFundsForRent": {"account_index": 0}}, "InvalidRentPayingAccount"]
)
def test_too_little_sol_for_the_rent(error: Any):
    assert type(preflight(error, [])) is InsufficientLamports


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("AccountInUse", "account in use"),
        ({"DuplicateInstruction": 3}, ""),
        ({"InstructionError": [0, "MissingRequiredSignature"]}, "missing required signature"),
        (
            {"InstructionError": [7, "InvalidAccountData"]},
            "a program refused instruction 7: invalid account data",
        ),
        ({"InstructionError": [7, {"Custom": 5}]}, "a program refused instruction 7: its error 5"),
    ],
)
def test_other_refusals(error: Any, words: str):
    refused = preflight(error)
    assert type(refused) is TransactionFailed
    assert words in str(refused)


@pytest.mark.parametrize("error", ["AlreadyProcessed", "BlockhashNotFound"])
def test_what_is_no_refusal(error: str):
    assert preflight(error, []) is None


def test_errors_without_a_simulation():
    bad = refusal({"code": -32602, "message": "base64 encoded too large"})
    assert type(bad) is TransactionFailed
    assert "too large" in str(bad)
    unsigned = refusal({"code": -32003, "message": "Transaction signature verification failure"})
    assert type(unsigned) is TransactionFailed
    assert "signature verification failure" in str(unsigned)
    behind = {"code": -32005, "message": "Node is behind by 42 slots", "data": {"numSlotsBehind": 42}}
    assert type(refusal(behind)) is ChainUnavailable
    assert refusal({"code": -32603, "message": "Internal error"}) is None
    assert type(refusal_of(RPCException("words"), Message([], PAYER))) is TransactionFailed


@given(st.integers(0, 2**32 - 1), st.lists(st.text()), st.integers(0, 255))
def test_any_failure_is_an_exception(code: int, logs: list[str], index: int):
    refused = preflight({"InstructionError": [index, {"Custom": code}]}, logs)
    assert isinstance(refused, ProgramError | TransactionFailed)
