"""A chain reader over several RPC nodes: it asks one, and others when that fails, is slow, stands still, or is doubted.

A question that one node has not answered for a while all others are asked too, and the first answer counts (a hedged
request; Dean and Barroso, The Tail at Scale): so however many nodes hang, an answer is as late as if one did.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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
        stale: dict[str, AccountAnswer] = {}

        async def ask(name: str, reader: ChainReader) -> AccountAnswer:
            answer = await reader.account(address, finality)
            problem = self._check_slot(name, finality, answer.slot)
            if problem is not None:
                stale[name] = answer
                raise ChainUnavailable(f"{name}: {problem}")
            return answer

        try:
            return await self._ask(ask)
        except ChainUnavailable:
            if not stale:
                raise
            self._current = max(stale, key=lambda name: stale[name].slot)
            return stale[self._current]

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        """See `ChainReader.accounts`."""
        return await self._ask(lambda _, reader: reader.accounts(addresses, finality))

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        """See `ChainReader.signatures`."""
        return await self._ask(lambda _, reader: reader.signatures(address, before, finality))

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        """See `ChainReader.transaction`."""
        return await self._ask(lambda _, reader: reader.transaction(signature, finality))

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        """See `ChainReader.block`."""
        return await self._ask(lambda _, reader: reader.block(slot, finality))

    def doubt(self, problem: str) -> bool:
        """See `ChainReader.doubt`."""
        now = trio.current_time()
        if self._current is not None:
            self._fail(self._current, problem)
        return any(
            not endpoint.is_resting(now, self._limits) and now >= endpoint.blocked_until
            for endpoint in self._endpoints.values()
        )

    async def _ask(self, question: Callable[[str, ChainReader], Awaitable[T]]) -> T:
        """The first answer: of one node, of the next after each failure, of all others when one is slow to answer."""
        waiting: dict[str, float] = {}
        tried: set[str] = set()
        problems: list[str] = []
        answers: list[tuple[str, T]] = []

        async def ask_in_turn() -> None:
            while not answers and (name := self._choose(tried)) is not None:
                tried.add(name)
                waiting[name] = trio.current_time()
                try:
                    answers.append((name, await question(name, self._readers[name])))
                except ChainUnavailable as error:
                    problems.append(str(error))
                    self._fail(name, str(error), error.retry_after_seconds)
                del waiting[name]
            if answers or not waiting:
                nursery.cancel_scope.cancel()

        with trio.move_on_after(self._limits.answer_seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_in_turn)
                await trio.sleep(self._limits.hedge_seconds)
                for _ in self._readers:
                    nursery.start_soon(ask_in_turn)
        hedge_seconds = self._limits.hedge_seconds if answers else 0.0
        for name, asked_at in waiting.items():
            seconds = trio.current_time() - asked_at
            if seconds >= hedge_seconds:
                problems.append(f"{name} did not answer within {seconds:.1f} s")
                self._fail(name, problems[-1])
        if not answers:
            raise ChainUnavailable(
                "; ".join(problems) or "all RPC nodes have asked to be left alone",
                retry_after_seconds=blocked_seconds(self._endpoints, trio.current_time()),
            )
        name, answer = answers[0]
        self._succeed(name)
        return answer

    def _choose(self, tried: Collection[str]) -> str | None:
        return choose(self._endpoints, self._current, trio.current_time(), self._limits, tried)

    def _check_slot(self, name: str, finality: Finality, slot: int) -> str | None:
        now = trio.current_time()
        endpoint = self._endpoints[name] = told_slot(self._endpoints[name], finality, now, slot)
        return staleness(endpoint, finality, now, best_slot(self._endpoints, finality), self._limits)

    def _succeed(self, name: str) -> None:
        self._current = name
        endpoint = self._endpoints[name]
        if not endpoint.is_resting(trio.current_time(), self._limits):
            if endpoint.problem is not None:
                logger.info("following the chain: the RPC node %s is well again", name)
            self._endpoints[name] = answered(endpoint)

    def _fail(self, name: str, problem: str, retry_after_seconds: float | None = None) -> None:
        if self._endpoints[name].problem is None and len(self._readers) > 1:
            logger.warning("following the chain: the RPC node %s has a problem: %s", name, problem)
        self._endpoints[name] = failed(
            self._endpoints[name],
            trio.current_time(),
            problem,
            self._limits,
            retry_after_seconds=retry_after_seconds,
        )
