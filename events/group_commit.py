"""Group commit: writers that come while another one commits are committed together, by the next of them.

A commit waits for the disk, which takes as long for many as for one.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import trio
from eventsourcing.persistence import StoredEvent, Tracking

MAX_EVENTS_PER_COMMIT = 1000


class Insert:
    """What one writer wants to append, all or none, and what came of it: its positions, or an error.

    Where `after` is given, the events are of one stream, whose last version it must be.
    """

    def __init__(
        self, stored_events: Sequence[StoredEvent], tracking: Tracking | None, after: int | None
    ) -> None:
        self.stored_events = stored_events
        self.tracking = tracking
        self.after = after
        self.positions: Sequence[int] = ()
        self.error: BaseException | None = None

    def result(self) -> list[int]:
        """The positions. Raises the error."""
        if self.error is not None:
            raise self.error
        return list(self.positions)


class _Waiting:
    """Inserts that one thread waits for."""

    def __init__(self, inserts: Sequence[Insert]) -> None:
        self.inserts = inserts
        self.events = sum(len(insert.stored_events) for insert in inserts)
        self.done = False
        self.woken = threading.Lock()
        self.woken.acquire()


class GroupCommit:
    """Gives `commit` what threads are waiting for, from one of them at a time.

    `commit` sets each insert's positions or error; what it raises is every insert's error.
    """

    def __init__(self, commit: Callable[[list[Insert]], None]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._committing = False

    def insert(self, inserts: Sequence[Insert]) -> None:
        """Have these committed, here or by another thread; each has its positions or its error then."""
        waiting = _Waiting(inserts)
        with self._lock:
            self._queue.append(waiting)
            first = not self._committing
            self._committing = True
        if not first:
            waiting.woken.acquire()
        if not waiting.done:
            self._commit_next()

    def _commit_next(self) -> None:
        """Commit what is first in the queue, and what fits with it; then it is the next one's turn."""
        with self._lock:
            batch = [self._queue.popleft()]
            events = batch[0].events
            while self._queue and events + self._queue[0].events <= MAX_EVENTS_PER_COMMIT:
                batch.append(self._queue.popleft())
                events += batch[-1].events
        inserts = [insert for waiting in batch for insert in waiting.inserts]
        try:
            self._commit(inserts)
        except BaseException as error:
            for insert in inserts:
                insert.error = error
        finally:
            for waiting in batch:
                waiting.done = True
            for waiting in batch[1:]:
                waiting.woken.release()
            with self._lock:
                if self._queue:
                    self._queue[0].woken.release()
                else:
                    self._committing = False


class TaskGroupCommit:
    """As `GroupCommit`, for trio tasks, which cost less to wake than threads: one of them takes what all want to a
    thread, where `insert` has it committed.
    """

    def __init__(self, insert: Callable[[Sequence[Insert]], None]) -> None:
        self._insert = insert
        self._queue: deque[tuple[Insert, trio.Event]] = deque()
        self._done: set[Insert] = set()
        self._committing = False

    async def insert(self, insert: Insert) -> list[int]:
        """Have it committed; its positions, or its error. A cancellation waits until that is known."""
        woken = trio.Event()
        self._queue.append((insert, woken))
        with trio.CancelScope(shield=True):
            if self._committing:
                await woken.wait()
            if insert not in self._done:
                self._committing = True
                # others that are about to run join this one
                await trio.lowlevel.checkpoint()
                await self._commit_next()
        self._done.discard(insert)
        return insert.result()

    async def _commit_next(self) -> None:
        batch: list[tuple[Insert, trio.Event]] = []
        events = 0
        while self._queue and (
            not batch or events + len(self._queue[0][0].stored_events) <= MAX_EVENTS_PER_COMMIT
        ):
            batch.append(self._queue.popleft())
            events += len(batch[-1][0].stored_events)
        try:
            await trio.to_thread.run_sync(self._insert, [insert for insert, _ in batch])
        finally:
            for insert, woken in batch:
                self._done.add(insert)
                woken.set()
            if self._queue:
                self._queue[0][1].set()
            else:
                self._committing = False
