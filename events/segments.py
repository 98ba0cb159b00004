"""Archived segments of a log: where they are kept, and how they are read in the place of what the engine let go.

A segment is a log file (`events.log_file`). A note in the engine, under the segment's first position, says where it is;
the note is there before the first of its records is deleted, and stays. The streams' versions, tracking and the head
stay in the engine too, so that appends need no segment.
"""

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import msgspec

from contract.errors import DecodeError
from events.engine import Snapshot, Unavailable
from events.engine.closing import ClosedAtExit
from events.log_file import FRAME_HEAD_BYTES, InvalidLogFile, header_bytes, read_frame, read_frame_head
from events.log_keys import LogKeys

MAX_CACHED_FRAMES = 4
MAX_CACHED_INDEXES = 8


class SegmentUnavailable(Unavailable):
    """An archived segment is not where it was put, or cannot be read there."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """An archived segment: the positions it has, the hash of the record before them and of the last, the checksum and
    size of its file, and the file's name in the store at `location`.
    """

    first_position: int
    last_position: int
    previous_hash: bytes
    last_hash: bytes
    checksum: bytes
    file_bytes: int
    region: str
    location: str
    name: str


class SegmentStore(Protocol):
    """Where segments are kept: whole files that are never changed. Methods raise `SegmentUnavailable`."""

    @property
    def location(self) -> str:
        """What finds the store again."""
        ...

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Keep the file, all of it and durably, or nothing; one of the same name is replaced."""
        ...

    def size_bytes(self, name: str) -> int:
        """The size of a file."""
        ...

    def read(self, name: str, start: int, count: int) -> bytes:
        """Up to `count` bytes of a file, from the byte `start` on; fewer only at its end."""
        ...


class FolderStore:
    """Keeps segments as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @property
    def location(self) -> str:
        return str(self._folder)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        part = self._folder / f"{name}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            part.rename(self._folder / name)
            _sync_folder(self._folder)
        except OSError as error:
            raise SegmentUnavailable(f"{part}: {error.strerror}") from error

    def size_bytes(self, name: str) -> int:
        try:
            return (self._folder / name).stat().st_size
        except OSError as error:
            raise SegmentUnavailable(f"{self._folder / name}: {error.strerror}") from error

    def read(self, name: str, start: int, count: int) -> bytes:
        try:
            with (self._folder / name).open("rb") as file:
                file.seek(start)
                return file.read(count)
        except OSError as error:
            raise SegmentUnavailable(f"{self._folder / name}: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """A renamed file is there after a power failure only when its folder was written too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_store(location: str) -> SegmentStore:
    """The store at a location that a note names."""
    return FolderStore(Path(location))


def decode_segment(data: bytes) -> Segment:
    """The segment in a note. Raises `DecodeError`."""
    try:
        return msgspec.msgpack.decode(data, type=Segment)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(f"the note of a segment: {error}") from None


def segments(snapshot: Snapshot, keys: LogKeys) -> list[Segment]:
    """All segments of a log, in order. Raises `DecodeError`."""
    start, end = keys.segment(0), keys.segments + b"\xff" * 9
    return [decode_segment(data) for _, data in snapshot.scan(start, end)]


class SegmentReader:
    """Reads records out of segments; keeps the last frames and indexes that it read. Safe in many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: OrderedDict[tuple[str, str, int], tuple[bytes, ...]] = OrderedDict()
        self._indexes: OrderedDict[tuple[str, str], list[tuple[int, int, int]]] = OrderedDict()

    def frame(self, segment: Segment, position: int) -> tuple[int, tuple[bytes, ...]]:
        """The records of the frame that has `position`, and the first one's position.

        Raises `DecodeError` and `SegmentUnavailable`.
        """
        with self._lock:
            index = self._index(segment)
            first, start, count = index[bisect_right(index, position, key=itemgetter(0)) - 1]
            key = (segment.location, segment.name, first)
            if (records := self._frames.get(key)) is None:
                records = self._frames[key] = self._read_frame(segment, first, start, count)
                if len(self._frames) > MAX_CACHED_FRAMES:
                    self._frames.popitem(last=False)
        if not first <= position < first + len(records):
            raise InvalidLogFile(f"the segment {segment.name} has no position {position}")
        return first, records

    def _read_frame(self, segment: Segment, first: int, start: int, count: int) -> tuple[bytes, ...]:
        data = open_store(segment.location).read(segment.name, start, count)
        if len(data) != count or read_frame_head(data).first_position != first:
            raise InvalidLogFile(f"the segment {segment.name} was changed")
        return read_frame(data)

    def _index(self, segment: Segment) -> list[tuple[int, int, int]]:
        """The first position, first byte and size in bytes of each frame."""
        key = (segment.location, segment.name)
        if (index := self._indexes.get(key)) is None:
            index = self._read_index(segment)
            self._indexes[key] = index
            if len(self._indexes) > MAX_CACHED_INDEXES:
                self._indexes.popitem(last=False)
        return index

    def _read_index(self, segment: Segment) -> list[tuple[int, int, int]]:
        store = open_store(segment.location)
        index: list[tuple[int, int, int]] = []
        position, start = segment.first_position, header_bytes(segment.region)
        while position <= segment.last_position:
            head = read_frame_head(store.read(segment.name, start, FRAME_HEAD_BYTES))
            if head.first_position != position:
                raise InvalidLogFile(f"the segment {segment.name} lacks position {position}")
            count = FRAME_HEAD_BYTES + head.compressed_bytes
            index.append((position, start, count))
            position, start = position + head.count, start + count
        return index


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
