"""Several RPC nodes as one, on a clock that jumps: what fails is noticed within five seconds, however many nodes do."""

import logging
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from contract.errors import InvalidInput
from events.catalogue import Finality
from events.chain.endpoints import EndpointLimits
from events.chain.failover import FailoverReader
from events.chain.follower import Follower, FollowerLimits, Health
from events.chain.reader import AccountAnswer, ChainUnavailable
from events.engine.memory import MemoryEngine
from tests.entries import open_log
from tests.events.chain.histories import SCOPE, HistoryReader, outage
from tests.events.chain.recorded import ALL, HISTORY, sequences

NOTICE_SECONDS = 5.0
TICK_SECONDS = 0.01
LIMITS = EndpointLimits()


class Node(HistoryReader):
    """Hangs, or shows for ever the slot at which it is stuck, from the time on that it is told to."""

    def __init__(self) -> None:
        super().__init__(HISTORY)
        self.finalized = len(HISTORY)
        self.hangs = False
        self.answer_seconds = 0.0
        self.stuck: dict[Finality, AccountAnswer] = {}
        self.asked = 0

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        self.asked += 1
        await trio.sleep(self.answer_seconds)
        if self.hangs:
            await trio.sleep_forever()
        answer = await super().account(address, finality)
        return self.stuck.get(finality, answer)

    async def stick(self, *finalities: Finality) -> None:
        for finality in finalities:
            self.stuck[finality] = await super().account(SCOPE, finality)


def reader_on(*nodes: Node) -> FailoverReader:
    return FailoverReader({f"node {place}": node for place, node in enumerate(nodes)}, LIMITS)


async def slot_of(reader: FailoverReader, finality: Finality = Finality.CONFIRMED) -> int:
    return (await reader.account(SCOPE, finality)).slot


def test_no_node_is_an_error():
    with pytest.raises(InvalidInput, match="rpc_urls"):
        FailoverReader({}, LIMITS)


@pytest.mark.parametrize("hanging", [1, 2, 5])
async def test_however_many_nodes_hang_another_answers_soon(autojump_clock: MockClock, hanging: int):
    nodes = [Node() for _ in range(hanging + 1)]
    for node in nodes[:hanging]:
        node.hangs = True
    reader = reader_on(*nodes)
    asked_at = trio.current_time()
    await slot_of(reader)
    assert trio.current_time() - asked_at == LIMITS.hedge_seconds
    assert reader.current == f"node {hanging}"
    # those that were asked with the one that answered have had no time to
    problems = [endpoint.problem for endpoint in reader.endpoints.values()]
    assert problems == ["node 0 did not answer within 1.0 s", *[None] * hanging]
    # the others are not waited for
    await slot_of(reader)
    assert trio.current_time() - asked_at == LIMITS.hedge_seconds


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_where_all_hang_that_is_said_in_time(autojump_clock: MockClock, count: int):
    nodes = [Node() for _ in range(count)]
    for node in nodes:
        node.hangs = True
    reader = reader_on(*nodes)
    with pytest.raises(ChainUnavailable, match=r"node 0 did not answer within 3\.0 s"):
        await slot_of(reader)
    assert trio.current_time() == LIMITS.answer_seconds
    assert all(endpoint.problem is not None for endpoint in reader.endpoints.values())
    assert all(node.asked == 1 for node in nodes)


async def test_a_node_that_fails_at_once_is_not_waited_for(autojump_clock: MockClock):
    nodes = [Node() for _ in range(3)]
    nodes[0].spoil = nodes[1].spoil = outage
    reader = reader_on(*nodes)
    await slot_of(reader)
    assert (trio.current_time(), reader.current) == (0, "node 2")
    nodes[2].spoil = outage
    with pytest.raises(ChainUnavailable):
        await slot_of(reader)
    assert trio.current_time() == 0


async def test_a_slow_answer_counts_where_none_is_faster(autojump_clock: MockClock):
    slow, hanging = Node(), Node()
    slow.answer_seconds, hanging.hangs = 2.0, True
    reader = reader_on(slow, hanging)
    await slot_of(reader)
    assert trio.current_time() == 2.0
    assert reader.current == "node 0"
    assert reader.endpoints["node 0"].problem is None
    assert reader.endpoints["node 1"].problem == "node 1 did not answer within 1.0 s"


