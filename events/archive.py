"""Moves the beginning of a log out of its engine into a store of segments, from where it is read as before.

The order makes it safe to stop anywhere: a segment is copied, read back and checked, then noted in the engine, and only
then deleted there, from its first record on. Whoever archives next finishes what was noted.
"""

from collections.abc import Callable, Iterator

import msgspec

from contract.errors import InvalidInput, MuError
from events.engine import Conflict, Engine, KeyExists, OutcomeUnknown
from events.export import READ_CHUNK_BYTES, describe, export
from events.log_file import Header, LogFileDecoder, Trailer
from events.log_keys import DEFAULT_PREFIX, LogKeys
from events.recorder import EngineProcessRecorder
from events.segment_store import SegmentStore, SegmentUnavailable
from events.segments import Segment, segments

MAX_SEGMENT_ENTRIES = 200_000
MAX_DELETES_PER_TRANSACTION = 500
MAX_ATTEMPTS = 16
NAME_HASH_CHARACTERS = 16


class CopyDiffers(MuError):
    """What the store gave back is not what was put there; nothing was deleted."""


class ArchiveConflict(MuError):
    """Another is archiving the same log."""


class Archive:
    """Archives one log. `recorder` reads the log that is in `engine` under `prefix`."""

    def __init__(
        self,
        engine: Engine,
        recorder: EngineProcessRecorder,
        *,
        prefix: bytes = DEFAULT_PREFIX,
        max_segment_entries: int = MAX_SEGMENT_ENTRIES,
    ) -> None:
        self._engine = engine
        self._recorder = recorder
        self._keys = LogKeys(prefix)
        self._max_segment_entries = max_segment_entries

    def segments(self) -> list[Segment]:
        """What has been archived, in order."""
        with self._engine.snapshot() as snapshot:
            return segments(snapshot, self._keys)

    def archive(
        self,
        before: int,
        store: SegmentStore,
        *,
        region: str,
        created_at: int,
        on_segment: Callable[[Segment], None] = lambda segment: None,
    ) -> int:
        """Archive every entry before the position `before`, and return how many there were to archive.

        Raises `InvalidInput`, `BrokenLog`, `CopyDiffers`, `ArchiveConflict`, and what engine and store raise. The
        entries can be read all the time, and after any of these.
        """
        head = self._recorder.head()[0]
        if not 1 <= before <= head + 1:
            raise InvalidInput("--before", f"must be a position of the log, from 1 to {head + 1}")
        archived = self.segments()
        for segment in archived:
            self._delete(segment)
        first = start = archived[-1].last_position + 1 if archived else 1
        while first < before:
            last = min(before, first + self._max_segment_entries) - 1
            header = describe(self._recorder, first=first, last=last, region=region, created_at=created_at)
            segment = self._copy(header, store)
            self._note(segment)
            self._delete(segment)
            on_segment(segment)
            first = last + 1
        return first - start

    def _copy(self, header: Header, store: SegmentStore) -> Segment:
        """Put a segment into the store and read it back."""
        last = self._recorder.records(header.last_position, 1)[0][1].hash
        name = f"{header.first_position:020}-{header.last_position:020}-{last.hex()[:NAME_HASH_CHARACTERS]}.mulog"
        store.put(name, export(self._recorder, header))
        found, trailer = read_back(store, name)
        if found != header or trailer.last_hash != last:
            raise CopyDiffers(f"the store at {store.location} gave back another {name} than it was given")
        return Segment(
            first_position=header.first_position,
            last_position=header.last_position,
            previous_hash=header.previous_hash,
            last_hash=last,
            checksum=trailer.checksum,
            file_bytes=store.size_bytes(name),
            region=header.region,
            location=store.location,
            name=name,
        )

    def _note(self, segment: Segment) -> None:
        key = self._keys.segment(segment.first_position)
        value = msgspec.msgpack.encode(segment)
        for _ in range(MAX_ATTEMPTS):
            with self._engine.begin() as transaction:
                noted = transaction.get(key)
                if noted == value:
                    return
                if noted is not None:
                    break
                try:
                    transaction.insert(key, value)
                    transaction.commit()
                except (Conflict, KeyExists, OutcomeUnknown):
                    continue
                return
        raise ArchiveConflict(f"position {segment.first_position} is being archived by another")

    def _delete(self, segment: Segment) -> None:
        """Let the engine's copies of a noted segment go, the first ones first."""
        end = self._keys.entry(segment.last_position) + b"\0"
        start = self._keys.entry(segment.first_position)
        attempts = 0
        while attempts < MAX_ATTEMPTS:
            with self._engine.begin() as transaction:
                keys = [key for key, _ in transaction.scan(start, end, limit=MAX_DELETES_PER_TRANSACTION)]
                if not keys:
                    return
                for key in keys:
                    transaction.delete(key)
                try:
                    transaction.commit()
                except (Conflict, OutcomeUnknown):
                    attempts += 1
                else:
                    attempts = 0
        raise ArchiveConflict(f"the entries of {segment.name} are being deleted by another")


def read_back(store: SegmentStore, name: str) -> tuple[Header, Trailer]:
    """The header and trailer of a segment, all of which is read and checked.

    Raises `CopyDiffers`, `DecodeError` and `SegmentUnavailable`.
    """
    decoder = LogFileDecoder()
    for piece in _pieces(store, name):
        decoder.feed(piece)
        while decoder.next_item() is not None:
            pass
    trailer = decoder.finish()
    if decoder.header is None:
        raise CopyDiffers(f"{name} is empty")
    return decoder.header, trailer


def _pieces(store: SegmentStore, name: str) -> Iterator[bytes]:
    start, count = 0, max(store.block_bytes, READ_CHUNK_BYTES)
    while piece := store.read(name, start, count):
        yield piece
        start += len(piece)
    if start != store.size_bytes(name):
        raise SegmentUnavailable(f"{name} could be read up to byte {start} only")
