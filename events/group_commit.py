"""Group commit: writers that come while another one commits are committed together, by the next of them.

A commit waits for the disk, which takes as long for many as for one.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

import trio

from events.insert import MAX_BYTES_PER_COMMIT, MAX_KEYS_PER_COMMIT, Insert

MAX_GATHERING_SECONDS = 0.0005
"""How long a thread that commits waits for as many others as were committed together last time."""


class _Waiting(Protocol):
    """Who waits for a commit, and how much that makes a transaction write."""

    @property
    def keys(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...


_W = TypeVar("_W", bound=_Waiting)


def take_batch(queue: deque[_W]) -> list[_W]:
    """Take what is first in the queue, and as many of the next as fit into a commit with it."""
    batch = [queue.popleft()]
    keys, size_bytes = batch[0].keys, batch[0].size_bytes
    while queue:
        keys += queue[0].keys
        size_bytes += queue[0].size_bytes
        if keys > MAX_KEYS_PER_COMMIT or size_bytes > MAX_BYTES_PER_COMMIT:
            break
        batch.append(queue.popleft())
    return batch


class _Thread:
    """A thread that waits for its inserts."""

    __slots__ = ("done", "following", "inserts", "keys", "size_bytes", "woken")

    def __init__(self, inserts: Sequence[Insert]) -> None:
        self.inserts = inserts
        self.keys = sum(insert.keys for insert in inserts)
        self.size_bytes = sum(insert.size_bytes for insert in inserts)
        self.done = False
        self.following: _Thread | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class GroupCommit:
    """Gives `commit` what threads are waiting for, from one of them at a time.

    `commit` sets each insert's positions or error; what it raises is every insert's error.
    """

    def __init__(self, commit: Callable[[list[Insert]], None]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._queue: deque[_Thread] = deque()
        self._committing = False
        self._expected = 1
        self._gathering = False
        self._gathered = threading.Lock()
        self._gathered.acquire()

    def insert(self, inserts: Sequence[Insert]) -> None:
        """Have these committed, here or by another thread; each has its positions or its error then."""
        waiting = _Thread(inserts)
        with self._lock:
            self._queue.append(waiting)
            first = not self._committing
            self._committing = True
            if self._gathering and len(self._queue) >= self._expected:
                self._gathering = False
                self._gathered.release()
        if not first:
            waiting.woken.acquire()
            if waiting.following is not None:
                waiting.following.woken.release()
        if not waiting.done:
            self._gather()
            self._commit_next()

    def _gather(self) -> None:
        """Let those who were woken by the last commit come again: they would just miss this one."""
        with self._lock:
            gathering = self._gathering = len(self._queue) < self._expected
        if gathering and not self._gathered.acquire(timeout=MAX_GATHERING_SECONDS):
            with self._lock:
                if not self._gathering:
                    self._gathered.acquire()
                self._gathering = False

    def _commit_next(self) -> None:
        """Commit what is first in the queue, and what fits with it; then it is the next one's turn."""
        with self._lock:
            batch = take_batch(self._queue)
            self._expected = len(batch)
        inserts = [insert for waiting in batch for insert in waiting.inserts]
        try:
            self._commit(inserts)
        except BaseException as error:
            for insert in inserts:
                insert.error = error
        finally:
            for waiting in batch:
                waiting.done = True
            # Each wakes the next: all at once, they would fight for the interpreter's lock.
            for waiting, following in pairwise(batch[1:]):
                waiting.following = following
            if len(batch) > 1:
                batch[1].woken.release()
            with self._lock:
                if self._queue:
                    self._queue[0].woken.release()
                else:
                    self._committing = False


class _Task:
    """A task that waits for its insert."""

    __slots__ = ("done", "insert", "keys", "size_bytes", "task")

    def __init__(self, insert: Insert, task: trio.lowlevel.Task) -> None:
        self.insert = insert
        self.keys = insert.keys
        self.size_bytes = insert.size_bytes
        self.task = task
        self.done = False


class TaskGroupCommit:
    """As `GroupCommit`, for trio tasks, which cost less to wake than threads: one of them takes what all want to a
    thread, where `insert` has it committed.
    """

    def __init__(self, insert: Callable[[Sequence[Insert]], None]) -> None:
        self._insert = insert
        self._queue: deque[_Task] = deque()
        self._committing = False

    async def insert(self, insert: Insert) -> None:
        """Have it committed; it has its positions or its error then. A cancellation waits until that is known."""
        waiting = _Task(insert, trio.lowlevel.current_task())
        self._queue.append(waiting)
        if self._committing:
            await trio.lowlevel.wait_task_rescheduled(_stay)
        if not waiting.done:
            self._committing = True
            with trio.CancelScope(shield=True):
                # Those who were woken by the last commit come again, in the turn after this one at the latest.
                await trio.lowlevel.checkpoint()
                await trio.lowlevel.checkpoint()
                await self._commit_next(waiting)

    async def _commit_next(self, first: _Task) -> None:
        batch = take_batch(self._queue)
        try:
            await trio.to_thread.run_sync(self._insert, [waiting.insert for waiting in batch])
        except BaseException as error:
            for waiting in batch:
                waiting.insert.error = error
        finally:
            for waiting in batch:
                waiting.done = True
                if waiting is not first:
                    trio.lowlevel.reschedule(waiting.task)
            if self._queue:
                trio.lowlevel.reschedule(self._queue[0].task)
            else:
                self._committing = False


def _stay(_: object) -> trio.lowlevel.Abort:
    """A cancelled task is not taken out of a commit."""
    return trio.lowlevel.Abort.FAILED
