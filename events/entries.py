"""The log's entries in an engine: where each key is, and the one way to append a batch.

Keys, after the log's prefix (integers are 8 bytes, big-endian):

    e + position                         a record (`events.record`)
    s + stream id + zero byte + version  the record's position
    t + tracking name                    the last position tracked under that name
    h                                    the last position, and the last record's hash
"""

import struct
import threading
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
from events.record import (
    HASH_BYTES,
    MAX_STREAM_ID_BYTES,
    ZERO_HASH,
    InvalidRecord,
    Record,
    encode_stream_id,
    hash_record,
)

MAX_PREFIX_BYTES = 64
MAX_TRACKING_NAME_BYTES = MAX_STREAM_ID_BYTES
MAX_EVENTS_PER_BATCH = 1000
MAX_ATTEMPTS = 64
"""With the pauses between them about five seconds: longer than any writer holds on to a key."""

_IMMEDIATE_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.1

NUMBER = struct.Struct(">Q")
_HEAD = struct.Struct(f">Q{HASH_BYTES}s")
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
        self._entries = prefix + b"e"
        self._streams = prefix + b"s"
        self._tracking = prefix + b"t"
        self._head = prefix + b"h"
        self._sleep = sleep
        # Threads of one process wait here; without it all but one of them would work in vain.
        self._insert_lock = threading.Lock()

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
            with self._engine.snapshot() as snapshot:
                yield snapshot
        except EngineError as error:
            raise EngineFailure(str(error)) from error

    def _entry_range(self, start: int, stop: int | None) -> tuple[bytes, bytes]:
        """The keys of the positions from `start` to `stop`, both included."""
        first = min(max(start, 1), MAX_NUMBER)
        last = MAX_NUMBER if stop is None else min(max(stop, 0), MAX_NUMBER)
        return self._entries + NUMBER.pack(first), self._entries + NUMBER.pack(last) + b"\0"

    def _read_head(self, snapshot: Snapshot) -> tuple[int, bytes]:
        data = snapshot.get(self._head)
        if data is None:
            return 0, ZERO_HASH
        if len(data) != _HEAD.size:
            raise DecodeError(f"the log's head has {_HEAD.size} bytes, this one {len(data)}")
        return _HEAD.unpack(data)

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
        if len(stored_events) > MAX_EVENTS_PER_BATCH:
            raise InvalidRecord(
                f"a batch has up to {MAX_EVENTS_PER_BATCH} events, this one {len(stored_events)}"
            )
        if not stored_events and tracking is None:
            return []
        unknown: list[dict[bytes, bytes]] = []
        with self._insert_lock:
            for attempt in range(MAX_ATTEMPTS):
                if attempt >= _IMMEDIATE_ATTEMPTS:
                    pause = _FIRST_PAUSE_SECONDS * 2 ** (attempt - _IMMEDIATE_ATTEMPTS)
                    self._sleep(min(pause, _LONGEST_PAUSE_SECONDS))
                try:
                    with self._engine.begin() as transaction:
                        for written in unknown:
                            if transaction.get_many(written) == written:
                                return self._positions(written)
                        written = self._write(transaction, stored_events, tracking)
                        try:
                            transaction.commit()
                        except OutcomeUnknown:
                            # The next attempt reads this one's keys first. It cannot write twice: if this one
                            # turns out to be there after all, the head has moved and so have the streams.
                            unknown.append(written)
                        else:
                            return self._positions(written)
                except (Conflict, KeyExists):
                    continue
                except EngineError as error:
                    if unknown:
                        raise InsertOutcomeUnknown(f"perhaps written: {error}") from error
                    raise EngineFailure(str(error)) from error
        if unknown:
            raise InsertOutcomeUnknown(f"perhaps written: the engine did not answer {len(unknown)} times")
        raise EngineFailure(f"other writers were faster {MAX_ATTEMPTS} times")

    def _write(
        self, transaction: Transaction, stored_events: Sequence[StoredEvent], tracking: Tracking | None
    ) -> dict[bytes, bytes]:
        """Put everything into the transaction; what would prove afterwards that it was committed.

        The proof is the records; without any, the tracking position. Another writer's record with the same
        bytes at the same place counts as ours: the log then says what it was asked to say.
        """
        proof: dict[bytes, bytes] = {}
        position, previous_hash = self._read_head(transaction)
        if tracking is not None:
            key = self._tracking_key(tracking.application_name)
            recorded = self._read_tracking(transaction, key)
            if not 0 <= tracking.notification_id <= MAX_NUMBER:
                raise InvalidRecord(f"a tracking position is between 0 and {MAX_NUMBER}")
            if recorded is not None and recorded >= tracking.notification_id:
                raise IntegrityError(
                    f"{tracking.application_name} is tracked up to {recorded} already, "
                    f"{tracking.notification_id} is not above that"
                )
            value = NUMBER.pack(tracking.notification_id)
            transaction.put(key, value)
            if not stored_events:
                return {key: value}
        for stored in stored_events:
            position += 1
            stream = _stream_id(stored.originator_id)
            record = Record(previous_hash, stream, stored.originator_version, stored.topic, stored.state)
            data = record.encode()
            if len(data) > MAX_VALUE_BYTES:
                raise InvalidRecord(f"a record has up to {MAX_VALUE_BYTES} bytes, this one {len(data)}")
            previous_hash = hash_record(data)
            version = NUMBER.pack(stored.originator_version)
            try:
                transaction.insert(self._stream_prefix(stored.originator_id) + version, NUMBER.pack(position))
            except KeyExists:
                raise IntegrityError(
                    f"version {stored.originator_version} of {stored.originator_id} is recorded already"
                ) from None
            entry = self._entries + NUMBER.pack(position)
            transaction.put(entry, data)
            proof[entry] = data
        transaction.put(self._head, _HEAD.pack(position, previous_hash))
        return proof

    def _positions(self, written: dict[bytes, bytes]) -> list[int]:
        return [decode_number(key[len(self._entries) :]) for key in written if key.startswith(self._entries)]


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


def decode_number(data: bytes) -> int:
    """The integer that 8 bytes, big-endian, hold. Raises `DecodeError`."""
    if len(data) != NUMBER.size:
        raise DecodeError(f"a number in the log has {NUMBER.size} bytes, this one {len(data)}")
    return NUMBER.unpack(data)[0]
