"""What a node says of itself gets into its stream once, whatever the engine does."""

import pytest
import trio
import trio.testing

from events.catalogue import NodeJoined, NodeLeft, NodeSource, StackStarted
from events.engine import OutcomeUnknown
from events.engine.memory import MemoryEngine
from events.log import Log, StreamConflict
from events.recorder import EngineProcessRecorder
from events.streams import node_stream
from events.verify import examine
from mu.node_journal import NodeJournal
from projections.membership import Membership
from tests.entries import open_log
from tests.outage import Outage


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # a moment's patience, so that it does not jump while a thread works
    return trio.testing.MockClock(autojump_threshold=0.05)


async def join(log: Log) -> NodeJournal:
    return await NodeJournal.join(log, Membership(), public_key="key", address="10.0.0.1", port=7000)


async def test_each_node_at_an_address_has_a_hash_of_its_own_whatever_its_key():
    engine = MemoryEngine()
    log = open_log(engine)
    membership, nodes = Membership(), list[str]()
    for public_key in ("key", "another key", "key", "a third key"):
        journal = await NodeJournal.join(
            log, membership, public_key=public_key, address="10.0.0.1", port=7000
        )
        nodes.append(journal.node)
        if public_key != "another key":
            await journal.leave()
        membership = Membership()
        for entry in log.replay():
            membership.apply(entry)
    assert len(set(nodes)) == len(nodes)
    assert examine(EngineProcessRecorder(engine)).disagreements == ()


def started(journal: NodeJournal, revision: int) -> StackStarted:
    return StackStarted(stack="s", revision=revision, node=journal.node)


def revisions(log: Log) -> list[int]:
    return [entry.event.revision for entry in log.replay() if isinstance(entry.event, StackStarted)]


async def test_an_outage_is_waited_out_and_events_keep_their_order(clock, caplog: pytest.LogCaptureFixture):
    engine = Outage()
    log = open_log(engine)
    journal = await join(log)
    engine.down = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.append, started(journal, 1))
        await trio.sleep(1)
        nursery.start_soon(journal.append, started(journal, 2), started(journal, 3))
        await trio.sleep(60)
        assert engine.refused > 10
        engine.come_back()
    assert revisions(log) == [1, 2, 3]
    # once, and not at every attempt
    assert caplog.text.count("cannot be appended") == 1


async def test_an_append_of_unknown_outcome_that_has_written_is_not_doubled(clock):
    engine = Outage()
    log = open_log(engine)
    journal = await join(log)
    await journal.append(started(journal, 1))
    engine.fail_next_commit(OutcomeUnknown("no answer"), applied=True)
    engine.answers = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.append, started(journal, 2), started(journal, 3))
        await trio.sleep(10)
        engine.come_back()
    await journal.append(started(journal, 4))
    assert revisions(log) == [1, 2, 3, 4]


async def test_an_append_of_unknown_outcome_that_has_not_written_is_made_again(clock):
    engine = Outage()
    log = open_log(engine)
    journal = await join(log)
    engine.fail_next_commit(OutcomeUnknown("no answer"), applied=False)
    engine.answers = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.append, started(journal, 1))
        await trio.sleep(10)
        engine.come_back()
    assert revisions(log) == [1]


@pytest.mark.parametrize("applied", [False, True])
async def test_a_node_leaves_though_its_last_append_was_cancelled_before_its_outcome_was_known(
    clock, applied: bool
):
    engine = Outage()
    log = open_log(engine)
    journal = await join(log)
    await journal.append(started(journal, 1))
    engine.fail_next_commit(OutcomeUnknown("no answer"), applied=applied)
    engine.answers = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.append, started(journal, 2))
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    engine.come_back()
    await journal.leave()
    assert revisions(log) == ([1, 2] if applied else [1])
    assert isinstance([entry.event for entry in log.replay()][-1], NodeLeft)


async def test_what_another_has_written_meanwhile_is_not_taken_for_ones_own(clock):
    engine = Outage()
    log = open_log(engine)
    journal = await join(log)
    engine.fail_next_commit(OutcomeUnknown("no answer"), applied=False)
    engine.answers = 1
    ended: list[StreamConflict] = []

    async def append() -> None:
        try:
            await journal.append(started(journal, 1))
        except StreamConflict as error:
            ended.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(append)
        await trio.sleep(0.01)
        engine.come_back()
        joined = NodeJoined(node="n", address="10.0.0.1", port=1, generation=2, public_key="key")
        await log.append_from_task(node_stream("key"), 1, [(NodeSource("n", 2), joined)])
    assert len(ended) == 1
    assert revisions(log) == []
