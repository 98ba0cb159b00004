"""An event to bytes and back: MessagePack maps with the kind as their tag, in the state of a record.

The state of a record is `{"source": …, "recorded_at": …, "event": …}`; unknown fields are ignored. An event of an old
version is read as its kind's present one (`events.upcast`).
"""

from typing import Annotated, Any

import msgspec

from contract.errors import DecodeError
from events.catalogue import Event, Source
from events.upcast import upcast

MAX_MILLISECONDS = 253_402_300_799_999
"""The last of the year 9999."""

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_MILLISECONDS)]


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event with where it came from and when a node recorded it (milliseconds since 1970, UTC)."""

    source: Source
    recorded_at: Milliseconds
    event: Event


class _Time(msgspec.Struct):
    recorded_at: Milliseconds


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Recorded)
_time = msgspec.msgpack.Decoder(_Time)


def encode(recorded: Recorded) -> bytes:
    """The bytes of `recorded`; the same value gives the same bytes."""
    return _encoder.encode(recorded)


def decode(data: bytes) -> Recorded:
    """The event in `data`. Raises `DecodeError` for anything but the whole of one."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        present = _in_present_versions(data)
        if present is None:
            raise DecodeError(f"event: {error}") from None
    try:
        return _decoder.decode(present)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(f"event of an old version: {error}") from None


def recorded_at(data: bytes) -> int:
    """When the event in `data`, which may be of an unknown kind, was recorded. Raises `DecodeError`."""
    try:
        return _time.decode(data).recorded_at
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(f"a record has no time: {error}") from None


def _in_present_versions(data: bytes) -> bytes | None:
    """The same, with its event as the present version of its kind; None if it is no old version."""
    try:
        plain = msgspec.msgpack.decode(data, type=dict[str, Any])
        event = upcast(plain.get("event"))
        return None if event is None else _encoder.encode({**plain, "event": event})
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError, TypeError):
        return None
