"""Transaction errors in words, as a node's messages have them."""

import re
from typing import Any

_TEXTS = {
    "AccountInUse": "Account in use",
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "InvalidProgramForExecution": "This program may not be used for executing instructions",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
    "SignatureFailure": "Transaction did not pass signature verification",
}


def transaction_error_text(error: Any) -> str:
    """The words for an error as Solana's JSON has it; an unlisted name is taken apart at its capitals."""
    if isinstance(error, str):
        return _TEXTS.get(error) or _words(error)
    name, detail = next(iter(error.items()))
    if name == "InstructionError":
        index, cause = detail
        return f"Error processing Instruction {index}: {_instruction_error_text(cause)}"
    return _words(name)


def _instruction_error_text(cause: Any) -> str:
    if isinstance(cause, str):
        return _words(cause).lower()
    name, detail = next(iter(cause.items()))
    return f"custom program error: {detail:#x}" if name == "Custom" else f"{_words(name)}: {detail}"


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
