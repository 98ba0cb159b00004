"""The one asyncio loop of a process that drives `tikv-client` for every engine."""

import asyncio
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

from events.asyncio_thread import AsyncioThread
from events.engine.tikv.client import release_dropped
from events.engine.tikv.connection import Connection


class _EventLoop(asyncio.SelectorEventLoop):
    """Knows the futures that are still in use: the library keeps a call's future until its threads are done with it.

    A caller may have the answer while the thread that brought it still wants the interpreter's lock, and one that
    asks for it while the interpreter is being finalized aborts the process. So its end waits for them; the library
    drops a call that is cancelled at once.
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


_thread = AsyncioThread("tikv-client", new_loop=_EventLoop, in_use=_EventLoop.futures_in_use)
run = _thread.run
"""See `AsyncioThread.run`."""

_connections: dict[tuple[str, ...], Connection] = {}


async def shared_connection(pd_addresses: Sequence[str], connect_seconds: float) -> Connection:
    """The process's connection to that cluster, made on first use. Raises `Unavailable`."""
    addresses = tuple(pd_addresses)
    if addresses not in _connections:
        connection = await Connection.open(addresses, connect_seconds)
        _connections.setdefault(addresses, connection)
    return _connections[addresses]
