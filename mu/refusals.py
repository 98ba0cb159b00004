"""What a chain says when it refuses a transaction, as the exception that a caller can act on; pure."""

import re
from collections.abc import Sequence
from typing import Any

from solana.rpc.core import RPCException
from solders.message import Message
from solders.rpc.errors import (
    InternalErrorMessage,
    NodeUnhealthyMessage,
    SendTransactionPreflightFailureMessage,
)
from solders.system_program import ID as SYSTEM_PROGRAM_ID
from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
)

from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from contract.errors import MuError
from contract.program_errors import error_of
from events.chain.rpc import ChainUnavailable
from mu.token_amount import format_tokens

SOL_DECIMALS = 9
SYSTEM_INSUFFICIENT_LAMPORTS = 1
"""The system program's `SystemError::ResultWithNegativeLamports`."""
TOKEN_INSUFFICIENT_FUNDS = 1
"""The token program's `TokenError::InsufficientFunds`."""

_FAILED = re.compile(r"Program ([1-9A-HJ-NP-Za-km-z]{32,44}) failed: ")
_LAMPORTS_MISSING = re.compile(r"Transfer: insufficient lamports ([0-9]{1,20}), need ([0-9]{1,20})")
_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_LAMPORTS_FOR_FEE = (
    TransactionErrorFieldless.AccountNotFound,
    TransactionErrorFieldless.InsufficientFundsForFee,
)
_UNDECIDED = (TransactionErrorFieldless.AlreadyProcessed, TransactionErrorFieldless.BlockhashNotFound)


class TransactionFailed(MuError):
    """The chain refused the transaction; nothing was changed but for a fee that it may have taken."""


class InsufficientLamports(TransactionFailed):
    """An account has too few lamports for the fee, or for the rent of what was to be created."""


class InsufficientTokens(TransactionFailed):
    """The token account that was to pay has too few tokens."""


def refusal_of(error: RPCException, message: Message) -> MuError | None:
    """Why a node did not take a transaction: a `ProgramError`, `TransactionFailed`, or `ChainUnavailable`.

    None where that is no refusal: the node has it already, does not know its blockhash (it may be behind), or has an
    error of its own, upon which it may have passed it on.
    """
    detail: Any = error.args[0] if error.args else error
    if isinstance(detail, NodeUnhealthyMessage):
        return ChainUnavailable(f"the RPC node takes no transactions: {detail.message}")
    if isinstance(detail, InternalErrorMessage):
        return None
    if isinstance(detail, SendTransactionPreflightFailureMessage) and detail.data.err is not None:
        if detail.data.err in _UNDECIDED:
            return None
        return failure_of(detail.data.err, detail.data.logs or (), message)
    text = getattr(detail, "message", None) or _words(detail)
    return TransactionFailed(f"the chain refused the transaction: {text}")


def failure_of(error: Any, logs: Sequence[str], message: Message | None) -> MuError:
    """The exception for a solders transaction error: a `ProgramError` or a `TransactionFailed`.

    `logs` tell which program failed first: an inner one's custom code reaches the outer one unchanged, and says
    nothing in the outer one's numbers. Without them it is the one that the instruction in `message` calls.
    """
    if error in _NO_LAMPORTS_FOR_FEE:
        payer = "the account that pays" if message is None else str(message.account_keys[0])
        return InsufficientLamports(f"there is too little SOL for the fee; send some to {payer}")
    if (
        isinstance(error, TransactionErrorInsufficientFundsForRent)
        or error == TransactionErrorFieldless.InvalidRentPayingAccount
    ):
        return InsufficientLamports("an account would be left with less SOL than its rent; send it some")
    if not isinstance(error, TransactionErrorInstructionError):
        return TransactionFailed(f"the chain refused the transaction: {_words(error)}")
    program = _failed_program(logs) or _called_program(error.index, message)
    if not isinstance(error.err, InstructionErrorCustom):
        return TransactionFailed(f"{_named(program)} refused instruction {error.index}: {_words(error.err)}")
    code = error.err.code
    if program == str(PROGRAM_ID) and (known := error_of(code)) is not None:
        return known
    if program == str(SYSTEM_PROGRAM_ID) and code == SYSTEM_INSUFFICIENT_LAMPORTS:
        return _lamports_missing(logs)
    if program == str(TOKEN_PROGRAM_ID) and code == TOKEN_INSUFFICIENT_FUNDS:
        return InsufficientTokens("the token account that pays has too few tokens")
    return TransactionFailed(f"{_named(program)} refused instruction {error.index}: its error {code}")


def _failed_program(logs: Sequence[str]) -> str | None:
    """The program that the first failure is of. What a program logs itself begins with `Program log: `."""
    return next((found[1] for line in logs if (found := _FAILED.match(line))), None)


def _called_program(index: int, message: Message | None) -> str | None:
    if message is None or index >= len(message.instructions):
        return None
    return str(message.account_keys[message.instructions[index].program_id_index])


def _named(program: str | None) -> str:
    return "a program" if program is None else f"the program {program}"


def _lamports_missing(logs: Sequence[str]) -> InsufficientLamports:
    found = next((found for line in logs if (found := _LAMPORTS_MISSING.match(line))), None)
    if found is None:
        return InsufficientLamports("the account that pays has too little SOL; send it some")
    has, needs = (format_tokens(int(lamports), SOL_DECIMALS) for lamports in found.groups())
    return InsufficientLamports(f"the account that pays has {has} SOL and needs {needs} SOL; send it some")


def _words(error: object) -> str:
    """`TransactionErrorFieldless.AccountInUse` as `account in use`."""
    return _CAPITALS.sub(" ", str(error).rpartition(".")[2]).lower()
