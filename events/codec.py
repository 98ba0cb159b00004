"""An event to bytes and back: MessagePack maps with the kind as their tag, in the state of a record.

The state of a record is `{"source": …, "recorded_at": …, "event": …}`; unknown fields are ignored, so that an older
reader reads what a newer node has written.
"""

import msgspec

from contract.errors import DecodeError
from events.catalogue import Event, Source


class Recorded(msgspec.Struct, frozen=True):
    """An event with where it came from and when a node recorded it (milliseconds since 1970, UTC)."""

    source: Source
    recorded_at: int
    event: Event


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Recorded)


def encode(recorded: Recorded) -> bytes:
    """The bytes of `recorded`; the same value gives the same bytes."""
    return _encoder.encode(recorded)


def decode(data: bytes) -> Recorded:
    """The event in `data`. Raises `DecodeError` for anything but the whole of one."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(f"event: {error}") from None
