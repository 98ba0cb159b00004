"""The log's entries in an engine (`events.log_keys` says where): reading them, and the one way to append."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError, Recorder, StoredEvent, Tracking

from contract.errors import DecodeError, MuError
from events.engine import (
    Conflict,
    Engine,
    EngineError,
    KeyExists,
    OutcomeUnknown,
    Snapshot,
    Transaction,
)
from events.group_commit import GroupCommit
from events.insert import Insert, describe_place, insert_of_stored, originator_key
from events.log_keys import NUMBER, Head, LogKeys, decode_number, stream_key
from events.record import InvalidRecord, Record, UnreadableRecord, hash_record
from events.segments import ArchivedSnapshot, Segment, SegmentReader, segments

MAX_PREFIX_BYTES = 64
MAX_ATTEMPTS = 64
"""With the pauses between them about five seconds: longer than any writer holds on to a key."""

_IMMEDIATE_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.1

MAX_NUMBER = 2**64 - 1


class EngineFailure(MuError, OperationalError):
    """The engine could not read, or could not write: then nothing was written."""


class InsertOutcomeUnknown(EngineFailure):
    """The engine did not say whether it wrote, and could not be asked: inserting the same again is safe."""


class EngineRecorder(Recorder):
    """What all recorders share. Several of them, in one process or many, may write to one log.

    `sleep` waits between attempts, in seconds.
    """

    def __init__(
        self, engine: Engine, *, prefix: bytes = b"log/", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if len(prefix) > MAX_PREFIX_BYTES:
            raise InvalidRecord(f"a log's prefix has up to {MAX_PREFIX_BYTES} bytes, this one {len(prefix)}")
        self._engine = engine
        self._keys = keys = LogKeys(prefix)
        self._entries, self._streams = keys.entries, keys.streams
        self._tracking, self._head = keys.tracking, keys.head
        self._segments = SegmentReader()
        self._sleep = sleep
        # Threads of one process wait here; without it all but one of them would work in vain.
        self._group = GroupCommit(self._commit)

    def changes(self) -> int | None:
        """See `Engine.changes`."""
        return self._engine.changes()

    def head(self) -> tuple[int, bytes]:
        """The last position and the last record's hash; (0, zeros) for an empty log."""
        with self._reading() as snapshot:
            return self._read_head(snapshot)

    def records(self, start: int, limit: int) -> list[tuple[int, Record]]:
        """Up to `limit` records with their positions, from position `start` on, out of one snapshot.

        Raises `UnreadableRecord`.
        """
        return [(position, _record(position, data)) for position, data in self.encoded_records(start, limit)]

    def encoded_records(self, start: int, limit: int) -> list[tuple[int, bytes]]:
        """As `records`, each record as its bytes."""
        with self._reading() as snapshot:
            return [
                (NUMBER.unpack_from(key, len(key) - NUMBER.size)[0], data)
                for key, data in snapshot.scan(*self._entry_range(start, None), limit=limit)
            ]

    def record(self, position: int) -> Record | None:
        """The record at a position; None if there is none. Raises `UnreadableRecord`."""
        found = self.records(position, 1)
        return found[0][1] if found and found[0][0] == position else None

    def is_empty(self) -> bool:
        """Whether there are no entries, not even after the head."""
        return self.head()[0] == 0 and self.beyond_head() is None

    def segments(self) -> list[Segment]:
        """The segments that have been archived, in order. Raises `DecodeError` for a note of one."""
        with self._reading() as snapshot:
            return segments(snapshot, self._keys)

    def beyond_head(self) -> int | None:
        """The first position after the head that has a record all the same; None, as it should be."""
        with self._reading() as snapshot:
            start = self._read_head(snapshot)[0] + 1
            found = next(snapshot.scan(*self._entry_range(start, None), limit=1), None)
        return None if found is None else NUMBER.unpack_from(found[0], len(found[0]) - NUMBER.size)[0]

    def places(self) -> int:
        """How many entries the streams' indexes name. Reads them all."""
        with self._reading() as snapshot:
            return sum(1 for _ in snapshot.scan(self._streams, self._streams + b"\xff" * 9))

    def misplaced(self, records: Sequence[tuple[int, Record]]) -> list[int]:
        """The positions, of these records, that are not those which the streams' indexes name."""
        places = {
            self._streams + stream_key(record.stream) + NUMBER.pack(record.version): NUMBER.pack(position)
            for position, record in records
        }
        with self._reading() as snapshot:
            found = snapshot.get_many(places)
        return [decode_number(number) for place, number in places.items() if found.get(place) != number]

    @contextmanager
    def _reading(self) -> Generator[Snapshot]:
        try:
            with ArchivedSnapshot(self._engine.snapshot(), self._keys, self._segments) as snapshot:
                yield snapshot
        except EngineError as error:
            raise EngineFailure(str(error)) from error

    def _entry_range(self, start: int, stop: int | None) -> tuple[bytes, bytes]:
        """The keys of the positions from `start` to `stop`, both included."""
        first = min(max(start, 1), MAX_NUMBER)
        last = MAX_NUMBER if stop is None else min(max(stop, 0), MAX_NUMBER)
        return self._entries + NUMBER.pack(first), self._entries + NUMBER.pack(last) + b"\0"

    def _read_head(self, snapshot: Snapshot) -> tuple[int, bytes]:
        head = Head.decode(snapshot.get(self._head))
        return head.position, head.hash

    def _stream_prefix(self, originator_id: UUID | str) -> bytes:
        return self._streams + originator_key(originator_id)

    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None) -> list[int]:
        """Append a batch, and move the tracking position, in one transaction; the positions of the events.

        Raises `IntegrityError`, `InvalidRecord`, `EngineFailure` (nothing was written in all three cases), or
        `InsertOutcomeUnknown`.
        """
        if not stored_events and tracking is None:
            return []
        insert = insert_of_stored(stored_events, tracking)
        self.insert_together([insert])
        return insert.result()

    def insert_together(self, inserts: Sequence[Insert]) -> None:
        """Append several writers' batches, each all or none; each has its positions or its error then."""
        self._group.insert(inserts)

    def _commit(self, inserts: list[Insert]) -> None:
        """Commit all that can be, in one transaction; each gets its positions or its error.

        Raises `EngineFailure` (nothing was written) or `InsertOutcomeUnknown`, which are then the error of each.
        """
        unknown: list[_Attempt] = []
        for attempt in range(MAX_ATTEMPTS):
            if attempt >= _IMMEDIATE_ATTEMPTS:
                pause = _FIRST_PAUSE_SECONDS * 2 ** (attempt - _IMMEDIATE_ATTEMPTS)
                self._sleep(min(pause, _LONGEST_PAUSE_SECONDS))
            try:
                with self._engine.begin() as transaction:
                    for earlier in unknown:
                        if transaction.get_many(earlier.proof) == earlier.proof:
                            return earlier.settle()
                    made = self._write(transaction, inserts)
                    try:
                        transaction.commit()
                    except OutcomeUnknown:
                        # The next attempt reads this one's keys first. It cannot write twice: if this one
                        # turns out to be there after all, the head has moved and so have the streams.
                        unknown.append(made)
                    else:
                        return made.settle()
            except (Conflict, KeyExists):
                continue
            except EngineError as error:
                if unknown:
                    raise InsertOutcomeUnknown(f"perhaps written: {error}") from error
                raise EngineFailure(str(error)) from error
        if unknown:
            raise InsertOutcomeUnknown(f"perhaps written: the engine did not answer {len(unknown)} times")
        raise EngineFailure(f"other writers were faster {MAX_ATTEMPTS} times")

    def _write(self, transaction: Transaction, inserts: list[Insert]) -> "_Attempt":
        """Put all that can be into the transaction.

        Only the head and the tracking positions are guarded: whoever appends writes the head, so that nobody has taken
        a place meanwhile if that has not moved.
        """
        # One question for all: on a cluster each takes a round trip.
        found = transaction.get_many(self._keys_to_read(inserts))
        head = Head.decode(found.get(self._head))
        position, previous_hash = head.position, head.hash
        made = _Attempt()
        records, places = made.records, dict[bytes, bytes]()
        entries, streams = self._entries, self._streams
        for insert in inserts:
            try:
                self._check(insert, found)
            except IntegrityError as error:
                made.outcomes.append((insert, error))
                continue
            first = position + 1
            for place, body in zip(insert.places, insert.bodies, strict=True):
                position += 1
                number = NUMBER.pack(position)
                data = previous_hash + body
                previous_hash = hash_record(data)
                # what comes later in the transaction is checked against this too
                key = streams + place
                found[key] = places[key] = number
                records[entries + number] = data
            if insert.tracking is not None:
                name, tracked = insert.tracking
                key = self._tracking + name
                found[key] = made.tracked[key] = NUMBER.pack(tracked)
            made.outcomes.append((insert, range(first, position + 1)))
        for writes in (places, records, made.tracked):
            transaction.put_many(writes)
        if records:
            transaction.put(self._head, Head(position, previous_hash).encode())
        return made

    def _keys_to_read(self, inserts: list[Insert]) -> list[bytes]:
        streams = self._streams
        keys = [self._head]
        for insert in inserts:
            for place in insert.places:
                keys.append(streams + place)
            if insert.after is not None:
                keys.append(streams + insert.after)
            if insert.tracking is not None:
                keys.append(self._tracking + insert.tracking[0])
        return keys

    def _check(self, insert: Insert, found: dict[bytes, bytes]) -> None:
        """Raise `IntegrityError` if the insert is not possible where the log has `found`."""
        if insert.tracking is not None:
            name, position = insert.tracking
            data = found.get(self._tracking + name)
            recorded = -1 if data is None else decode_number(data)
            if recorded >= position:
                raise IntegrityError(
                    f"{name.decode()} is tracked up to {recorded} already, {position} is not above that"
                )
        for place in insert.places:
            if self._streams + place in found:
                raise IntegrityError(f"{describe_place(place)} is recorded already")
        if len(insert.places) > 1 and len(set(insert.places)) < len(insert.places):
            raise IntegrityError("a batch has one version of a stream twice")
        if insert.after is not None and self._streams + insert.after not in found:
            raise IntegrityError(f"there is no {describe_place(insert.after)}")


class _Attempt:
    """One attempt at a commit: what comes of each insert if it succeeds, and what it has put into the transaction."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Insert, range | IntegrityError]] = []
        self.records: dict[bytes, bytes] = {}
        self.tracked: dict[bytes, bytes] = {}

    @property
    def proof(self) -> dict[bytes, bytes]:
        """What is there if it succeeded: the records; without any, the tracking positions, which can move on.

        Another writer's record with the same bytes at the same place counts as ours: the log then says what it was
        asked to say.
        """
        return self.records or self.tracked

    def settle(self) -> None:
        """It has succeeded."""
        for insert, outcome in self.outcomes:
            if isinstance(outcome, range):
                insert.positions = outcome
            else:
                insert.error = outcome


def _record(position: int, data: bytes) -> Record:
    try:
        return Record.decode(data)
    except DecodeError as error:
        raise UnreadableRecord(position, str(error)) from error
