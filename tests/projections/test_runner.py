from collections.abc import Sequence

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import Event, NodeLost, Retracted, StackStarted
from events.engine.memory import MemoryEngine
from events.log import Entry, Log
from projections.checkpoint import load, save
from projections.membership import Membership
from projections.routes import Routes
from projections.runner import PROJECTIONS, Runner, RunnerLimits
from projections.stacks import Stacks
from tests.entries import NODES, SCOPE, STACKS, append_all, deployed, events, joined, open_log
from tests.outage import Outage

LIMITS = RunnerLimits()


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # a moment's patience, so that it does not jump while a thread works
    return trio.testing.MockClock(autojump_threshold=0.05)


def checksums(runner: Runner) -> dict[str, str]:
    return {projection.name: projection.checksum() for projection in runner.projections}


def caught_up(log: Log, engine: MemoryEngine) -> Runner:
    runner = Runner(log, engine, LIMITS)
    runner.catch_up()
    return runner


@given(st.lists(events, max_size=40), st.data())
def test_replays_and_resumptions_give_the_same_bytes(happened: Sequence[Event], data: st.DataObject):
    engine = MemoryEngine()
    log = open_log(engine)
    live = Runner(log, engine, LIMITS)
    cut = data.draw(st.integers(0, len(happened)))
    append_all(log, happened[:cut], "first")
    live.catch_up()
    live.checkpoint()
    append_all(log, happened[cut:], "second")
    live.catch_up()
    assert all(progress.parked is None for progress in live.progress.values())

    replayed = caught_up(log, MemoryEngine())
    resumed = Runner(log, engine, LIMITS)
    resumed.resume()
    assert resumed.position == cut
    resumed.catch_up()
    for kind in PROJECTIONS:
        assert live.get(kind).encode() == replayed.get(kind).encode() == resumed.get(kind).encode()
        assert kind.decode(live.get(kind).encode()).encode() == live.get(kind).encode()


class Picky(Membership):
    """Cannot bear a second node, and has changed its state half by then."""

    name = "picky"

    def apply(self, entry: Entry) -> None:
        super().apply(entry)
        if len(self.state.members) > 1:
            raise ZeroDivisionError("two is too many")


def test_a_projection_that_raises_stops_alone_as_it_was_before():
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1), joined(2)])
    runner = Runner(log, engine, LIMITS, (Picky, Membership))
    runner.catch_up()
    parked = runner.progress["picky"].parked
    assert parked is not None
    assert (parked.position, runner.progress["picky"].position) == (2, 1)
    assert "two is too many" in parked.traceback
    assert list(runner.get(Picky).state.members) == [NODES[0][0]]
    assert len(runner.get(Membership).state.members) == 3
    runner.checkpoint()
    again = Runner(log, engine, LIMITS, (Picky, Membership))
    again.resume()
    again.catch_up()
    assert again.progress["picky"].parked is not None
    assert list(again.get(Picky).state.members) == [NODES[0][0]]


def test_a_checkpoint_of_another_log_is_not_used(caplog: pytest.LogCaptureFixture):
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1)])
    caught_up(log, engine).checkpoint()
    other = open_log(MemoryEngine())
    append_all(other, [joined(2)])
    runner = Runner(other, engine, LIMITS)
    runner.resume()
    runner.catch_up()
    assert list(runner.get(Membership).state.members) == [NODES[2][0]]
    assert "another log" in caplog.text


def test_a_checkpoint_of_another_version_or_damaged_is_not_used():
    engine = MemoryEngine()
    save(engine, Membership(), 5, bytes(32))
    assert load(engine, Membership) is not None

    class Newer(Membership):
        version = Membership.version + 1

    assert load(engine, Newer) is None
    with engine.begin() as transaction:
        transaction.put(b"projection/membership/\0\0\0\1", b"\xc1")
        transaction.commit()
    assert load(engine, Membership) is None


def test_a_state_larger_than_a_value_is_kept_whole_and_shrinks_again():
    engine = MemoryEngine()
    large = Membership()
    large.state.generations = {f"key {number:06}": number for number in range(100_000)}
    save(engine, large, 7, bytes(32))
    loaded = load(engine, Membership)
    assert loaded is not None
    assert loaded[0].checksum() == large.checksum()
    save(engine, Membership(), 8, bytes(32))
    loaded = load(engine, Membership)
    assert loaded is not None
    assert (loaded[0].checksum(), loaded[1].position) == (Membership().checksum(), 8)


async def test_run_follows_the_log_and_keeps_checkpoints():
    engine = MemoryEngine()
    log = open_log(engine)
    runner = Runner(log, engine, RunnerLimits(checkpoint_entries=2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        append_all(log, [joined(0), joined(1)])
        await runner.wait_until(lambda: len(runner.get(Membership).state.members) == 2)
        await trio.to_thread.run_sync(append_all, log, [NodeLost(node=NODES[0][0], generation=1)], "more")
        await runner.wait_until(lambda: len(runner.get(Membership).state.members) == 1)
        nursery.cancel_scope.cancel()
    loaded = load(engine, Routes)
    assert loaded is not None
    assert loaded[1].position == 2


async def test_run_waits_out_an_outage_of_the_engine(clock, caplog: pytest.LogCaptureFixture):
    engine = Outage()
    log = open_log(engine)
    runner = Runner(log, engine, LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        append_all(log, [joined(0)])
        await runner.wait_until(lambda: len(runner.get(Membership).state.members) == 1)
        engine.down = True
        await trio.sleep(20)
        assert engine.refused > 10
        assert len(runner.get(Membership).state.members) == 1
        engine.come_back()
        append_all(log, [joined(1)], "more")
        await runner.wait_until(lambda: len(runner.get(Membership).state.members) == 2)
        nursery.cancel_scope.cancel()
    assert caplog.text.count("wait for the log") == 1


@pytest.mark.parametrize("answers", range(12))
async def test_an_outage_amid_going_back_leaves_nothing_half_done(clock, answers: int):
    """Every question to the engine may be the first one without an answer."""
    engine = Outage()
    log = open_log(engine)
    kinds = (*PROJECTIONS, Picky)
    append_all(
        log,
        [
            joined(0),
            deployed(STACKS[0], b"m"),
            deployed(STACKS[1], b"m"),
            StackStarted(stack=STACKS[1], revision=1, node=NODES[0][0]),
        ],
        "stream",
    )
    runner = Runner(log, engine, RunnerLimits(checkpoint_entries=2), kinds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await runner.wait_until(lambda: runner.position == 4)
        retracted = Retracted(scope=SCOPE, first_sequence=1, last_sequence=1, positions=(3,))
        append_all(log, [retracted, joined(1)], "more")
        engine.answers = answers
        await trio.sleep(2)
        engine.come_back()
        await runner.wait_until(lambda: runner.position == 6 and runner.progress["picky"].parked is not None)
        nursery.cancel_scope.cancel()
    replayed = Runner(log, MemoryEngine(), LIMITS, kinds)
    replayed.catch_up()
    assert checksums(runner) == checksums(replayed)
    assert runner.progress["picky"].parked is not None
    assert set(runner.get(Stacks).state.stacks) == {STACKS[0]}
