"""Where a log's keys are in an engine.

After the log's prefix (integers are 8 bytes, big-endian):

    e + position                         a record (`events.record`)
    s + stream id + zero byte + version  the record's position
    t + tracking name                    the last position tracked under that name
    h                                    the last position, and the last record's hash
    a + first position                   an archived segment (`events.segments`)
"""

import struct
from typing import Self

import msgspec

from contract.errors import DecodeError
from events.record import HASH_BYTES, ZERO_HASH, encode_stream_id

DEFAULT_PREFIX = b"log/"

NUMBER = struct.Struct(">Q")
_HEAD = struct.Struct(f">Q{HASH_BYTES}s")


class Head(msgspec.Struct, frozen=True):
    """The last position of a log and the hash of the record there; position 0 and zeros when it is empty."""

    position: int
    hash: bytes

    def encode(self) -> bytes:
        """The value at the key of the head."""
        return _HEAD.pack(self.position, self.hash)

    @classmethod
    def decode(cls, data: bytes | None) -> Self:
        """The head in that value; None where there is none yet. Raises `DecodeError`."""
        if data is None:
            return cls(0, ZERO_HASH)
        if len(data) != _HEAD.size:
            raise DecodeError(f"the log's head has {_HEAD.size} bytes, this one {len(data)}")
        return cls(*_HEAD.unpack(data))


class LogKeys(msgspec.Struct, frozen=True):
    """The keys of the log with this prefix."""

    prefix: bytes = DEFAULT_PREFIX

    @property
    def entries(self) -> bytes:
        """What the keys of all records begin with."""
        return self.prefix + b"e"

    @property
    def streams(self) -> bytes:
        """What the keys of all streams begin with."""
        return self.prefix + b"s"

    @property
    def tracking(self) -> bytes:
        """What the keys of all tracked positions begin with."""
        return self.prefix + b"t"

    @property
    def head(self) -> bytes:
        """The key of the head."""
        return self.prefix + b"h"

    @property
    def segments(self) -> bytes:
        """What the keys of all archived segments begin with."""
        return self.prefix + b"a"

    def entry(self, position: int) -> bytes:
        """The key of a record."""
        return self.entries + encode_number(position)

    def segment(self, first_position: int) -> bytes:
        """The key of the archived segment that begins there."""
        return self.segments + encode_number(first_position)

    def stream(self, stream: str) -> bytes:
        """What the keys of a stream's versions begin with. Raises `InvalidRecord`."""
        return self.streams + stream_key(stream)

    def position(self, key: bytes) -> int | None:
        """The position of the record at `key`; None for any other key."""
        entries = self.entries
        if len(key) != len(entries) + NUMBER.size or not key.startswith(entries):
            return None
        return NUMBER.unpack_from(key, len(entries))[0]


def stream_key(stream: str) -> bytes:
    """What the keys of a stream's versions begin with after `LogKeys.streams`. Raises `InvalidRecord`."""
    return encode_stream_id(stream) + b"\0"


def encode_number(number: int) -> bytes:
    """8 bytes, big-endian: they sort as the numbers do."""
    return NUMBER.pack(number)


def decode_number(data: bytes) -> int:
    """The number in 8 bytes. Raises `DecodeError`."""
    if len(data) != NUMBER.size:
        raise DecodeError(f"a number in the log has {NUMBER.size} bytes, this one {len(data)}")
    return NUMBER.unpack(data)[0]
