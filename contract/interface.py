"""The program's interface as `idl.json` describes it, read by anchorpy, whose dynamic types end here."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from importlib.resources import files
from io import BytesIO
from typing import Any, Final, cast

import msgspec
from anchorpy.coder.coder import Coder
from anchorpy.program.common import NamedInstruction as NamedData

# anchorpy_core is a native module with stubs: there is no source to resolve.
from anchorpy_core.idl import Idl, IdlAccount  # pyright: ignore[reportMissingModuleSource]
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM_ID

from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from contract.errors import DecodeError

Argument = int | str | bytes | Pubkey | msgspec.Struct
"""What an instruction takes: a struct of `contract.terms` where the IDL has one."""


def snake_case(name: str) -> str:
    """A name of the IDL (camelCase) as Python writes it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_IDL: Final = Idl.from_json(files("contract").joinpath("idl.json").read_text("utf-8"))
_CODER: Final[Any] = Coder(_IDL)
_ACCOUNTS: Final = {
    snake_case(instruction.name): [
        (snake_case(account.name), account.is_signer, account.is_mut)
        for account in instruction.accounts
        if isinstance(account, IdlAccount)
    ]
    for instruction in _IDL.instructions
}
_PROGRAMS: Final = {"system_program": SYSTEM_PROGRAM_ID, "token_program": TOKEN_PROGRAM_ID}

ERROR_MESSAGES: Final = {error.code: error.msg or "" for error in _IDL.errors or ()}
"""The message of each of the program's custom errors, by code."""


def build_instruction(
    name: str, addresses: Mapping[str, Pubkey], arguments: Mapping[str, Argument]
) -> Instruction:
    """An instruction of the program, all names in snake case; `addresses` of everything but other programs."""
    known = {**_PROGRAMS, **addresses}
    metas = [AccountMeta(known[account], signer, writable) for account, signer, writable in _ACCOUNTS[name]]
    plain = {argument: _encodable(value) for argument, value in arguments.items()}
    return Instruction(PROGRAM_ID, _CODER.instruction.encode(name, plain), metas)


def parse_account(data: bytes) -> tuple[str, dict[str, Any], int]:
    """An account's name, its fields in snake case, and how many bytes they take. Raises `DecodeError`."""
    what = "an account of the Marketplace"
    name, values, used_bytes = _parse(_CODER.accounts, data, what)
    # construct takes any byte but 0 for true; Borsh has one form for each value.
    if _CODER.accounts.build(NamedData(data=values, name=name)) != data[:used_bytes]:
        raise DecodeError(f"these {len(data)} bytes are not {what}: a boolean is neither 0 nor 1")
    return name, _plain(values), used_bytes


def parse_event(data: bytes) -> tuple[str, dict[str, Any], int]:
    """An event's name, its fields in snake case, and how many bytes they take. Raises `DecodeError`."""
    name, values, used_bytes = _parse(_CODER.events, data, "an event of the Marketplace")
    return name, _plain(values), used_bytes


def _parse(coder: Any, data: bytes, what: str) -> tuple[str, dict[str, Any], int]:
    stream = BytesIO(data)
    try:
        parsed = coder.parse_stream(stream)
        return parsed.name, cast("dict[str, Any]", vars(parsed.data)), stream.tell()
    except Exception as error:
        # What construct and anchorpy raise has no common base: StreamError, KeyError, ValueError and others.
        raise DecodeError(f"these {len(data)} bytes are not {what}: {error!r}") from error


def _encodable(value: Argument) -> Any:
    """Structs as nested dicts, the form that construct builds from."""
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value


def _plain(value: Any) -> Any:
    """Structs arrive as dataclasses, [u8; 32] as a list of numbers, a variant of an enum as an object of its own."""
    if isinstance(value, bool | int | str | bytes | Pubkey):
        return value
    if isinstance(value, list):
        values = cast("list[Any]", value)
        return bytes(values) if isinstance(values[0], int) else [_plain(one) for one in values]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in cast("dict[str, Any]", value).items()}
    return _plain(vars(value)) if is_dataclass(value) else type(value).__name__
