"""The log of a region: typed entries on the recorder, in one order, appended to by expected version, and followed."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from functools import partial

import msgspec
import trio
from eventsourcing.persistence import IntegrityError, StoredEvent

from contract.errors import DecodeError, MuError
from events import codec
from events.catalogue import Event, Source, kind
from events.codec import Recorded
from events.following import Looks, News
from events.group_commit import TaskGroupCommit
from events.insert import Insert, insert_of_stream
from events.log_keys import Head
from events.record import MAX_VERSION, Record, UnreadableRecord, hash_record
from events.recorder import EngineProcessRecorder

FIRST_POSITION = 1
READ_BATCH_ENTRIES = 512


class StreamConflict(MuError):
    """The stream is not at the version that the writer took it to be at; nothing was appended."""

    def __init__(self, stream: str, expected_version: int) -> None:
        super().__init__(f"the stream {stream} is not at version {expected_version}")
        self.stream = stream
        self.expected_version = expected_version


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An event at its place in the log: its position (from 1, gapless), its stream and its version there (from 1)."""

    position: int
    stream: str
    version: int
    source: Source
    recorded_at: int
    event: Event
    previous_hash: bytes
    hash: bytes


class Log:
    """Appends and reads entries. Its methods block (call them in a thread), but for the asynchronous ones and `hint`.

    `now` gives the time in milliseconds since 1970, UTC.
    """

    def __init__(self, recorder: EngineProcessRecorder, now: Callable[[], int]) -> None:
        self._recorder = recorder
        self._now = now
        self._tasks = TaskGroupCommit(self._insert_together)
        self._news = News()

    def append(
        self,
        stream: str,
        expected_version: int,
        events: Sequence[tuple[Source, Event]],
    ) -> list[int]:
        """Append `events` to `stream` after its `expected_version` (0: it is new), all or none, and durably.

        Returns the positions. Raises `StreamConflict` when the stream is at another version.
        """
        insert = self._insert(stream, expected_version, events)
        self._insert_together([insert])
        return _positions(insert, stream, expected_version)

    async def append_from_task(
        self,
        stream: str,
        expected_version: int,
        events: Sequence[tuple[Source, Event]],
    ) -> list[int]:
        """As `append`, for trio tasks: those that append at the same time share a thread and a commit.

        A cancellation waits until the outcome is known.
        """
        insert = self._insert(stream, expected_version, events)
        await self._tasks.insert(insert)
        return _positions(insert, stream, expected_version)

    def _insert(
        self,
        stream: str,
        expected_version: int,
        events: Sequence[tuple[Source, Event]],
    ) -> Insert:
        recorded_at = self._now()
        encoded = [
            (kind(event), codec.encode(Recorded(source, recorded_at, event))) for source, event in events
        ]
        return insert_of_stream(stream, expected_version, encoded)

    def _insert_together(self, inserts: Sequence[Insert]) -> None:
        """Followers are told once of all that were committed together."""
        self._recorder.insert_together(inserts)
        last = max((insert.positions[-1] for insert in inserts if insert.positions), default=None)
        if last is not None:
            self._news.tell_append(last)

    def head(self) -> Head:
        """The last position and its hash."""
        return Head(*self._recorder.head())

    def read(self, start: int = FIRST_POSITION, limit: int = READ_BATCH_ENTRIES) -> list[Entry]:
        """Up to `limit` entries from the position `start` on. Raises `UnreadableRecord`."""
        return [
            decode_entry(position, data) for position, data in self._recorder.encoded_records(start, limit)
        ]

    def replay(self, start: int = FIRST_POSITION) -> Iterator[Entry]:
        """Every entry from `start` to the present end, in bounded memory."""
        while batch := self.read(start):
            yield from batch
            start = batch[-1].position + 1

    def newest_first(self, stream: str) -> Iterator[Entry]:
        """Every entry of a stream from its present end backwards, in bounded memory."""
        last = MAX_VERSION
        while records := self._recorder.encoded_stream_records(
            stream, 0, last, limit=READ_BATCH_ENTRIES, reverse=True
        ):
            for position, data in records:
                entry = decode_entry(position, data)
                yield entry
                last = entry.version - 1

    def version(self, stream: str) -> int:
        """The version of the last entry of `stream`, 0 if there is none."""
        last = self._last_stored(stream)
        return last.originator_version if last else 0

    def last(self, stream: str) -> Recorded | None:
        """The last event of `stream`."""
        last = self._last_stored(stream)
        return codec.decode(last.state) if last else None

    def _last_stored(self, stream: str) -> StoredEvent | None:
        return next(iter(self._recorder.select_events(stream, desc=True, limit=1)), None)

    async def follow(
        self, start: int = FIRST_POSITION, *, poll_seconds: float
    ) -> AsyncGenerator[list[Entry]]:
        """Batches of entries from `start` on, for ever.

        An append in this process, or a peer's hint, wakes it at once. Entries that nobody tells it of are found by
        looking: whether there was a commit, where the engine can tell that, and otherwise at the head; the less often
        the longer none has come, but at least every `poll_seconds`, so that they are late by no more than that.
        """
        with self._news.listening() as listener:
            looks = Looks(listener, poll_seconds)
            while True:
                changes = self._recorder.changes()
                told = looks.begin(start)
                batch = await trio.to_thread.run_sync(self._look, start, told)
                if batch:
                    looks.found(start)
                    start = batch[-1].position + 1
                    yield batch
                else:
                    await looks.wait(start, None if changes is None else partial(self._changed, changes))

    def _look(self, start: int, expected: bool) -> list[Entry]:
        # on a cluster, finding nothing is cheaper by the head
        return self.read(start) if expected or self.head().position >= start else []

    def _changed(self, changes: int) -> bool:
        return self._recorder.changes() != changes

    def hint(self, position: int) -> None:
        """A peer says that the log has come to `position`: followers that have not, look at once. For any thread.

        It need not be true. A follower takes one look at a time, and for a false hint at most one every
        `FALSE_HINT_SECONDS`.
        """
        self._news.tell_hint(position)

    async def appends(self) -> AsyncGenerator[int]:
        """The newest position that an append in this process has come to, whenever it is another, for ever; those that
        come while the caller is busy are told as one. Appends from before it is asked are told too.
        """
        with self._news.listening() as listener:
            told = FIRST_POSITION - 1
            while True:
                while listener.appended <= told:
                    await listener.wait()
                told = listener.appended
                yield told


def _positions(insert: Insert, stream: str, expected_version: int) -> list[int]:
    """What came of an insert. Raises `StreamConflict`, and what the recorder does."""
    try:
        return insert.result()
    except IntegrityError:
        raise StreamConflict(stream, expected_version) from None


def decode_entry(position: int, data: bytes) -> Entry:
    """The entry that the record with these bytes holds. Raises `UnreadableRecord`."""
    try:
        record = Record.decode(data)
        recorded = codec.decode(record.state)
    except DecodeError as error:
        raise UnreadableRecord(position, str(error)) from error
    return Entry(
        position,
        record.stream,
        record.version,
        recorded.source,
        recorded.recorded_at,
        recorded.event,
        record.previous_hash,
        hash_record(data),
    )
