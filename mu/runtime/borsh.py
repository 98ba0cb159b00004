"""Borsh codecs that tell incomplete bytes from bad ones, each beside its `borsh_construct` definition.

The definition is the reference; `encode` and `decode` are ten times as fast, and the tests hold them
to it. Integers are little-endian; a string or bytes is a u32 length and its bytes, a list a u32 count and its
items, a map a u32 count and its pairs sorted by key, a boolean or an enum one byte (https://borsh.io).
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import borsh_construct
import msgspec

from contract.errors import DecodeError

MAX_BYTES = 64 * 1024 * 1024
"""The longest string or byte string: a hostile length is refused before a byte of it is awaited."""

MAX_ITEMS = 16_384
"""The longest list or map, in items: they cost more to decode than the bytes that ask for them."""


class NeedMore(Exception):
    """The bytes so far are the beginning of a value."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One Borsh type.

    `decode(view, at)` returns the value at offset `at` and the offset behind it; it raises `NeedMore` when
    the view ends within the value and `DecodeError` when no further bytes could make it valid. `encode(value,
    out)` appends. `definition` is the same type in `borsh_construct`, which has no annotations of its own.
    """

    encode: Callable[[Any, bytearray], None]
    decode: Callable[[memoryview, int], tuple[Any, int]]
    definition: Any


def _integer(layout: str, definition: Any) -> Codec:
    packer = struct.Struct(layout)
    size = packer.size

    def encode(value: int, out: bytearray) -> None:
        out += packer.pack(value)

    def decode(view: memoryview, at: int) -> tuple[int, int]:
        if at + size > len(view):
            raise NeedMore
        return packer.unpack_from(view, at)[0], at + size

    return Codec(encode, decode, definition)


U16 = _integer("<H", borsh_construct.U16)
_LENGTH = struct.Struct("<I")


def _length(view: memoryview, at: int, limit: int) -> int:
    if at + 4 > len(view):
        raise NeedMore
    length = _LENGTH.unpack_from(view, at)[0]
    if length > limit:
        raise DecodeError(f"a length of {length} is above the limit of {limit}")
    return length


def _span(view: memoryview, at: int) -> tuple[memoryview, int]:
    end = at + 4 + _length(view, at, MAX_BYTES)
    if end > len(view):
        raise NeedMore
    return view[at + 4 : end], end


def _encode_bytes(value: bytes, out: bytearray) -> None:
    out += _LENGTH.pack(len(value))
    out += value


def _decode_bytes(view: memoryview, at: int) -> tuple[bytes, int]:
    span, at = _span(view, at)
    return bytes(span), at


def _encode_string(value: str, out: bytearray) -> None:
    _encode_bytes(value.encode(), out)


def _decode_string(view: memoryview, at: int) -> tuple[str, int]:
    span, at = _span(view, at)
    try:
        return str(span, "utf-8"), at
    except UnicodeDecodeError as error:
        raise DecodeError(f"a string is not UTF-8: {error.reason}") from error


BYTES = Codec(_encode_bytes, _decode_bytes, borsh_construct.Bytes)
STRING = Codec(_encode_string, _decode_string, borsh_construct.String)


def enumeration(kind: type[IntEnum]) -> Codec:
    """An enum without data, whose members are numbered from 0: one byte, the member's number."""
    members = tuple(kind)

    def encode(value: IntEnum, out: bytearray) -> None:
        out.append(value)

    def decode(view: memoryview, at: int) -> tuple[IntEnum, int]:
        if at >= len(view):
            raise NeedMore
        index = view[at]
        if index >= len(members):
            raise DecodeError(f"{kind.__name__} has no member {index}")
        return members[index], at + 1

    names = [member.name for member in members]
    return Codec(encode, decode, borsh_construct.Enum(*names, enum_name=kind.__name__))


def sequence(item: Codec) -> Codec:
    """A list of up to `MAX_ITEMS` items, as a tuple."""
    encode_item, decode_item = item.encode, item.decode

    def encode(values: tuple[Any, ...], out: bytearray) -> None:
        out += _LENGTH.pack(len(values))
        for value in values:
            encode_item(value, out)

    def decode(view: memoryview, at: int) -> tuple[tuple[Any, ...], int]:
        count = _length(view, at, MAX_ITEMS)
        at += 4
        values: list[Any] = []
        for _ in range(count):
            value, at = decode_item(view, at)
            values.append(value)
        return tuple(values), at

    return Codec(encode, decode, borsh_construct.Vec(item.definition))


def mapping(key: Codec, value: Codec) -> Codec:
    """A map of up to `MAX_ITEMS` pairs: written in key order, read in any order, without duplicates."""
    encode_key, decode_key, encode_value, decode_value = key.encode, key.decode, value.encode, value.decode

    def encode(pairs: Mapping[Any, Any], out: bytearray) -> None:
        out += _LENGTH.pack(len(pairs))
        for name in sorted(pairs):
            encode_key(name, out)
            encode_value(pairs[name], out)

    def decode(view: memoryview, at: int) -> tuple[dict[Any, Any], int]:
        count = _length(view, at, MAX_ITEMS)
        at += 4
        pairs: dict[Any, Any] = {}
        for _ in range(count):
            name, at = decode_key(view, at)
            if name in pairs:
                raise DecodeError(f"a map has the key {name!r} twice")
            pairs[name], at = decode_value(view, at)
        return pairs, at

    return Codec(encode, decode, borsh_construct.HashMap(key.definition, value.definition))


def structure(kind: type[msgspec.Struct], **fields: Codec) -> Codec:
    """A struct: its fields in the order given, which is the order of `kind`'s own fields."""
    if tuple(fields) != kind.__struct_fields__:
        raise TypeError(f"the fields of {kind.__name__} are {kind.__struct_fields__}")
    encoders = [(name, field.encode) for name, field in fields.items()]
    decoders = [field.decode for field in fields.values()]

    def encode(value: msgspec.Struct, out: bytearray) -> None:
        for name, encode_field in encoders:
            encode_field(getattr(value, name), out)

    def decode(view: memoryview, at: int) -> tuple[msgspec.Struct, int]:
        values: list[Any] = []
        for decode_field in decoders:
            value, at = decode_field(view, at)
            values.append(value)
        return kind(*values), at

    definition = borsh_construct.CStruct(*(name / field.definition for name, field in fields.items()))
    return Codec(encode, decode, definition)
