"""Reads positional parameters into typed values, or says what is wrong as a node does."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

from contract.errors import DecodeError
from mu.localnet import base58
from mu.localnet.commitment import Commitment
from mu.localnet.jsonrpc import INVALID_PARAMS, MIN_CONTEXT_SLOT_NOT_REACHED, RpcError
from mu.localnet.ledger import Ledger

Unsigned = Annotated[int, msgspec.Meta(ge=0)]
AccountEncoding = Literal["binary", "base58", "base64", "base64+zstd", "jsonParsed"]
TransactionEncoding = Literal["json", "jsonParsed", "base58", "base64", "binary"]

_Type = TypeVar("_Type")


class ContextConfig(msgspec.Struct, frozen=True, rename="camel"):
    """What most reads take; the commitment is finalized where none is given."""

    commitment: Commitment | None = None
    min_context_slot: Unsigned | None = None

    @property
    def level(self) -> Commitment:
        return self.commitment or Commitment.FINALIZED


class TransactionConfig(ContextConfig, frozen=True, rename="camel"):
    """How transactions are to be written, and which version the client can read."""

    encoding: TransactionEncoding | None = None
    max_supported_transaction_version: Unsigned | None = None


class DataSlice(msgspec.Struct, frozen=True):
    """A part of an account's data, in bytes."""

    offset: Unsigned
    length: Unsigned


class AccountConfig(ContextConfig, frozen=True, rename="camel"):
    """How accounts are to be written."""

    encoding: AccountEncoding | None = None
    data_slice: DataSlice | None = None


class Memcmp(msgspec.Struct, frozen=True):
    """Bytes that the data must have at an offset."""

    offset: Unsigned
    bytes: str
    encoding: Literal["base58", "base64", "binary"] | None = None


class Filter(msgspec.Struct, frozen=True, rename="camel"):
    """One filter of `getProgramAccounts`: exactly one member is set."""

    data_size: Unsigned | None = None
    memcmp: Memcmp | None = None


class ProgramAccountsConfig(AccountConfig, frozen=True, rename="camel"):
    """Which accounts of a program, and how they are to be written."""

    filters: list[Filter] | None = None
    with_context: bool | None = None


_Encoded = TypeVar("_Encoded", bound=TransactionConfig)


def convert(value: Any, kind: type[_Type]) -> _Type:
    """`value` as `kind`. Raises RpcError."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RpcError(INVALID_PARAMS, f"Invalid params: {error}.") from error


def config(params: list[Any], index: int, kind: type[_Type]) -> _Type:
    """The optional configuration object at `index`; absent and null count as empty. Raises RpcError."""
    value = params[index] if index < len(params) else None
    return convert({} if value is None else value, kind)


def encoding_config(params: list[Any], index: int, kind: type[_Encoded]) -> _Encoded:
    """As `config`; the older form is the encoding alone. Raises RpcError."""
    if index < len(params) and isinstance(params[index], str):
        return convert({"encoding": params[index]}, kind)
    return config(params, index, kind)


def check_count(params: list[Any], minimum: int, maximum: int) -> None:
    """Raises RpcError for too few or too many parameters."""
    if len(params) < minimum:
        raise RpcError(INVALID_PARAMS, f"`params` should have at least {minimum} argument(s)")
    if len(params) > maximum:
        message = f"Invalid parameters: Expected from {minimum} to {maximum} parameters."
        raise RpcError(INVALID_PARAMS, message, f'"Got: {len(params)}"')


def unsigned(value: Any) -> int:
    """A whole number from 0 on. Raises RpcError."""
    number = convert(value, int)
    if number < 0:
        raise RpcError(INVALID_PARAMS, f"Invalid params: invalid value: integer `{number}`, expected u64.")
    return number


def pubkey(value: Any) -> Pubkey:
    """An account's address. Raises RpcError."""
    return Pubkey(_base58(value, Pubkey.LENGTH))


def signature(value: Any) -> Signature:
    """A transaction's signature. Raises RpcError."""
    return Signature.from_bytes(_base58(value, Signature.LENGTH))


def blockhash(value: Any) -> Hash:
    """A blockhash. Raises RpcError."""
    return Hash(_base58(value, Hash.LENGTH))


def _base58(value: Any, length: int) -> bytes:
    try:
        data = base58.decode(convert(value, str), max_bytes=2 * length)
    except DecodeError as error:
        raise RpcError(INVALID_PARAMS, "Invalid param: Invalid") from error
    if len(data) != length:
        raise RpcError(INVALID_PARAMS, "Invalid param: WrongSize")
    return data


def check_confirmed(wanted: ContextConfig) -> None:
    """Raises RpcError for a commitment at which the history is not read."""
    if wanted.commitment is Commitment.PROCESSED:
        raise RpcError(INVALID_PARAMS, "Method does not support commitment below `confirmed`")


def check_context(ledger: Ledger, wanted: ContextConfig) -> int:
    """The slot of the wanted commitment. Raises RpcError while it is below `minContextSlot`."""
    slot = wanted.level.slot(ledger.slot)
    if wanted.min_context_slot is not None and slot < wanted.min_context_slot:
        message = "Minimum context slot has not been reached"
        raise RpcError(MIN_CONTEXT_SLOT_NOT_REACHED, message, {"contextSlot": slot})
    return slot
