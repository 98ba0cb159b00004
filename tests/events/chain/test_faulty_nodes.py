"""The follower behind RPC nodes that fail: alone it notices; with a second it goes on."""

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
import trio.testing
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed

from events.catalogue import NodeSource
from events.chain.endpoints import EndpointLimits
from events.chain.failover import FailoverReader
from events.chain.follower import Follower, FollowerLimits, Health
from events.chain.rpc import RpcChainReader
from events.engine.memory import MemoryEngine
from events.log import Log
from projections.runner import Runner, RunnerLimits
from projections.stacks import Stacks, Status
from tests.entries import open_log
from tests.events.chain.faulty_node import FaultyNode, open_faulty_node
from tests.events.chain.histories import SCOPE
from tests.events.chain.live import PATIENCE_SECONDS, Actor, chain

FAULTS = ["hang", "stuck", "empty", "busy", "broken", "nonsense"]
QUICK = FollowerLimits(
    answer_seconds=0.4,
    poll_seconds=0.2,
    stalled_seconds=0.5,
    first_retry_seconds=0.02,
    longest_retry_seconds=0.1,
)
"""Several times as quick as the defaults, of which `test_failover` shows that they suffice."""


class Watched:
    """A chain with a region of two stacks behind faulty nodes, and a follower that is caught up with it."""

    def __init__(self, port: int, nodes: list[FaultyNode], reader: FailoverReader) -> None:
        self.actor = Actor(port, itertools.count())
        self.nodes = nodes
        self.reader = reader
        self.engine = MemoryEngine()
        self.log: Log = open_log(self.engine)
        self.follower = Follower(self.log, reader, SCOPE, QUICK, source=NodeSource("node", 1))

    async def until(self, health: Health, sequence: int) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while (self.follower.health, self.follower.state.sequence) != (health, sequence):
                await trio.testing.wait_all_tasks_blocked(0.01)

    def live_stacks(self) -> int:
        runner = Runner(self.log, self.engine, RunnerLimits())
        runner.catch_up()
        return sum(stack.status is not Status.DELETED for stack in runner.get(Stacks).state.stacks.values())


@asynccontextmanager
async def watched(count: int) -> AsyncIterator[Watched]:
    async with chain(MemoryEngine()) as port, AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(open_faulty_node(port)) for _ in range(count)]
        readers = {
            node.url: RpcChainReader(AsyncClient(node.url, Confirmed), timeout_seconds=QUICK.answer_seconds)
            for node in nodes
        }
        limits = EndpointLimits(
            answer_seconds=QUICK.answer_seconds,
            hedge_seconds=0.1,
            rest_seconds=1.0,
            stalled_seconds=QUICK.stalled_seconds,
        )
        seen = Watched(port, nodes, FailoverReader(readers, limits))
        await seen.actor.set_up()
        await seen.actor.deploy(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(seen.follower.run)
            await seen.until(Health.CAUGHT_UP, 3)
            yield seen
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("fault", FAULTS)
async def test_one_node_alone_is_noticed_undeploys_nothing_and_comes_back(fault: str):
    async with watched(1) as seen:
        [node] = seen.nodes
        node.fault, node.retry_after = fault, "0"
        await seen.until(Health.UNAVAILABLE, 3)
        assert seen.follower.problem is not None
        await seen.actor.deploy()
        # an outage of any length: so many questions are not, or wrongly, answered
        asked = node.asked
        with trio.fail_after(PATIENCE_SECONDS):
            while node.asked < asked + 5:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert seen.live_stacks() == 2
        node.fault = None
        await seen.until(Health.CAUGHT_UP, 4)
        assert seen.live_stacks() == 3


async def test_a_node_without_history_is_noticed_undeploys_nothing_and_comes_back():
    async with watched(1) as seen:
        [node] = seen.nodes
        node.fault = "forgetful"
        await seen.actor.deploy()
        await seen.until(Health.BEHIND, 3)
        assert "event 4 " in str(seen.follower.problem)
        assert seen.live_stacks() == 2
        node.fault = None
        await seen.until(Health.CAUGHT_UP, 4)


@pytest.mark.parametrize("fault", [*FAULTS, "forgetful"])
async def test_a_second_node_takes_over(fault: str):
    async with watched(2) as seen:
        first, second = seen.nodes
        assert seen.reader.current == first.url
        first.fault = fault
        await seen.actor.deploy()
        await seen.until(Health.CAUGHT_UP, 4)
        assert seen.reader.current == second.url
        assert seen.reader.endpoints[first.url].problem is not None
        second.fault, first.fault, first.retry_after = fault, None, "0"
        if fault == "busy":
            return
        await seen.actor.deploy()
        await seen.until(Health.CAUGHT_UP, 5)
        assert seen.live_stacks() == 4


async def test_a_node_that_asks_to_be_left_alone_is():
    async with watched(2) as seen:
        first, second = seen.nodes
        first.fault, first.retry_after = "busy", "3600"
        await seen.actor.deploy()
        await seen.until(Health.CAUGHT_UP, 4)
        asked = first.asked
        second.fault = "broken"
        await seen.until(Health.UNAVAILABLE, 4)
        assert first.asked == asked
        second.fault = None
        await seen.until(Health.CAUGHT_UP, 4)
        assert first.asked == asked
