"""A chain event back in the bytes that the program logged, so that its content can be held against its hash.

Layout: the first 8 bytes of SHA-256 of `event:NAME`, then the fields of `contract/idl.json` in Borsh. Pure.
"""

import hashlib
import struct
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from contract.errors import DecodeError
from contract.interface import snake_case
from events.catalogue import ChainEvent

DISCRIMINATOR_BYTES = 8

_NUMBERS = {
    "u8": struct.Struct("<B"),
    "u32": struct.Struct("<I"),
    "u64": struct.Struct("<Q"),
    "i64": struct.Struct("<q"),
}


class _Field(msgspec.Struct):
    name: str
    type: Any


class _Fields(msgspec.Struct):
    fields: list[_Field] = []


class _Event(_Fields):
    name: str = ""


class _Type(msgspec.Struct):
    name: str
    type: _Fields


class _Interface(msgspec.Struct):
    events: list[_Event]
    types: list[_Type]


@cache
def _interface() -> _Interface:
    return msgspec.json.decode(files("contract").joinpath("idl.json").read_bytes(), type=_Interface)


@cache
def _layouts() -> dict[str, list[tuple[str, Any]]]:
    """The fields of each event and struct, with their names in Python and their types."""
    interface = _interface()
    named = [(event.name, event.fields) for event in interface.events]
    named += [(defined.name, defined.type.fields) for defined in interface.types]
    return {name: [(snake_case(field.name), field.type) for field in fields] for name, fields in named}


def event_bytes(event: ChainEvent) -> bytes:
    """What the program logged. Raises `DecodeError` for an event with values that the program's types do not have."""
    name = type(event).__name__
    try:
        fields = _struct(name, event)
    except (KeyError, ValueError, struct.error) as error:
        raise DecodeError(f"a {name} that the program cannot have logged: {error}") from error
    return hashlib.sha256(f"event:{name}".encode()).digest()[:DISCRIMINATOR_BYTES] + fields


def event_hash(event: ChainEvent) -> bytes:
    """SHA-256 over `event_bytes`, which the scope's next event holds. Raises `DecodeError`."""
    return hashlib.sha256(event_bytes(event)).digest()


def _struct(name: str, value: msgspec.Struct) -> bytes:
    return b"".join(_encode(kind, getattr(value, field)) for field, kind in _layouts()[name])


def _encode(kind: Any, value: Any) -> bytes:
    match kind:
        case "publicKey":
            return bytes(Pubkey.from_string(value))
        case "string" | "bytes":
            data: bytes = value.encode() if kind == "string" else value
            return struct.pack("<I", len(data)) + data
        case str():
            return _NUMBERS[kind].pack(value)
        case {"array": ["u8", size]} if len(value) == size:
            return value
        case {"defined": str(name)}:
            return _struct(name, value)
        case _:
            raise ValueError(f"{kind} with {len(value)} bytes")
