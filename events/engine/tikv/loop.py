"""The one asyncio loop of a process, on a thread of its own, that drives `tikv-client` for every engine."""

import asyncio
import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from events.engine import Unavailable
from events.engine.tikv.client import release_dropped
from events.engine.tikv.connection import Connection

_Result = TypeVar("_Result")
_END_SECONDS = 2.0
_END_PAUSE_SECONDS = 0.001


class _EventLoop(asyncio.SelectorEventLoop):
    """Knows the futures that are still in use: the library keeps a call's future until its threads are done with it.

    A caller may have the answer while the thread that brought it still wants the interpreter's lock.
    """

    def __init__(self) -> None:
        super().__init__()
        # Without callbacks: one would run in the library's thread, and make it wait for the lock once more.
        self._futures: deque[weakref.ref[asyncio.Future[Any]]] = deque()

    def create_future(self) -> asyncio.Future[Any]:
        while self._futures and self._futures[0]() is None:
            self._futures.popleft()
        future = super().create_future()
        self._futures.append(weakref.ref(future))
        return future

    def futures_in_use(self) -> bool:
        release_dropped()
        return any(future() is not None for future in self._futures)


class _ClientLoop:
    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.loop = _EventLoop()
        self.ending = False
        self.connections: dict[tuple[str, ...], Connection] = {}
        self._thread = threading.Thread(target=self.loop.run_forever, name="tikv-client", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _end(self) -> None:
        """Wait, within a bound, until no thread of the library will ask for the interpreter's lock again.

        One that asks while the interpreter is being finalized aborts the process.
        """
        if self.process_id != os.getpid():
            return
        self.ending = True
        self.loop.call_soon_threadsafe(self._cancel)
        self._thread.join(_END_SECONDS + 1.0)

    def _cancel(self) -> None:
        # The library drops a call that is cancelled at once.
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self._settle(self.loop.time() + _END_SECONDS)

    def _settle(self, deadline: float) -> None:
        unsettled = asyncio.all_tasks(self.loop) or self.loop.futures_in_use()
        if unsettled and self.loop.time() < deadline:
            self.loop.call_later(_END_PAUSE_SECONDS, self._settle, deadline)
        else:
            self.loop.stop()


_start_lock = threading.Lock()
_started: _ClientLoop | None = None


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `coroutine` on the loop and wait for it, from any thread but the loop's own.

    The coroutine must end by itself: an interrupted caller leaves it to its own deadline.
    Raises `Unavailable` in a process that is ending, and in one that was forked off one with a loop: the library's
    threads are not there. A coroutine that the process's end interrupts raises `concurrent.futures.CancelledError`.
    """
    try:
        loop = _client_loop().loop
    except Unavailable:
        coroutine.close()
        raise
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


async def shared_connection(pd_addresses: Sequence[str], connect_seconds: float) -> Connection:
    """The process's connection to that cluster, made on first use. Raises `Unavailable`."""
    connections = _client_loop().connections
    addresses = tuple(pd_addresses)
    if addresses not in connections:
        connection = await Connection.open(addresses, connect_seconds)
        connections.setdefault(addresses, connection)
    return connections[addresses]


def _client_loop() -> _ClientLoop:
    global _started  # noqa: PLW0603 — the process has one
    with _start_lock:
        if _started is None:
            _started = _ClientLoop()
        if _started.process_id != os.getpid():
            raise Unavailable("this process was forked off one that uses TiKV: spawn it instead")
        if _started.ending:
            raise Unavailable("this process is ending")
        return _started
