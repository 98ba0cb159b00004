"""An HTTP/1.1 server on trio: accepts connections up to a limit and serves each in its own task."""

import time
from collections.abc import Callable

import trio

from mu.config import HttpLimits
from mu.http.connection import Connection, Handler
from mu.http.encoder import DateHeader

MAX_CONNECTIONS_BEING_REFUSED = 64
"""Above this, connections beyond the limit are closed without an answer."""


async def serve(
    handler: Handler,
    listeners: list[trio.SocketListener],
    limits: HttpLimits,
    *,
    request_ids: Callable[[], str],
    wall_clock: Callable[[], float] = time.time,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `listeners` until cancelled, which closes them and every connection at once.

    `handler` is called with one whole request at a time for each connection and under no time limit of the
    server's; what it raises is logged and answered with 500. `request_ids` gives a fresh ASCII id a call,
    `wall_clock` the seconds since the Unix epoch for the `date` header. Reports its listeners as started.
    """
    date = DateHeader(wall_clock)
    served = refused = 0

    async def accept(stream: trio.SocketStream) -> None:
        nonlocal served, refused
        if served < limits.max_connections:
            served += 1
            try:
                await Connection(stream, handler, limits, request_ids, date).run()
            finally:
                served -= 1
        elif refused < MAX_CONNECTIONS_BEING_REFUSED:
            refused += 1
            try:
                await Connection(stream, handler, limits, request_ids, date).refuse()
            finally:
                refused -= 1

    await trio.serve_listeners(accept, listeners, task_status=task_status)
