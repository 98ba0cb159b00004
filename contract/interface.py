"""The program's interface as `idl.json` describes it, read by anchorpy, whose dynamic types end here."""

from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from io import BytesIO
from typing import Any, Final, cast

from anchorpy.coder.coder import Coder

# anchorpy_core is a native module with stubs: there is no source to resolve.
from anchorpy_core.idl import Idl, IdlAccount  # pyright: ignore[reportMissingModuleSource]
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from contract.addresses import PROGRAM_ID
from contract.errors import DecodeError

_IDL: Final = Idl.from_json(files("contract").joinpath("idl.json").read_text("utf-8"))
_CODER: Final = Coder(_IDL)
_INSTRUCTIONS: Final = {instruction.name: instruction for instruction in _IDL.instructions}
_ERRORS: Final = {error.code: (error.name, error.msg or "") for error in _IDL.errors or ()}


def build_instruction(
    name: str, addresses: Mapping[str, Pubkey], arguments: Mapping[str, int | str | bytes]
) -> Instruction:
    """An instruction of the program; `name` and `addresses` in the IDL's names, `arguments` in snake case."""
    metas = [
        AccountMeta(addresses[account.name], account.is_signer, account.is_mut)
        for account in _INSTRUCTIONS[name].accounts
        if isinstance(account, IdlAccount)
    ]
    snake_name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return Instruction(PROGRAM_ID, _CODER.instruction.encode(snake_name, dict(arguments)), metas)


def parse_account(data: bytes) -> tuple[str, dict[str, Any], int]:
    """An account's name, its fields in snake case, and how many bytes they take. Raises `DecodeError`."""
    return _parse(_CODER.accounts, data, "an account of the Marketplace")


def parse_event(data: bytes) -> tuple[str, dict[str, Any], int]:
    """An event's name, its fields in snake case, and how many bytes they take. Raises `DecodeError`."""
    return _parse(_CODER.events, data, "an event of the Marketplace")


def error_named(code: int) -> tuple[str, str] | None:
    """The name and the message of the program's custom error `code` (from 6000), or None if it has none."""
    return _ERRORS.get(code)


def _parse(coder: Any, data: bytes, what: str) -> tuple[str, dict[str, Any], int]:
    stream = BytesIO(data)
    try:
        parsed = coder.parse_stream(stream)
        values = {field.name: _plain(getattr(parsed.data, field.name)) for field in fields(parsed.data)}
    except Exception as error:
        # What construct and anchorpy raise has no common base: StreamError, KeyError, ValueError and others.
        raise DecodeError(f"these {len(data)} bytes are not {what}: {error!r}") from error
    return parsed.name, values, stream.tell()


def _plain(value: Any) -> Any:
    """[u8; 32] arrives as a list of numbers; it is bytes everywhere else."""
    return bytes(cast("list[int]", value)) if isinstance(value, list) else value
