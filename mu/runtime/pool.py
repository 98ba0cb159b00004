"""The runtime that trio code calls: worker threads of our own, a bounded queue, and batched wake-ups.

Functions run in threads (the GIL is released in guest code). What they report crosses into trio through one
`run_sync_soon` for all that has come up meanwhile, which is what makes this several times as fast as
`trio.to_thread` for calls of some microseconds.
"""

import functools
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import outcome as results
import trio

from contract.errors import InvalidInput, MuError
from mu.config import RuntimeLimits
from mu.runtime.instance import Function, Sandbox
from mu.runtime.module import ModuleCache
from mu.runtime.outcome import Outcome
from mu.runtime.protocol import ExecuteFunction, Log, encode


class Overloaded(MuError):
    """As many calls wait as may; try again later, or elsewhere."""


class RuntimeClosed(MuError):
    """The runtime has been closed, so the call was not made, or not to its end."""


class _Job:
    """One call on its way through the pool. Only the trio thread changes it; workers look at `abandoned`."""

    def __init__(
        self, work: Callable[[Callable[[Log], None]], Outcome], on_log: Callable[[Log], None]
    ) -> None:
        self.work = work
        self.on_log = on_log
        self.task = trio.lowlevel.current_task()
        self.abandoned = False
        self.log_error: Exception | None = None


class Runtime:
    """Loads functions and calls them; made by `open`."""

    def __init__(self, limits: RuntimeLimits, cache_folder: Path) -> None:
        self._limits = limits
        self._sandbox = Sandbox(limits)
        self._cache = ModuleCache(self._sandbox.engine, cache_folder, limits.max_binary_bytes)
        self._compiling = trio.CapacityLimiter(1)
        self._token = trio.lowlevel.current_trio_token()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._jobs: set[_Job] = set()
        self._reports: deque[tuple[_Job, Log | results.Value[Outcome] | results.Error]] = deque()
        self._wake_up_due = False
        self._closed = False
        self._busy = threading.Event()
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._tick, name="mu runtime epochs", daemon=True)]
        for number in range(limits.worker_threads):
            self._threads.append(
                threading.Thread(target=self._work, name=f"mu runtime worker {number}", daemon=True)
            )

    @classmethod
    @asynccontextmanager
    async def open(cls, limits: RuntimeLimits, cache_folder: Path) -> "AsyncIterator[Runtime]":
        """A running runtime; leaving the context ends the calls that still run, and waits for the threads.

        Raises `InvalidInput` if the cache folder is not this user's alone.
        """
        runtime = cls(limits, cache_folder)
        for thread in runtime._threads:
            thread.start()
        try:
            yield runtime
        finally:
            await runtime._close()

    async def load(self, binary: bytes) -> Function:
        """Compile a function, or take its machine code from the cache; one at a time, in a thread.

        Raises `InvalidModule`.
        """
        return await trio.to_thread.run_sync(
            lambda: self._sandbox.prepare(self._cache.module(binary)), limiter=self._compiling
        )

    async def call(
        self,
        function: Function,
        message: ExecuteFunction,
        *,
        memory_limit_bytes: int,
        env: Mapping[str, str],
        on_log: Callable[[Log], None],
    ) -> Outcome:
        """Run one call and say how it ended.

        `on_log` is called in the trio thread, in order, before this returns; what it raises is raised here. A
        cancelled call is not started, if it still waits; if it runs, it is left to its own limits, unheard.

        Raises `Overloaded`, `RuntimeClosed`, and `InvalidInput` for an environment or a message that WASI or
        the protocol cannot carry and for a memory limit above the node's.
        """
        if self._closed:
            raise RuntimeClosed("the runtime is closed")
        if len(self._jobs) >= self._limits.max_queued_calls + self._limits.worker_threads:
            raise Overloaded(f"{len(self._jobs)} calls are running or waiting")
        if memory_limit_bytes > self._limits.max_memory_bytes:
            raise InvalidInput("memory_limit", f"is above this node's {self._limits.max_memory_bytes} bytes")
        _check_environment(message.function, env)
        stdin = encode(message)

        def work(report_log: Callable[[Log], None]) -> Outcome:
            return self._sandbox.run(
                function,
                message.function,
                stdin,
                memory_limit_bytes=memory_limit_bytes,
                env=env,
                on_log=report_log,
            )

        job = _Job(work, on_log)
        self._jobs.add(job)
        self._busy.set()
        self._queue.put(job)

        def abandon(_: object) -> trio.lowlevel.Abort:
            job.abandoned = True
            return trio.lowlevel.Abort.SUCCEEDED

        return await trio.lowlevel.wait_task_rescheduled(abandon)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.abandoned:
                self._report(job, results.Error(RuntimeClosed("nobody waits for this call")))
            else:
                self._report(job, results.capture(job.work, functools.partial(self._report, job)))

    def _report(self, job: _Job, report: "Log | results.Value[Outcome] | results.Error") -> None:
        self._reports.append((job, report))
        # Two threads may both find it False: the second wake-up then finds nothing to do.
        if not self._wake_up_due:
            self._wake_up_due = True
            self._token.run_sync_soon(self._deliver)

    def _deliver(self) -> None:
        # False before the first look: a report that comes after the last one asks for another wake-up.
        self._wake_up_due = False
        while self._reports:
            job, report = self._reports.popleft()
            if not isinstance(report, Log):
                self._end(job, report)
            elif not job.abandoned and job.log_error is None:
                try:
                    job.on_log(report)
                except Exception as error:
                    job.log_error = error

    def _end(self, job: _Job, ended: "results.Value[Outcome] | results.Error") -> None:
        self._jobs.discard(job)
        if not self._jobs:
            self._busy.clear()
        if not job.abandoned:
            job.abandoned = True
            trio.lowlevel.reschedule(job.task, results.Error(job.log_error) if job.log_error else ended)

    def _tick(self) -> None:
        """Count time in epochs while calls run. Late ticks are made up for, or limits would stretch under
        load."""
        tick_seconds = self._limits.epoch_tick_seconds
        while self._busy.wait() and not self._closing.is_set():
            due = time.monotonic() + tick_seconds
            while self._busy.is_set() and not self._closing.wait(max(0.0, due - time.monotonic())):
                self._sandbox.engine.increment_epoch()
                due += tick_seconds

    async def _close(self) -> None:
        self._closed = True
        for job in list(self._jobs):
            if not job.abandoned:
                job.abandoned = True
                trio.lowlevel.reschedule(job.task, results.Error(RuntimeClosed("the runtime was closed")))
        self._closing.set()
        self._busy.set()
        for _ in range(self._limits.worker_threads):
            self._queue.put(None)
        with trio.CancelScope(shield=True):
            for thread in self._threads:
                while thread.is_alive():
                    # Again and again: a worker may have begun its call after the last time.
                    self._sandbox.interrupt()
                    await trio.to_thread.run_sync(thread.join, 0.01)


def _check_environment(name: str, env: Mapping[str, str]) -> None:
    """WASI's strings end at a NUL, and its environment's names at a "="."""
    if "\0" in name:
        raise InvalidInput("function", "a name cannot contain NUL")
    for key, value in env.items():
        if not key or "=" in key or "\0" in key or "\0" in value:
            raise InvalidInput("env", f"{key!r} cannot be an environment variable")
