"""The log of a region: typed entries on the recorder, in one order, appended to by expected version, and followed."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec
import trio
from eventsourcing.persistence import IntegrityError, StoredEvent

from contract.errors import MuError
from events import codec
from events.catalogue import Event, Source, kind
from events.codec import Recorded
from events.group_commit import Insert, TaskGroupCommit
from events.log_keys import Head
from events.record import MAX_VERSION, Record
from events.recorder import EngineProcessRecorder

FIRST_POSITION = 1
READ_BATCH_ENTRIES = 512

FIRST_LOOK_SECONDS = 0.01
LOOK_SHARE = 0.2
"""How often a follower looks for commits of other processes: after a quiet time, the next pause is this share of it, so
that what comes is late by as much at most.
"""

LONGEST_CHEAP_LOOK_SECONDS = 0.03
"""The longest pause where looking needs no reading."""


class StreamConflict(MuError):
    """The stream is not at the version that the writer took it to be at; nothing was appended."""

    def __init__(self, stream: str, expected_version: int) -> None:
        super().__init__(f"the stream {stream} is not at version {expected_version}")
        self.stream = stream
        self.expected_version = expected_version


class Entry(msgspec.Struct, frozen=True):
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
    """Appends and reads entries. Its methods block (call them in a thread), but for `follow`, which is for trio.

    `now` gives the time in milliseconds since 1970, UTC.
    """

    def __init__(self, recorder: EngineProcessRecorder, now: Callable[[], int]) -> None:
        self._recorder = recorder
        self._now = now
        self._tasks = TaskGroupCommit(recorder.insert_together)
        self._wakers: set[Callable[[], None]] = set()

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
        self._recorder.insert_together([insert])
        return self._appended(insert, stream, expected_version)

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
        with suppress(IntegrityError):
            await self._tasks.insert(insert)
        return self._appended(insert, stream, expected_version)

    def _insert(
        self,
        stream: str,
        expected_version: int,
        events: Sequence[tuple[Source, Event]],
    ) -> Insert:
        recorded_at = self._now()
        stored = [
            StoredEvent(
                originator_id=stream,
                originator_version=expected_version + offset,
                topic=kind(event),
                state=codec.encode(Recorded(source, recorded_at, event)),
            )
            for offset, (source, event) in enumerate(events, 1)
        ]
        return Insert(stored, None, expected_version)

    def _appended(self, insert: Insert, stream: str, expected_version: int) -> list[int]:
        try:
            positions = insert.result()
        except IntegrityError:
            raise StreamConflict(stream, expected_version) from None
        for wake in tuple(self._wakers):
            wake()
        return positions

    def head(self) -> Head:
        """The last position and its hash."""
        return Head(*self._recorder.head())

    def read(self, start: int = FIRST_POSITION, limit: int = READ_BATCH_ENTRIES) -> list[Entry]:
        """Up to `limit` entries from the position `start` on. Raises `DecodeError` for a record that is not ours."""
        return [entry(position, record) for position, record in self._recorder.records(start, limit)]

    def replay(self, start: int = FIRST_POSITION) -> Iterator[Entry]:
        """Every entry from `start` to the present end, in bounded memory."""
        while batch := self.read(start):
            yield from batch
            start = batch[-1].position + 1

    def newest_first(self, stream: str) -> Iterator[Entry]:
        """Every entry of a stream from its present end backwards, in bounded memory."""
        last = MAX_VERSION
        while records := self._recorder.stream_records(
            stream, 0, last, limit=READ_BATCH_ENTRIES, reverse=True
        ):
            yield from (entry(position, record) for position, record in records)
            last = records[-1][1].version - 1

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

    async def follow(self, start: int = FIRST_POSITION, *, poll_seconds: float) -> AsyncIterator[list[Entry]]:
        """Batches of entries from `start` on, for ever.

        An append in this process wakes it at once. Those of other processes are found by looking, the less often the
        longer nothing has come: whether there was a commit, where the engine can tell that, and otherwise by reading;
        it reads every `poll_seconds` in any case.
        """
        with self._woken() as woken:
            quiet_since = trio.current_time()
            while True:
                woken[0] = trio.Event()
                changes = self._recorder.changes()
                batch = await trio.to_thread.run_sync(self.read, start)
                if batch:
                    start = batch[-1].position + 1
                    yield batch
                    quiet_since = trio.current_time()
                    continue
                with trio.move_on_after(poll_seconds):
                    while not woken[0].is_set():
                        quiet_seconds = trio.current_time() - quiet_since
                        with trio.move_on_after(pause_seconds(quiet_seconds, cheap=changes is not None)):
                            await woken[0].wait()
                        if changes is None or self._recorder.changes() != changes:
                            break

    @contextmanager
    def _woken(self) -> Generator[list[trio.Event]]:
        token = trio.lowlevel.current_trio_token()
        box = [trio.Event()]

        def wake_follower() -> None:
            box[0].set()

        def wake() -> None:
            # appends happen in any thread, and one may come when the trio run that follows is over
            try:
                token.run_sync_soon(wake_follower, idempotent=True)
            except trio.RunFinishedError:
                self._wakers.discard(wake)

        self._wakers.add(wake)
        try:
            yield box
        finally:
            self._wakers.discard(wake)


def pause_seconds(quiet_seconds: float, *, cheap: bool) -> float:
    """How long a follower waits for its next look after a quiet time; `cheap` where looking needs no reading."""
    pause = FIRST_LOOK_SECONDS + LOOK_SHARE * quiet_seconds
    return min(pause, LONGEST_CHEAP_LOOK_SECONDS) if cheap else pause


def entry(position: int, record: Record) -> Entry:
    """The entry that `record` holds. Raises `DecodeError`."""
    recorded = codec.decode(record.state)
    return Entry(
        position,
        record.stream,
        record.version,
        recorded.source,
        recorded.recorded_at,
        recorded.event,
        record.previous_hash,
        record.hash,
    )
