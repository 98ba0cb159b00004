"""The local chain as a server: a clock that advances the slots, JSON-RPC on one port, PubSub on the next."""

import logging
from collections.abc import Callable

import trio

from contract.errors import InvalidInput
from events.engine import Unavailable
from mu.config import LocalnetLimits
from mu.http.server import serve
from mu.localnet.hub import Hub
from mu.localnet.ledger import Ledger
from mu.localnet.pubsub import PubsubEndpoint
from mu.localnet.rpc import RpcEndpoint
from mu.localnet.writer import LedgerWriter

_log = logging.getLogger(__name__)

_FREE_PORT_ATTEMPTS = 20

Listeners = list[trio.SocketListener]


async def open_listeners(port: int, host: str = "127.0.0.1") -> tuple[Listeners, Listeners]:
    """Listen on `port` for JSON-RPC and on the one after it for PubSub; port 0 finds two free ones.

    Raises InvalidInput when a port is taken.
    """
    problem = ""
    for _ in range(_FREE_PORT_ATTEMPTS if port == 0 else 1):
        rpc: Listeners = []
        try:
            rpc = await trio.open_tcp_listeners(port, host=host)
            chosen = rpc[0].socket.getsockname()[1]
            return rpc, await trio.open_tcp_listeners(chosen + 1, host=host)
        except (OSError, OverflowError) as error:
            for listener in rpc:
                await listener.aclose()
            problem = f"{port} or the one after it cannot be listened on ({error.args[-1]}); choose another"
    raise InvalidInput("rpc port", problem)


async def serve_localnet(
    ledger: Ledger,
    *,
    rpc_listeners: Listeners,
    pubsub_listeners: Listeners,
    now: Callable[[], float],
    request_ids: Callable[[], str],
    slot_seconds: float = 0.1,
    limits: LocalnetLimits | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. `now` gives Unix seconds for the slots; their pace is trio's clock.

    Raises LedgerHalted or EngineError when the journal can no longer be trusted: open the ledger again then.
    """
    limits = limits or LocalnetLimits()
    writer = LedgerWriter(ledger)
    hub = Hub(ledger, limits.pubsub.max_subscriptions_per_connection)
    rpc = RpcEndpoint(ledger, writer, limits.rpc)
    pubsub = PubsubEndpoint(hub, limits.pubsub, limits.rpc)
    ledger.listeners.append(hub)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, pubsub.serve, pubsub_listeners)

            async def serve_rpc(task_status: trio.TaskStatus[Listeners]) -> None:
                await serve(
                    rpc.handle, rpc_listeners, limits.http, request_ids=request_ids, task_status=task_status
                )

            await nursery.start(serve_rpc)
            nursery.start_soon(advance_slots, writer, slot_seconds, now)
            task_status.started()
    finally:
        ledger.listeners.remove(hub)


async def advance_slots(writer: LedgerWriter, slot_seconds: float, now: Callable[[], float]) -> None:
    """Begin a slot every `slot_seconds`; slots missed while the process was held up are not made up for."""
    due = trio.current_time()
    while True:
        due = max(due + slot_seconds, trio.current_time())
        await trio.sleep_until(due)
        try:
            await writer.advance_slot(int(now()))
        except Unavailable as error:
            _log.warning("the slot stands still: %s", error)
