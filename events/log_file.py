"""A part of a log as one file that describes itself: its byte layout, an encoder, and a decoder fed piece by piece.

All integers are big-endian, all checksums SHA-256.

    header   magic (8), version u16, compression u8 (1: Zstandard), length of the region u8,
             region (UTF-8, may be empty), first position u64, last position u64 (first - 1: no entries),
             hash of the record before the first (32), created u64 (milliseconds since 1970, UTC),
             checksum over all of this (32)
    frame    "F", first position u64, count u32, raw bytes u32, compressed bytes u32,
             checksum over these five and what follows it (32), one Zstandard frame, which holds for each record
             its length u32 and its bytes (`events.record`)
    trailer  "T", count u64, hash of the last record (32), checksum over the whole file before it (32)

Frames follow each other without a gap. The same records, region and time give the same bytes (for one release of
Zstandard): a frame ends with the record that brings it to `FRAME_BYTES`, or with the `MAX_FRAME_RECORDS`th.
"""

import hashlib
import struct
from collections.abc import Sequence

import msgspec
import zstandard

from contract.errors import DecodeError
from events.engine import MAX_VALUE_BYTES
from events.record import HASH_BYTES, hash_record

MAGIC = b"\x89mulog\r\n"
VERSION = 1
ZSTANDARD = 1

FRAME_BYTES = 256 * 1024
MAX_FRAME_RECORDS = 512
MAX_RAW_BYTES = FRAME_BYTES + MAX_VALUE_BYTES + 4
MAX_COMPRESSED_BYTES = MAX_RAW_BYTES + 64 * 1024
"""Bytes that do not compress become a little more."""

READ_CHUNK_BYTES = 256 * 1024
"""How much of a file is best read at once."""

COMPRESSION_LEVEL = 9
CHECKSUM_BYTES = 32
MAX_REGION_BYTES = 255

_START = struct.Struct(">8sHBB")
_SPAN = struct.Struct(f">QQ{HASH_BYTES}sQ")
_FRAME = struct.Struct(">cQIII")
_TRAILER = struct.Struct(f">cQ{HASH_BYTES}s")
_LENGTH = struct.Struct(">I")
FRAME_HEAD_BYTES = _FRAME.size + CHECKSUM_BYTES
_FRAME_TAG = b"F"
_TRAILER_TAG = b"T"


class InvalidLogFile(DecodeError):
    """These bytes are no log file, or one that was altered or damaged."""


class TruncatedLogFile(InvalidLogFile):
    """The file ends before its trailer; what came before that is whole."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a log file says of itself: the region's account (base58; empty if unknown), the positions it has, the hash
    of the record before them, and when it was made (milliseconds since 1970, UTC).
    """

    region: str
    first_position: int
    last_position: int
    previous_hash: bytes
    created_at: int


class Frame(msgspec.Struct, frozen=True):
    """Some records, as the log keeps them, from `first_position` on."""

    first_position: int
    records: tuple[bytes, ...]


class Trailer(msgspec.Struct, frozen=True):
    """The end: how many records there were, the last one's hash, and the file's checksum."""

    count: int
    last_hash: bytes
    checksum: bytes


class FrameHead(msgspec.Struct, frozen=True):
    """What stands before a frame's compressed bytes."""

    first_position: int
    count: int
    raw_bytes: int
    compressed_bytes: int