@pytest.mark.parametrize("finality", Finality)
async def test_where_all_stand_still_the_one_that_is_furthest_answers(
    autojump_clock: MockClock, finality: Finality
):
    behind, ahead = Node(), Node()
    await behind.stick(finality)
    await trio.sleep(10)
    await ahead.stick(finality)
    reader = reader_on(behind, ahead)
    furthest = ahead.stuck[finality].slot
    for _ in range(30):
        await trio.sleep(1)
        slot = await slot_of(reader, finality)
    assert (slot, reader.current) == (furthest, "node 1")


async def seconds_until(condition: Callable[[], bool]) -> float:
    since = trio.current_time()
    while not condition():  # noqa: ASYNC110 — nothing tells of it, and the clock jumps
        await trio.sleep(TICK_SECONDS)
    return trio.current_time() - since - TICK_SECONDS


class Watched:
    """A follower with the limits of a node, on some RPC nodes, caught up."""

    def __init__(self, *nodes: Node, commitment: Finality = Finality.CONFIRMED) -> None:
        self.log = open_log(MemoryEngine())
        self.reader = reader_on(*nodes)
        self.follower = Follower(self.log, self.reader, SCOPE, FollowerLimits(commitment=commitment))

    async def noticed_after(self, name: str) -> float:
        """How long it takes from now until the node's problem is known."""
        return await seconds_until(lambda: self.reader.endpoints[name].problem is not None)


@pytest.mark.parametrize("others_hang", [0, 1, 4])
@pytest.mark.parametrize("fault_seconds", [60.0, 60.01, 60.7, 61.4, 61.9])
async def test_hanging_is_noticed_in_time(
    autojump_clock: MockClock, threads_at_once: None, others_hang: int, fault_seconds: float
):
    nodes = [Node() for _ in range(others_hang + 2)]
    watched = Watched(*nodes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.follower.run)
        await trio.sleep(fault_seconds)
        for node in nodes[:-1]:
            node.hangs = True
        assert await watched.noticed_after("node 0") <= NOTICE_SECONDS
        # and from then on the one that is well is asked
        assert watched.reader.current == nodes_name(nodes)
        await trio.sleep(1)
        assert watched.follower.health is Health.CAUGHT_UP
        nodes[-1].hangs = True
        assert await seconds_until(lambda: watched.follower.health is not Health.CAUGHT_UP) <= NOTICE_SECONDS
        nursery.cancel_scope.cancel()
    assert sequences(watched.log) == ALL


def nodes_name(nodes: list[Node]) -> str:
    return f"node {len(nodes) - 1}"


@pytest.mark.parametrize("commitment", Finality)
@pytest.mark.parametrize("fault_seconds", [60.0, 60.01, 60.7, 61.4, 61.9])
async def test_a_stuck_node_is_noticed_in_time_and_left(
    autojump_clock: MockClock, threads_at_once: None, commitment: Finality, fault_seconds: float
):
    stuck, well = Node(), Node()
    stuck.visible = stuck.finalized = well.visible = well.finalized = 5
    watched = Watched(stuck, well, commitment=commitment)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.follower.run)
        await trio.sleep(fault_seconds)
        await stuck.stick(commitment)
        well.visible = well.finalized = len(HISTORY)
        assert await watched.noticed_after("node 0") <= NOTICE_SECONDS
        await trio.sleep(0.01)
        assert (watched.reader.current, watched.follower.health) == ("node 1", Health.CAUGHT_UP)
        nursery.cancel_scope.cancel()
    assert watched.log.head().position == len(ALL)


async def test_a_chain_that_stands_still_for_an_hour_is_not_a_log_full_of_it(
    autojump_clock: MockClock, threads_at_once: None, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    nodes = [Node(), Node(), Node()]
    watched = Watched(*nodes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.follower.run)
        await trio.sleep(60)
        assert caplog.messages == []
        for node in nodes:
            await trio.sleep(1)
            await node.stick(*Finality)
        await trio.sleep(3600)
        assert watched.follower.health is Health.UNAVAILABLE
        for node in nodes:
            node.stuck.clear()
        await trio.sleep(30)
        assert watched.follower.health is Health.CAUGHT_UP
        nursery.cancel_scope.cancel()
    said = [message.split(":", 1)[1].strip() for message in caplog.messages]
    assert sum("has a problem: node" in text for text in said) == 3
    assert sum(text.startswith("the RPC node has stood at slot") for text in said) == 6
    assert said.count("caught up again") == 1
    assert len(said) <= 3 + 6 + 1 + 3
