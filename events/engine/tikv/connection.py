"""A process's connection to a cluster: questions with a deadline, and a new client where the old one went stale."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from events.engine import Unavailable
from events.engine.tikv.client import Client, connect
from events.engine.tikv.errors import Failure, describe, failure

_Result = TypeVar("_Result")
_REPLACE_PAUSE_SECONDS = 0.5


class ResponseTooLarge(Exception):
    """The answer would have more than the 4 MiB that the library takes: ask for less."""


class StaleClient(Unavailable):
    """The client remembers a region that had no leader, and will not ask about it again: only another one will."""


class Connection:
    """The client that all engines of a process on one cluster share. For the client's loop only."""

    def __init__(self, pd_addresses: Sequence[str], client: Client, connect_seconds: float) -> None:
        self._pd_addresses = pd_addresses
        self._connect_seconds = connect_seconds
        self._replacing = asyncio.Lock()
        self._name = _name(pd_addresses)
        self.client = client

    @classmethod
    async def open(cls, pd_addresses: Sequence[str], connect_seconds: float) -> "Connection":
        """Raises `Unavailable`."""
        client = await answered(lambda: connect(pd_addresses), connect_seconds, _name(pd_addresses))
        return cls(pd_addresses, client, connect_seconds)

    async def ask(self, call: Callable[[Client], Coroutine[Any, Any, _Result]], seconds: float) -> _Result:
        """The answer of a call that writes nothing. Raises `Unavailable`, `ResponseTooLarge`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            client = self.client
            try:
                return await answered(partial(call, client), deadline - loop.time(), self._name)
            except StaleClient:
                if loop.time() + _REPLACE_PAUSE_SECONDS > deadline:
                    raise
                await self.replace(client)

    async def replace(self, stale: Client) -> None:
        """Connect anew, unless another caller has done so, or it is not possible now."""
        async with self._replacing:
            if self.client is not stale:
                return
            # A placement driver that was restarted learns the leaders from the stores, one by one.
            await asyncio.sleep(_REPLACE_PAUSE_SECONDS)
            with suppress(Unavailable):
                self.client = await answered(
                    lambda: connect(self._pd_addresses), self._connect_seconds, self._name
                )


def _name(pd_addresses: Sequence[str]) -> str:
    return f"the cluster at {','.join(pd_addresses)}"


async def answered(
    call: Callable[[], Coroutine[Any, Any, _Result]], seconds: float, cluster: str = "the cluster"
) -> _Result:
    """The answer of a call that writes nothing, repeated while it meets a lock, for at most `seconds`.

    Messages begin with `cluster`. Raises `Unavailable`, `StaleClient`, `ResponseTooLarge`.
    """
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await call()
                except Exception as error:
                    match failure(error):
                        case Failure.LOCKED:
                            continue
                        case Failure.RESPONSE_TOO_LARGE:
                            raise ResponseTooLarge from error
                        case Failure.STALE:
                            raise StaleClient(f"{cluster} failed: {describe(error)}") from error
                        case _:
                            raise Unavailable(f"{cluster} failed: {describe(error)}") from error
    except TimeoutError:
        raise Unavailable(f"{cluster} did not answer within {seconds:.3g} seconds") from None
