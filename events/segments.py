"""Archived segments of a log: the notes of them, and how they are read in the place of what the engine let go.

A segment is a log file (`events.log_file`) in a store (`events.segment_store`). A note in the engine, under the
segment's first position, says where it is; the note is there before the first of its records is deleted, and stays.
The streams' versions, tracking and the head stay in the engine too, so that appends need no segment.
"""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter
from typing import Annotated, TypeVar

import msgspec

from contract.errors import DecodeError, InvalidInput
from events.engine import Snapshot
from events.engine.closing import ClosedAtExit
from events.log_file import (
    FRAME_HEAD_BYTES,
    TRAILER_BYTES,
    Header,
    InvalidLogFile,
    header_bytes,
    read_frame,
    read_frame_head,
    read_header,
)
from events.log_keys import LogKeys
from events.segment_store import SegmentStore, SegmentUnavailable, open_store

MAX_OPEN_SEGMENTS = 4
MAX_CACHED_FRAMES = 2
"""Of each; as there may be two that read at the same time."""
MAX_CACHED_BLOCKS = 3
"""Of each; a frame may begin in one and end in the next, and the one before it in a third."""

_Value = TypeVar("_Value")


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """An archived segment: the positions it has, the hash of the record before them and of the last, the checksum and
    size of its file, and the file's name in the store at `location`.
    """

    first_position: Annotated[int, msgspec.Meta(ge=1)]
    last_position: Annotated[int, msgspec.Meta(ge=1)]
    previous_hash: bytes
    last_hash: bytes
    checksum: bytes
    file_bytes: Annotated[int, msgspec.Meta(ge=TRAILER_BYTES)]
    region: str
    location: str
    name: str

    def describes(self, header: Header) -> bool:
        """Whether a file that begins so may be this one."""
        found = (header.region, header.first_position, header.last_position, header.previous_hash)
        return found == (self.region, self.first_position, self.last_position, self.previous_hash)


def decode_segment(data: bytes) -> Segment:
    """The segment in a note. Raises `DecodeError`."""
    try:
        return msgspec.msgpack.decode(data, type=Segment)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(f"the note of a segment: {error}") from None


def store_of(segment: Segment) -> SegmentStore:
    """Where its file is. Raises `SegmentUnavailable` for a note that names no store."""
    try:
        return open_store(segment.location, "location")
    except InvalidInput as error:
        raise SegmentUnavailable(f"the segment {segment.name}: {error}") from None


def segments(snapshot: Snapshot, keys: LogKeys) -> list[Segment]:
    """All segments of a log, in order. Raises `DecodeError`."""
    start, end = keys.segment(0), keys.segments + b"\xff" * 9
    return [decode_segment(data) for _, data in snapshot.scan(start, end)]


