import pytest
import trio
import trio.testing
from solders.keypair import Keypair

from events.catalogue import CheckpointSigned, StackStarted
from events.engine import Unavailable
from events.engine.memory import MemoryEngine
from events.log import Log, StreamConflict
from events.recorder import EngineProcessRecorder
from events.verify import examine
from mu.checkpointer import Checkpointer, CheckpointLimits
from mu.node_journal import NodeJournal
from projections.membership import Membership
from tests.entries import open_log

KEYPAIRS = [Keypair.from_seed(bytes([number] * 32)) for number in (1, 2)]
LIMITS = CheckpointLimits(max_entries=10, max_seconds=300.0, poll_seconds=5.0)


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # a moment's patience, so that it does not jump while a thread works
    return trio.testing.MockClock(autojump_threshold=0.05)


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


async def join(log: Log, number: int) -> NodeJournal:
    return await NodeJournal.join(
        log, Membership(), public_key=str(KEYPAIRS[number].pubkey()), address="10.0.0.1", port=7000 + number
    )


def checkpoints(log: Log) -> list[tuple[int, CheckpointSigned]]:
    """The checkpoints in the log, with the positions they were recorded at."""
    return [
        (entry.position, entry.event) for entry in log.replay() if isinstance(entry.event, CheckpointSigned)
    ]


async def act(journal: NodeJournal, count: int) -> None:
    await journal.append(*[StackStarted(stack="s", revision=1, node=journal.node)] * count)


async def test_so_many_entries_are_signed_at_once_and_fewer_later(engine: MemoryEngine, clock):
    log = open_log(engine)
    journal = await join(log, 0)
    checkpointer = Checkpointer(log, journal, KEYPAIRS[0], LIMITS)
    await act(journal, 8)
    assert not await checkpointer.sign_if_due()
    await act(journal, 1)
    head = log.head()
    assert await checkpointer.sign_if_due()
    [(position, checkpoint)] = checkpoints(log)
    assert (position, checkpoint.position, checkpoint.hash) == (11, 10, head.hash)
    await act(journal, 1)
    assert not await checkpointer.sign_if_due()
    await trio.sleep(LIMITS.max_seconds)
    assert await checkpointer.sign_if_due()
    assert [checkpoint.position for _, checkpoint in checkpoints(log)] == [10, 12]
    verified = examine(EngineProcessRecorder(engine))
    assert (verified.checkpoints, verified.disagreements) == (2, ())


async def test_nothing_new_is_not_signed_again_however_many_nodes_sign(engine: MemoryEngine, clock):
    log = open_log(engine)
    journals = [await join(log, number) for number in (0, 1)]
    both = [
        Checkpointer(log, journal, keypair, LIMITS)
        for journal, keypair in zip(journals, KEYPAIRS, strict=True)
    ]
    for _ in range(5):
        await trio.sleep(LIMITS.max_seconds)
        for checkpointer in both:
            await checkpointer.sign_if_due()
    assert [checkpoint.node for _, checkpoint in checkpoints(log)] == [journal.node for journal in journals]
    assert examine(EngineProcessRecorder(engine)).disagreements == ()


async def test_the_task_signs_by_itself_and_rests(engine: MemoryEngine, clock):
    limits = CheckpointLimits(max_entries=10, max_seconds=300.0, poll_seconds=100.0)
    log = open_log(engine)
    journal = await join(log, 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Checkpointer(log, journal, KEYPAIRS[0], limits).run)
        await act(journal, 20)
        await trio.sleep(limits.poll_seconds * 3)
        assert [checkpoint.position for _, checkpoint in checkpoints(log)] == [21]
        await trio.sleep(limits.max_seconds * 5)
        assert len(checkpoints(log)) == 1
        nursery.cancel_scope.cancel()


async def test_an_engine_that_fails_is_waited_out(engine: MemoryEngine, clock, caplog):
    log = open_log(engine)
    journal = await join(log, 0)
    await act(journal, 20)
    engine.fail_next_commit(Unavailable("down"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Checkpointer(log, journal, KEYPAIRS[0], LIMITS).run)
        await trio.sleep(LIMITS.poll_seconds * 10)
        nursery.cancel_scope.cancel()
    assert len(checkpoints(log)) == 1
    assert "down" in caplog.text


async def test_a_node_that_was_declared_lost_ends(engine: MemoryEngine, clock):
    log = open_log(engine)
    journal = await join(log, 0)
    await act(await join(log, 0), 20)
    with pytest.raises(StreamConflict):
        await Checkpointer(log, journal, KEYPAIRS[0], LIMITS).sign_if_due()