class LogFileEncoder:
    """Writes a file, a record at a time; give every piece that it returns to the file in order."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._digest = hashlib.sha256()
        self._records: list[bytes] = []
        self._raw_bytes = 0
        self._compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_content_size=True)
        self.position = header.first_position - 1
        """Of the last record that was added."""
        self.hash = header.previous_hash
        """Of the last record that was added."""

    def start(self) -> bytes:
        """The header."""
        header = self._header
        region = header.region.encode()
        if len(region) > MAX_REGION_BYTES:
            raise InvalidLogFile(f"a region's name has up to {MAX_REGION_BYTES} bytes")
        data = b"".join(
            (
                _START.pack(MAGIC, VERSION, ZSTANDARD, len(region)),
                region,
                _SPAN.pack(
                    header.first_position, header.last_position, header.previous_hash, header.created_at
                ),
            )
        )
        return self._out(data + hashlib.sha256(data).digest())

    def resume(self, written: "LogFileDecoder") -> None:
        """Go on after the last whole item that `written` has read, in the place of `start`."""
        self._digest = written.digest.copy()
        self.position, self.hash = written.position, written.hash

    def add(self, record: bytes) -> bytes:
        """The next record, which holds the hash of the one before; a frame if one is full, else nothing."""
        self.position += 1
        self.hash = hash_record(record)
        self._records.append(record)
        self._raw_bytes += _LENGTH.size + len(record)
        if self._raw_bytes >= FRAME_BYTES or len(self._records) == MAX_FRAME_RECORDS:
            return self._frame()
        return b""

    def finish(self) -> bytes:
        """What is left, and the trailer."""
        last = self._frame() if self._records else b""
        count = self.position + 1 - self._header.first_position
        data = _TRAILER.pack(_TRAILER_TAG, count, self.hash)
        self._digest.update(data)
        return last + data + self._digest.digest()

    def _frame(self) -> bytes:
        raw = b"".join(_LENGTH.pack(len(record)) + record for record in self._records)
        payload = self._compressor.compress(raw)
        first = self.position + 1 - len(self._records)
        head = _FRAME.pack(_FRAME_TAG, first, len(self._records), len(raw), len(payload))
        self._records, self._raw_bytes = [], 0
        return self._out(head + hashlib.sha256(head + payload).digest() + payload)

    def _out(self, data: bytes) -> bytes:
        self._digest.update(data)
        return data


class LogFileDecoder:
    """Reads a file of which it is fed any pieces; `next_item` gives what is whole.

    Everything that it gives has been checked: checksums, positions, and that each record holds the hash of the one
    before. `read_bytes` is how far the whole items reach; `position` and `hash` are the last record's.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._failure: InvalidLogFile | None = None
        self.header: Header | None = None
        self.trailer: Trailer | None = None
        self.digest = hashlib.sha256()
        self.read_bytes = 0
        self.position = 0
        self.hash = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        self._buffer += data

    @property
    def trailing_data(self) -> bytes:
        """What has been fed and does not belong to what was given so far; after the trailer: to something else."""
        return bytes(self._buffer)

    def next_item(self) -> Header | Frame | Trailer | None:
        """The next whole item; None when it takes more bytes, or the trailer was given. Raises `InvalidLogFile`."""
        if self._failure is not None:
            raise self._failure
        try:
            return self._next_item()
        except InvalidLogFile as error:
            self._failure = error
            raise

    def _next_item(self) -> Header | Frame | Trailer | None:
        if self.header is None:
            return self._read_header()
        if self.trailer is not None or not self._buffer:
            return None
        tag = bytes(self._buffer[:1])
        if tag == _FRAME_TAG:
            return self._read_frame(self.header)
        if tag == _TRAILER_TAG:
            return self._read_trailer(self.header)
        raise InvalidLogFile(f"byte {self.read_bytes} begins neither a frame nor the trailer")

    def finish(self) -> Trailer:
        """The file has ended here. Raises `TruncatedLogFile`, and `InvalidLogFile` for bytes after the trailer."""
        if self._failure is not None:
            raise self._failure
        if self.trailer is None:
            if self.header is None:
                raise TruncatedLogFile("the file ends in its header")
            last = self.header.last_position
            raise TruncatedLogFile(f"the file ends after position {self.position}; it should go on to {last}")
        if self._buffer:
            raise InvalidLogFile(f"after the trailer come {len(self._buffer)} more bytes")
        return self.trailer

    def _read_header(self) -> Header | None:
        start = bytes(self._buffer[: len(MAGIC)])
        if not MAGIC.startswith(start):
            raise InvalidLogFile("this is no log file: it does not begin as one")
        if len(self._buffer) < _START.size:
            return None
        _, version, compression, region_bytes = _START.unpack_from(self._buffer)
        if version != VERSION or compression != ZSTANDARD:
            raise InvalidLogFile(
                f"a log file of version {version}, compression {compression}; known are {VERSION} and {ZSTANDARD}"
            )
        end = _START.size + region_bytes + _SPAN.size
        if len(self._buffer) < end + CHECKSUM_BYTES:
            return None
        data = bytes(self._buffer[:end])
        if hashlib.sha256(data).digest() != bytes(self._buffer[end : end + CHECKSUM_BYTES]):
            raise InvalidLogFile("the header does not have its checksum")
        first, last, previous_hash, created_at = _SPAN.unpack_from(data, end - _SPAN.size)
        if first < 1 or last < first - 1:
            raise InvalidLogFile(f"there are no positions {first} to {last}")
        try:
            region = data[_START.size : _START.size + region_bytes].decode()
        except UnicodeDecodeError:
            raise InvalidLogFile("the region is not UTF-8") from None
        self.header = Header(
            region=region,
            first_position=first,
            last_position=last,
            previous_hash=previous_hash,
            created_at=created_at,
        )
        self.position, self.hash = first - 1, previous_hash
        self._take(end + CHECKSUM_BYTES)
        return self.header

    def _read_frame(self, header: Header) -> Frame | None:
        if len(self._buffer) < FRAME_HEAD_BYTES:
            return None
        head = read_frame_head(bytes(self._buffer[:FRAME_HEAD_BYTES]))
        if (
            head.first_position != self.position + 1
            or head.first_position + head.count - 1 > header.last_position
        ):
            raise InvalidLogFile(f"after position {self.position} comes a frame of {head.first_position}")
        end = FRAME_HEAD_BYTES + head.compressed_bytes
        if len(self._buffer) < end:
            return None
        records = read_frame(bytes(self._buffer[:end]))
        self.hash = check_chain(records, head.first_position, self.hash)
        self.position += len(records)
        self._take(end)
        return Frame(head.first_position, records)

    def _read_trailer(self, header: Header) -> Trailer | None:
        if len(self._buffer) < _TRAILER.size + CHECKSUM_BYTES:
            return None
        _, count, last_hash = _TRAILER.unpack_from(self._buffer)
        checksum = bytes(self._buffer[_TRAILER.size : _TRAILER.size + CHECKSUM_BYTES])
        self.digest.update(self._buffer[: _TRAILER.size])
        if checksum != self.digest.digest():
            raise InvalidLogFile("the file does not have the checksum in its trailer")
        if self.position != header.last_position or last_hash != self.hash:
            raise InvalidLogFile(f"the trailer does not fit the last position, {self.position}")
        if count != self.position + 1 - header.first_position:
            raise InvalidLogFile(f"the trailer says that there are {count} entries")
        del self._buffer[: _TRAILER.size + CHECKSUM_BYTES]
        self.read_bytes += _TRAILER.size + CHECKSUM_BYTES
        self.trailer = Trailer(count, last_hash, checksum)
        return self.trailer

    def _take(self, count: int) -> None:
        self.digest.update(self._buffer[:count])
        del self._buffer[:count]
        self.read_bytes += count


