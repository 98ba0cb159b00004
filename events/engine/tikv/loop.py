"""The one asyncio loop of a process, on a thread of its own, that drives `tikv-client` for every engine."""

import asyncio
import os
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from events.engine import Unavailable
from events.engine.tikv.connection import Connection

_Result = TypeVar("_Result")


class _ClientLoop:
    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.connections: dict[tuple[str, ...], Connection] = {}
        threading.Thread(target=self.loop.run_forever, name="tikv-client", daemon=True).start()


_start_lock = threading.Lock()
_started: _ClientLoop | None = None


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `coroutine` on the loop and wait for it, from any thread but the loop's own.

    The coroutine must end by itself: an interrupted caller leaves it to its own deadline.
    Raises `Unavailable` in a process that was forked off one with a loop: the library's threads are not there.
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
        return _started
