"""The cluster's transactions, each of which ends in a commit or a rollback whatever happens."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from events.engine import EngineError, OutcomeUnknown, Unavailable
from events.engine.tikv.client import Client, ClientTransaction
from events.engine.tikv.connection import Connection, StaleClient
from events.engine.tikv.errors import Failure, describe, failure

_ROLLBACK_SECONDS = 1.0

_abandoned: set[asyncio.Task[None]] = set()


class Refused(Unavailable):
    """Nothing was written, by reason of a conflict, a lock or a stale client: try again."""

    def __init__(self, why: Failure, text: str) -> None:
        super().__init__(text)
        self.why = why


async def transact(
    connection: Connection, fill: Callable[[ClientTransaction], Coroutine[Any, Any, bool]], deadline: float
) -> None:
    """Begin, let `fill` read and write, and commit if it says so, before `deadline` on the loop's clock.

    Raises what `fill` raises, `Refused`, `Unavailable` (nothing was written in all these cases), and
    `OutcomeUnknown` for a commit that was not answered, or answered with anything that is not understood.
    """
    client = connection.client
    transaction = await _begin(client, deadline)
    sent = False
    try:
        async with asyncio.timeout_at(deadline):
            if await fill(transaction):
                sent = True
                await transaction.commit()
    except StaleClient as error:
        await connection.replace(client)
        raise Refused(Failure.STALE, str(error)) from error
    except EngineError:
        raise
    except TimeoutError:
        text = "the cluster did not answer in time"
        raise (OutcomeUnknown if sent else Unavailable)(text) from None
    except Exception as error:
        text = f"the cluster failed: {describe(error)}"
        why = failure(error)
        if why in (Failure.CONFLICT, Failure.LOCKED):
            sent = False
            raise Refused(why, text) from error
        raise (OutcomeUnknown if sent else Unavailable)(text) from error
    finally:
        if not sent:
            await _roll_back(transaction)


async def _begin(client: Client, deadline: float) -> ClientTransaction:
    beginning = asyncio.ensure_future(client.begin())
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.shield(beginning)
    except BaseException as error:
        # It may still begin, and must then end.
        beginning.add_done_callback(_end_late)
        if isinstance(error, TimeoutError):
            raise Unavailable("the cluster gave no timestamp in time") from None
        if isinstance(error, Exception):
            raise Unavailable(f"the cluster gave no timestamp: {describe(error)}") from error
        raise


async def _roll_back(transaction: ClientTransaction) -> None:
    """End a transaction that cannot have committed; where the store does not answer, its locks expire."""
    with suppress(Exception):
        async with asyncio.timeout(_ROLLBACK_SECONDS):
            await transaction.rollback()


def _end_late(beginning: asyncio.Future[ClientTransaction]) -> None:
    if beginning.cancelled() or beginning.exception() is not None:
        return
    ending = asyncio.ensure_future(_roll_back(beginning.result()))
    _abandoned.add(ending)
    ending.add_done_callback(_abandoned.discard)