TRAILER_BYTES = _TRAILER.size + CHECKSUM_BYTES
"""How long the trailer is, at the end of the file."""


def read_header(data: bytes) -> Header:
    """What these bytes, the whole header, say. Raises `InvalidLogFile`."""
    decoder = LogFileDecoder()
    decoder.feed(data)
    if not isinstance(header := decoder.next_item(), Header) or decoder.trailing_data:
        raise InvalidLogFile("the header is of another length")
    return header


def header_bytes(region: str) -> int:
    """How long the header of a region's file is."""
    return _START.size + len(region.encode()) + _SPAN.size + CHECKSUM_BYTES


def read_frame_head(data: bytes) -> FrameHead:
    """What stands at the beginning of a frame. Raises `InvalidLogFile`."""
    if len(data) < FRAME_HEAD_BYTES or data[:1] != _FRAME_TAG:
        raise InvalidLogFile("no frame begins here")
    _, first, count, raw_bytes, compressed_bytes = _FRAME.unpack_from(data)
    if not (1 <= count <= MAX_FRAME_RECORDS and first >= 1):
        raise InvalidLogFile(f"a frame at position {first} with {count} records")
    if not (count * _LENGTH.size <= raw_bytes <= MAX_RAW_BYTES and compressed_bytes <= MAX_COMPRESSED_BYTES):
        raise InvalidLogFile(f"a frame with {raw_bytes} bytes, compressed {compressed_bytes}")
    return FrameHead(first, count, raw_bytes, compressed_bytes)


def read_frame(data: bytes) -> tuple[bytes, ...]:
    """The records in a whole frame. Raises `InvalidLogFile`."""
    head = read_frame_head(data)
    payload = data[FRAME_HEAD_BYTES:]
    if hashlib.sha256(data[: _FRAME.size] + payload).digest() != data[_FRAME.size : FRAME_HEAD_BYTES]:
        raise InvalidLogFile(f"the frame at position {head.first_position} does not have its checksum")
    try:
        # the size stands in the bytes themselves, and is believed before any limit
        if zstandard.frame_content_size(payload) != head.raw_bytes:
            raise InvalidLogFile(
                f"the frame at position {head.first_position} is of another size than it says"
            )
        raw = zstandard.ZstdDecompressor().decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise InvalidLogFile(f"the frame at position {head.first_position}: {error}") from None
    records: list[bytes] = []
    start = 0
    for _ in range(head.count):
        if start + _LENGTH.size > len(raw):
            raise InvalidLogFile(f"the frame at position {head.first_position} has too few records")
        end = start + _LENGTH.size + _LENGTH.unpack_from(raw, start)[0]
        if end > len(raw):
            raise InvalidLogFile(f"the frame at position {head.first_position} ends in a record")
        records.append(raw[start + _LENGTH.size : end])
        start = end
    if start != len(raw):
        raise InvalidLogFile(f"the frame at position {head.first_position} goes on after its records")
    return tuple(records)


def check_chain(records: Sequence[bytes], first_position: int, previous_hash: bytes) -> bytes:
    """The last one's hash. Raises `InvalidLogFile` unless each record begins with the hash of the one before it."""
    for position, record in enumerate(records, first_position):
        if not record.startswith(previous_hash):
            raise InvalidLogFile(f"position {position} does not hold the hash of the entry before it")
        previous_hash = hash_record(record)
    return previous_hash
