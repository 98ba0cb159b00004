"""A chain reader over several RPC nodes: it asks one, and the next when that fails, stands still, or is doubted."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import trio

from contract.errors import InvalidInput
from events.catalogue import Finality
from events.chain.endpoints import (
    Endpoint,
    EndpointLimits,
    answered,
    best_slot,
    blocked_seconds,
    choose,
    failed,
    staleness,
    told_slot,
)
from events.chain.reader import (
    AccountAnswer,
    AccountsAnswer,
    ChainReader,
    ChainTransaction,
    ChainUnavailable,
    SignatureInfo,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)


class FailoverReader:
    """The port on several nodes, by name, the preferred one first. Raises `InvalidInput` for none.

    The names are shown to people and in metrics: no URLs, which may hold credentials.
    """

    def __init__(self, readers: Mapping[str, ChainReader], limits: EndpointLimits) -> None:
        if not readers:
            raise InvalidInput("rpc_urls", "name at least one RPC node")
        self._readers = dict(readers)
        self._limits = limits
        self._endpoints = {name: Endpoint() for name in readers}
        self._current: str | None = None

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """What is known of each node."""
        return self._endpoints

    @property
    def current(self) -> str | None:
        """The node that answered last."""
        return self._current

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        """See `ChainReader.account`. Where no node is up to date, the answer of the one that is furthest."""

        async def ask(reader: ChainReader) -> AccountAnswer:
            return await reader.account(address, finality)

        if finality is not Finality.CONFIRMED:
            return await self._ask(ask, set())
        tried: set[str] = set()
        best: AccountAnswer | None = None
        while True:
            try:
                answer = await self._ask(ask, tried)
            except ChainUnavailable:
                if best is None:
                    raise
                return best
            name = self._current
            assert name is not None
            problem = self._check_slot(name, answer.slot)
            if problem is None:
                return answer
            tried.add(name)
            if best is None or answer.slot > best.slot:
                best = answer

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        """See `ChainReader.accounts`."""
        return await self._ask(lambda reader: reader.accounts(addresses, finality), set())

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        """See `ChainReader.signatures`."""
        return await self._ask(lambda reader: reader.signatures(address, before, finality), set())

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        """See `ChainReader.transaction`."""
        return await self._ask(lambda reader: reader.transaction(signature, finality), set())

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        """See `ChainReader.block`."""
        return await self._ask(lambda reader: reader.block(slot, finality), set())

    def doubt(self, problem: str) -> bool:
        """See `ChainReader.doubt`."""
        now = trio.current_time()
        if self._current is not None:
            self._fail(self._current, problem)
        return any(
            not endpoint.is_resting(now, self._limits) and now >= endpoint.blocked_until
            for endpoint in self._endpoints.values()
        )

    async def _ask(self, question: Callable[[ChainReader], Awaitable[T]], tried: set[str]) -> T:
        """Ask one node after the other, until one answers. Those that were asked are in `tried` if they failed."""
        problems: list[str] = []
        while (
            name := choose(self._endpoints, self._current, trio.current_time(), self._limits, tried)
        ) is not None:
            try:
                answer = await question(self._readers[name])
            except ChainUnavailable as error:
                tried.add(name)
                problems.append(str(error))
                self._fail(name, str(error), error.retry_after_seconds)
            else:
                self._succeed(name)
                return answer
        raise ChainUnavailable(
            "; ".join(problems) or "all RPC nodes have asked to be left alone",
            retry_after_seconds=blocked_seconds(self._endpoints, trio.current_time()),
        )

    def _check_slot(self, name: str, slot: int) -> str | None:
        now = trio.current_time()
        self._endpoints[name] = told_slot(self._endpoints[name], now, slot)
        problem = staleness(self._endpoints[name], now, best_slot(self._endpoints), self._limits)
        if problem is not None:
            self._fail(name, problem)
        return problem

    def _succeed(self, name: str) -> None:
        if name != self._current and self._current is not None:
            logger.warning("following the chain: asking %s now", name)
        self._current = name
        if not self._endpoints[name].is_resting(trio.current_time(), self._limits):
            self._endpoints[name] = answered(self._endpoints[name])

    def _fail(self, name: str, problem: str, retry_after_seconds: float | None = None) -> None:
        self._endpoints[name] = failed(
            self._endpoints[name],
            trio.current_time(),
            problem,
            self._limits,
            retry_after_seconds=retry_after_seconds,
        )
