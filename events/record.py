"""A record, the unit of the log: its one byte layout, and the hash that chains it to the record before."""

import hashlib
import struct
from typing import Self

import msgspec

from contract.errors import DecodeError, MuError

HASH_BYTES = 32

ZERO_HASH = bytes(HASH_BYTES)
"""Stands for the record before the first."""

MAX_STREAM_ID_BYTES = 400
"""Leaves room in an engine key for the log's prefix and the version."""

MAX_TOPIC_BYTES = 65535
MAX_VERSION = 2**64 - 1

_FIXED = struct.Struct(f">{HASH_BYTES}sQH")
_BODY = struct.Struct(">QH")
_LENGTH = struct.Struct(">H")


class InvalidRecord(MuError):
    """A record, or a part of one, does not fit the log: out of range, too long, or not text."""


class UnreadableRecord(DecodeError):
    """The record at `position` is damaged, or of a newer version of mu; `problem` says in what way."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(
            f"position {position} of the log cannot be read: {problem}; "
            "`mu log verify` tells what else is wrong, unless a newer mu has written it"
        )
        self.position = position
        self.problem = problem


# gc=False, here and where else it stands: these hold no cycle, and looking for one took a quarter of a replay
class Record(msgspec.Struct, frozen=True, gc=False):
    """One event as the log keeps it.

    Bytes, integers big-endian: previous hash (32), version (8), length of the stream id (2), stream id
    (UTF-8), length of the topic (2), topic (UTF-8), state (to the end). A record has one encoding only, so
    whoever has the fields can compute the hash.
    """

    previous_hash: bytes
    stream: str
    version: int
    topic: str
    state: bytes

    def encode(self) -> bytes:
        """The record's bytes. Raises `InvalidRecord`."""
        if len(self.previous_hash) != HASH_BYTES:
            raise InvalidRecord(f"a hash has {HASH_BYTES} bytes, this one {len(self.previous_hash)}")
        body = encode_body(encode_stream_id(self.stream), self.version, self.topic, self.state)
        return self.previous_hash + body

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The record with these bytes. Raises `DecodeError`."""
        try:
            previous_hash, version, stream_bytes = _FIXED.unpack_from(data)
            stream_end = _FIXED.size + stream_bytes
            (topic_bytes,) = _LENGTH.unpack_from(data, stream_end)
            topic_start = stream_end + _LENGTH.size
            state_start = topic_start + topic_bytes
            if state_start > len(data):
                raise DecodeError("a record is truncated in its topic")
            stream = data[_FIXED.size : stream_end].decode()
            topic = data[topic_start:state_start].decode()
        except struct.error as error:
            raise DecodeError(f"a record is truncated: {error}") from error
        except UnicodeDecodeError as error:
            raise DecodeError(f"a record holds bytes that are not UTF-8: {error}") from error
        if not 0 < stream_bytes <= MAX_STREAM_ID_BYTES or "\0" in stream:
            raise DecodeError("a record holds a stream id that no record may have")
        return cls(previous_hash, stream, version, topic, data[state_start:])

    @property
    def hash(self) -> bytes:
        """What the next record holds as its previous hash: SHA-256 over this one's bytes."""
        return hash_record(self.encode())


def encode_body(stream: bytes, version: int, topic: str, state: bytes) -> bytes:
    """A record's bytes after the previous hash, which may not be known yet; `stream` is encoded already.

    Raises `InvalidRecord`.
    """
    try:
        topic_bytes = topic.encode()
    except UnicodeEncodeError as error:
        raise InvalidRecord(f"the topic is not text: {error}") from error
    if len(topic_bytes) > MAX_TOPIC_BYTES:
        raise InvalidRecord(f"a topic has up to {MAX_TOPIC_BYTES} bytes, this one {len(topic_bytes)}")
    check_version(version)
    return b"".join(
        (_BODY.pack(version, len(stream)), stream, _LENGTH.pack(len(topic_bytes)), topic_bytes, state)
    )


def hash_record(data: bytes) -> bytes:
    """SHA-256 over a record's whole bytes, which begin with the hash of the record before it."""
    return hashlib.sha256(data).digest()


def encode_stream_id(stream: str) -> bytes:
    """The bytes of a stream id, which sort as keys do. Raises `InvalidRecord`."""
    try:
        data = stream.encode()
    except UnicodeEncodeError as error:
        raise InvalidRecord(f"the stream id is not text: {error}") from error
    if not 0 < len(data) <= MAX_STREAM_ID_BYTES:
        raise InvalidRecord(f"a stream id has 1 to {MAX_STREAM_ID_BYTES} bytes, this one {len(data)}")
    if b"\0" in data:
        raise InvalidRecord("a stream id holds no zero byte")
    return data


def check_version(version: int) -> None:
    """Raise `InvalidRecord` unless the version fits."""
    if not 0 <= version <= MAX_VERSION:
        raise InvalidRecord(f"a version is between 0 and {MAX_VERSION}, this one is {version}")
