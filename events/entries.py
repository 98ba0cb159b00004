"""The log's entries in an engine (`events.log_keys` says where): reading them, and the one way to append."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError, Recorder, StoredEvent, Tracking

from contract.errors import DecodeError, MuError
from events.engine import (
    MAX_VALUE_BYTES,
    Conflict,
    Engine,
    EngineError,
    KeyExists,
    OutcomeUnknown,
    Snapshot,
    Transaction,
)
from events.group_commit import GroupCommit, Insert
from events.log_keys import NUMBER, Head, LogKeys, decode_number
from events.record import (
    MAX_STREAM_ID_BYTES,
    InvalidRecord,
    Record,
    encode_stream_id,
    hash_record,
)
from events.segments import ArchivedSnapshot, SegmentReader

MAX_PREFIX_BYTES = 64
MAX_TRACKING_NAME_BYTES = MAX_STREAM_ID_BYTES
MAX_EVENTS_PER_BATCH = 1000
MAX_ATTEMPTS = 64
"""With the pauses between them about five seconds: longer than any writer holds on to a key."""

_IMMEDIATE_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.1

MAX_NUMBER = 2**64 - 1
_UUID_URN = "urn:uuid:"


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
        """Up to `limit` records with their positions, from position `start` on, out of one snapshot."""
        with self._reading() as snapshot:
            return [
                (NUMBER.unpack_from(key, len(key) - NUMBER.size)[0], Record.decode(data))
                for key, data in snapshot.scan(*self._entry_range(start, None), limit=limit)
            ]

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

    def _read_tracking(self, snapshot: Snapshot, key: bytes) -> int | None:
        data = snapshot.get(key)
        return None if data is None else decode_number(data)

    def _tracking_key(self, name: str) -> bytes:
        try:
            data = name.encode()
        except UnicodeEncodeError as error:
            raise InvalidRecord(f"the tracking name is not text: {error}") from error
        if len(data) > MAX_TRACKING_NAME_BYTES:
            raise InvalidRecord(f"a tracking name has up to {MAX_TRACKING_NAME_BYTES} bytes")
        return self._tracking + data

    def _stream_prefix(self, originator_id: UUID | str) -> bytes:
        return self._streams + encode_stream_id(_stream_id(originator_id)) + b"\0"

    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None) -> list[int]:
        """Append a batch, and move the tracking position, in one transaction; the positions of the events.

        Raises `IntegrityError`, `InvalidRecord`, `EngineFailure` (nothing was written in all three cases), or
        `InsertOutcomeUnknown`.
        """
        if not stored_events and tracking is None:
            return []
        insert = Insert(stored_events, tracking, None)
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
        """Put all that can be into the transaction."""
        made = _Attempt()
        head = self._read_head(transaction)
        for insert in inserts:
            try:
                position, previous_hash = self._write_one(transaction, insert, head, made)
            except (IntegrityError, InvalidRecord) as error:
                made.outcomes.append((insert, error))
            else:
                made.outcomes.append((insert, range(head[0] + 1, position + 1)))
                head = position, previous_hash
        if made.records:
            transaction.put(self._head, Head(*head).encode())
        return made

    def _write_one(
        self, transaction: Transaction, insert: Insert, head: tuple[int, bytes], made: "_Attempt"
    ) -> tuple[int, bytes]:
        """Put one insert into the transaction, all or nothing, and note that in `made`; the head after it.

        Raises `IntegrityError` and `InvalidRecord`.
        """
        if len(insert.stored_events) > MAX_EVENTS_PER_BATCH:
            raise InvalidRecord(
                f"a batch has up to {MAX_EVENTS_PER_BATCH} events, this one {len(insert.stored_events)}"
            )
        records: dict[bytes, bytes] = {}
        tracked: dict[bytes, bytes] = {}
        if insert.tracking is not None:
            key = self._tracking_key(insert.tracking.application_name)
            self._check_tracking(insert.tracking, self._read_tracking(transaction, key))
            tracked[key] = NUMBER.pack(insert.tracking.notification_id)
        position, previous_hash = head
        places: dict[bytes, bytes] = {}
        for stored in insert.stored_events:
            position += 1
            stream = _stream_id(stored.originator_id)
            version, topic = stored.originator_version, stored.topic
            data = Record(previous_hash, stream, version, topic, stored.state).encode()
            if len(data) > MAX_VALUE_BYTES:
                raise InvalidRecord(f"a record has up to {MAX_VALUE_BYTES} bytes, this one {len(data)}")
            previous_hash = hash_record(data)
            stream_key = self._streams + encode_stream_id(stream) + b"\0"
            place = stream_key + NUMBER.pack(version)
            if place in places or transaction.get(place) is not None:
                raise IntegrityError(f"version {version} of {stored.originator_id} is recorded already")
            if (
                insert.after
                and not places
                and transaction.get(stream_key + NUMBER.pack(insert.after)) is None
            ):
                raise IntegrityError(f"{stored.originator_id} has no version {insert.after}")
            packed = NUMBER.pack(position)
            places[place] = packed
            records[self._entries + packed] = data
        for key, value in (*places.items(), *records.items(), *tracked.items()):
            transaction.put(key, value)
        made.records.update(records)
        made.tracked.update(tracked)
        return position, previous_hash

    def _check_tracking(self, tracking: Tracking, recorded: int | None) -> None:
        if not 0 <= tracking.notification_id <= MAX_NUMBER:
            raise InvalidRecord(f"a tracking position is between 0 and {MAX_NUMBER}")
        if recorded is not None and recorded >= tracking.notification_id:
            raise IntegrityError(
                f"{tracking.application_name} is tracked up to {recorded} already, "
                f"{tracking.notification_id} is not above that"
            )


class _Attempt:
    """One attempt at a commit: what comes of each insert if it succeeds, and what it has put into the transaction."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Insert, range | MuError | IntegrityError]] = []
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


def _stream_id(originator_id: UUID | str) -> str:
    """A UUID is written as its URN (RFC 9562, section 4), so that no string can be taken for one."""
    if isinstance(originator_id, UUID):
        return originator_id.urn
    if originator_id.startswith(_UUID_URN):
        raise InvalidRecord(f"the originator id {originator_id!r} is a UUID's: give the UUID itself")
    return originator_id


def read_originator_id(stream: str) -> UUID | str:
    """The originator whose stream that is. Raises `DecodeError`."""
    if not stream.startswith(_UUID_URN):
        return stream
    try:
        return UUID(stream[len(_UUID_URN) :])
    except ValueError as error:
        raise DecodeError(f"the stream id {stream!r} is not a UUID's") from error
