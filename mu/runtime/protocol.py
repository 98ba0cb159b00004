"""The messages between host and function: a little-endian u16 kind, then a Borsh body, with no outer length.

A function reads `ExecuteFunction` from its stdin, and writes any number of `Log` messages and one
`FunctionResult` or `FatalError` to its stdout. To add a message, define its struct and give it one row in its
table.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import TypeVar

import msgspec

from contract.errors import DecodeError, InvalidInput
from mu.runtime.borsh import BYTES, STRING, U16, Codec, NeedMore, enumeration, mapping, sequence, structure


class Method(IntEnum):
    """An HTTP method, as its index in the protocol."""

    GET = 0
    HEAD = 1
    POST = 2
    PUT = 3
    PATCH = 4
    DELETE = 5
    OPTIONS = 6


class Level(IntEnum):
    """How much a log line matters, as its index in the protocol."""

    ERROR = 0
    WARN = 1
    INFO = 2
    DEBUG = 3
    TRACE = 4


class Header(msgspec.Struct, frozen=True):
    """One header field of a request or response."""

    name: str
    value: str


class FunctionRequest(msgspec.Struct, frozen=True):
    """The HTTP request a function answers; the parameters are percent-decoded."""

    method: Method
    path_params: Mapping[str, str]
    query_params: Mapping[str, str]
    headers: tuple[Header, ...]
    body: bytes


class ExecuteFunction(msgspec.Struct, frozen=True):
    """Host to function, kind 1: answer `request` with the function of that name."""

    function: str
    request: FunctionRequest


class FunctionResponse(msgspec.Struct, frozen=True):
    """The HTTP response of a function; any u16 is a status here."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class FatalError(msgspec.Struct, frozen=True):
    """Function to host, kind 1: the call fails, for the reason given."""

    error: str


class FunctionResult(msgspec.Struct, frozen=True):
    """Function to host, kind 2: the call succeeds."""

    response: FunctionResponse


class Log(msgspec.Struct, frozen=True):
    """Function to host, kind 3: a line for the stack's log."""

    body: str
    level: Level


Message = TypeVar("Message")

FromHost = ExecuteFunction
FromFunction = FatalError | FunctionResult | Log

_HEADERS = sequence(structure(Header, name=STRING, value=STRING))
_PARAMS = mapping(STRING, STRING)
_REQUEST = structure(
    FunctionRequest,
    method=enumeration(Method),
    path_params=_PARAMS,
    query_params=_PARAMS,
    headers=_HEADERS,
    body=BYTES,
)
_RESPONSE = structure(FunctionResponse, status=U16, headers=_HEADERS, body=BYTES)

FROM_HOST: dict[int, tuple[type[FromHost], Codec]] = {
    1: (ExecuteFunction, structure(ExecuteFunction, function=STRING, request=_REQUEST)),
}
"""What the host may say: kind to struct and body."""

FROM_FUNCTION: dict[int, tuple[type[FromFunction], Codec]] = {
    1: (FatalError, structure(FatalError, error=STRING)),
    2: (FunctionResult, structure(FunctionResult, response=_RESPONSE)),
    3: (Log, structure(Log, body=STRING, level=enumeration(Level))),
}
"""What a function may say: kind to struct and body."""

_KIND = struct.Struct("<H")
_WRITERS = {
    message: (_KIND.pack(kind), codec.encode)
    for table in (FROM_HOST, FROM_FUNCTION)
    for kind, (message, codec) in table.items()
}


def encode(message: FromHost | FromFunction) -> bytes:
    """The bytes of `message`. Raises `InvalidInput` for a value the protocol cannot carry."""
    kind, write = _WRITERS[type(message)]
    out = bytearray(kind)
    try:
        write(message, out)
    except (UnicodeEncodeError, struct.error) as error:
        raise InvalidInput(type(message).__name__, f"cannot be encoded: {error}") from error
    return bytes(out)


def decode_from_function(buffer: bytes | bytearray, start: int = 0) -> tuple[FromFunction, int] | None:
    """The message at offset `start` and the offset behind it, or None while more bytes are needed.

    Raises `DecodeError` for what no further bytes could make valid.
    """
    return _decode(FROM_FUNCTION, buffer, start)


def decode_from_host(buffer: bytes | bytearray, start: int = 0) -> tuple[FromHost, int] | None:
    """The function's side of `decode_from_function`: for functions in Python, and for tests of the others."""
    return _decode(FROM_HOST, buffer, start)


def _decode(
    table: Mapping[int, tuple[type[Message], Codec]], buffer: bytes | bytearray, start: int
) -> tuple[Message, int] | None:
    if len(buffer) < start + _KIND.size:
        return None
    kind = _KIND.unpack_from(buffer, start)[0]
    if kind not in table:
        raise DecodeError(f"the message kind {kind} is unknown")
    with memoryview(buffer) as view:
        try:
            return table[kind][1].decode(view, start + _KIND.size)
        except NeedMore:
            return None