class SegmentReader:
    """Reads records out of segments; keeps what it last read of the last few. Safe in many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, str], _OpenSegment] = OrderedDict()

    def frame(self, segment: Segment, position: int) -> tuple[int, tuple[bytes, ...]]:
        """The records of the frame that has `position`, and the first one's position.

        Raises `DecodeError` and `SegmentUnavailable`.
        """
        key = (segment.location, segment.name)
        with self._lock:
            if key not in self._open:
                self._open[key] = _OpenSegment(segment)
                if len(self._open) > MAX_OPEN_SEGMENTS:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
            found = self._open[key]
        # Others are not kept waiting by a store that does not answer.
        try:
            return found.frame(position)
        except InvalidLogFile as error:
            raise InvalidLogFile(
                f"the segment {segment.name} at {segment.location} cannot be read: {error}; "
                "`mu log verify` tells whether more is wrong"
            ) from error


class _OpenSegment:
    """A segment of which as much is read as is needed."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._lock = threading.Lock()
        self._store = store_of(segment)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._frames: OrderedDict[int, tuple[bytes, ...]] = OrderedDict()
        self._index: list[tuple[int, int, int]] = []
        """The first position, first byte and size in bytes of each frame so far."""
        self._next_position, self._next_start = segment.first_position, header_bytes(segment.region)
        self._is_checked = False

    def frame(self, position: int) -> tuple[int, tuple[bytes, ...]]:
        """See `SegmentReader.frame`."""
        segment = self._segment
        if not segment.first_position <= position <= segment.last_position:
            raise InvalidLogFile(f"it should not have position {position}")
        with self._lock:
            self._check_ends()
            while self._next_position <= position:
                self._read_head()
            first, start, count = self._index[bisect_right(self._index, position, key=itemgetter(0)) - 1]
            if (records := self._frames.get(first)) is None:
                records = self._read_frame(first, start, count)
                _keep(self._frames, first, records, MAX_CACHED_FRAMES)
        if not first <= position < first + len(records):
            raise InvalidLogFile(f"it has no position {position}")
        return first, records

    def _check_ends(self) -> None:
        """That it is the file which the note tells of. What is between its ends has checksums of its own."""
        if self._is_checked:
            return
        segment = self._segment
        if not segment.describes(read_header(self._read(0, header_bytes(segment.region)))):
            raise InvalidLogFile("it is another file than was archived")
        trailer = self._read(segment.file_bytes - TRAILER_BYTES, TRAILER_BYTES)
        if not trailer.endswith(segment.last_hash + segment.checksum):
            raise InvalidLogFile("it does not end as the file that was archived")
        self._is_checked = True

    def _read_head(self) -> None:
        """Add the next frame to the index."""
        position, start = self._next_position, self._next_start
        head = read_frame_head(self._read(start, FRAME_HEAD_BYTES))
        if head.first_position != position:
            raise InvalidLogFile(f"it lacks position {position}")
        count = FRAME_HEAD_BYTES + head.compressed_bytes
        self._index.append((position, start, count))
        self._next_position, self._next_start = position + head.count, start + count

    def _read_frame(self, first: int, start: int, count: int) -> tuple[bytes, ...]:
        data = self._read(start, count)
        if len(data) != count or read_frame_head(data).first_position != first:
            raise InvalidLogFile("it was changed")
        return read_frame(data)

    def _read(self, start: int, count: int) -> bytes:
        """Up to `count` bytes; less than a block comes out of whole ones, as heads and frames follow each other."""
        size = self._store.block_bytes
        if count > size:
            return self._store.read(self._segment.name, start, count)
        numbers = range(start // size, (start + count - 1) // size + 1)
        return b"".join(map(self._block, numbers))[start % size :][:count]

    def _block(self, number: int) -> bytes:
        if (block := self._blocks.get(number)) is None:
            size = self._store.block_bytes
            block = self._store.read(self._segment.name, number * size, size)
            _keep(self._blocks, number, block, MAX_CACHED_BLOCKS)
        self._blocks.move_to_end(number)
        return block


def _keep(kept: OrderedDict[int, _Value], key: int, value: _Value, limit: int) -> None:
    kept[key] = value
    if len(kept) > limit:
        kept.popitem(last=False)


class ArchivedSnapshot(ClosedAtExit):
    """A snapshot of a log's engine in which records that were archived are still there."""

    def __init__(self, snapshot: Snapshot, keys: LogKeys, reader: SegmentReader) -> None:
        self._snapshot = snapshot
        self._keys = keys
        self._reader = reader

    def get(self, key: bytes) -> bytes | None:
        value = self._snapshot.get(key)
        return self._archived(key) if value is None else value

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        wanted = list(keys)
        found = self._snapshot.get_many(wanted)
        if len(found) < len(wanted):
            for key in wanted:
                if key not in found and (data := self._archived(key)) is not None:
                    found[key] = data
        return found

    def scan(
        self, start: bytes, end: bytes | None, *, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        pairs = self._snapshot.scan(start, end, limit=limit, reverse=reverse)
        if not start.startswith(self._keys.entries) or end is None or limit == 0:
            return pairs
        if reverse:
            return islice(self._then_archived(pairs, start, end), limit)
        first = next(pairs, None)
        if first is None:
            return islice(self._archived_range(start, end), limit)
        if first[0] == start:
            return chain((first,), pairs)
        return islice(chain(self._archived_range(start, first[0]), (first,), pairs), limit)

    def close(self) -> None:
        self._snapshot.close()

    def _then_archived(
        self, pairs: Iterator[tuple[bytes, bytes]], start: bytes, end: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        lowest = end
        for pair in pairs:
            lowest = pair[0]
            yield pair
        for segment in self._segments_backwards(lowest):
            for position in range(segment.last_position, segment.first_position - 1, -1):
                key = self._keys.entry(position)
                if key < start:
                    return
                if key < lowest:
                    yield key, self._record(segment, position)

    def _archived_range(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The archived records from the key `start` until before `end`, in order."""
        found = [
            segment
            for segment in self._segments_backwards(end, down_to=start)
            if self._keys.entry(segment.last_position) >= start
        ]
        for segment in reversed(found):
            position = max(segment.first_position, self._keys.position(start) or 0)
            while position <= segment.last_position:
                first, records = self._reader.frame(segment, position)
                for record in records[position - first :]:
                    key = self._keys.entry(position)
                    if key >= end:
                        return
                    yield key, record
                    position += 1

    def _record(self, segment: Segment, position: int) -> bytes:
        first, records = self._reader.frame(segment, position)
        return records[position - first]

    def _archived(self, key: bytes) -> bytes | None:
        position = self._keys.position(key)
        if position is None:
            return None
        segment = next(self._segments_backwards(self._keys.entry(position) + b"\0"), None)
        if segment is None or segment.last_position < position:
            return None
        return self._record(segment, position)

    def _segments_backwards(self, end: bytes, *, down_to: bytes | None = None) -> Iterator[Segment]:
        """The segments that begin before the entry key `end`, the last first, and no more than reach `down_to`."""
        entries = len(self._keys.entries)
        low, high = self._keys.segments, self._keys.segments + (end[entries:] or b"\xff" * 9)
        for _, data in self._snapshot.scan(low, high, reverse=True):
            segment = decode_segment(data)
            yield segment
            if down_to is not None and self._keys.entry(segment.first_position) <= down_to:
                return
