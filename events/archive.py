"""Moves the beginning of a log out of its engine into a store of segments, from where it is read as before.

The order makes it safe to stop anywhere: a segment is copied, read back and checked, then noted in the engine, and only
then deleted there, from its first record on. Whoever archives next finishes what was noted. Two that archive at the
same time write the same bytes: a file's time is that of its last record, and no clock's.
"""

from collections.abc import Callable

import msgspec

from contract.errors import InvalidInput, MuError
from events.codec import recorded_at
from events.engine import Conflict, Engine, OutcomeUnknown
from events.engine.once import insert_once
from events.export import describe, export
from events.log_keys import DEFAULT_PREFIX, LogKeys
from events.record import hash_record
from events.recorder import EngineProcessRecorder
from events.segment_files import read_back
from events.segment_store import SegmentStore
from events.segments import Segment
from events.verify import BrokenLog

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
        return self._recorder.segments()

    def archive(
        self,
        before: int,
        store: SegmentStore,
        *,
        region: str,
        on_segment: Callable[[Segment], None] = lambda segment: None,
    ) -> int:
        """Archive every entry before the position `before`, and return how many there were to archive.

        Raises `InvalidInput`, `BrokenLog`, `CopyDiffers`, `ArchiveConflict`, `DecodeError` for a record without a
        time, and what engine and store raise. The entries can be read all the time, and after any of these.
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
            segment = self._copy(first, last, region, store)
            self._note(segment)
            self._delete(segment)
            on_segment(segment)
            first = last + 1
        return first - start

    def _copy(self, first: int, last: int, region: str, store: SegmentStore) -> Segment:
        """Put a segment into the store and read it back."""
        last_record = self._recorder.record(last)
        if last_record is None:
            raise BrokenLog(last, "is missing")
        last_hash, created_at = last_record.hash, recorded_at(last_record.state)
        header = describe(self._recorder, first=first, last=last, region=region, created_at=created_at)
        name = f"{first:020}-{last:020}-{last_hash.hex()[:NAME_HASH_CHARACTERS]}.mulog"
        store.put(name, export(self._recorder, header))
        found, trailer = read_back(store, name)
        if found != header or trailer.last_hash != last_hash:
            raise CopyDiffers(f"the store at {store.location} gave back another {name} than it was given")
        return Segment(
            first_position=header.first_position,
            last_position=header.last_position,
            previous_hash=header.previous_hash,
            last_hash=last_hash,
            checksum=trailer.checksum,
            file_bytes=store.size_bytes(name),
            region=header.region,
            location=store.location,
            name=name,
        )

    def _note(self, segment: Segment) -> None:
        value = msgspec.msgpack.encode(segment)
        if insert_once(self._engine, self._keys.segment(segment.first_position), value) != value:
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
                last = transaction.get(self._keys.entry(segment.last_position))
                if last is None or hash_record(last) != segment.last_hash:
                    raise CopyDiffers(f"{segment.name} is of another log than the entries; they stay")
                for key in keys:
                    transaction.delete(key)
                try:
                    transaction.commit()
                except (Conflict, OutcomeUnknown):
                    attempts += 1
                else:
                    attempts = 0
        raise ArchiveConflict(f"the entries of {segment.name} are being deleted by another")
