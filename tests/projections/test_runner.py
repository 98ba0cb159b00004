import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import Event, Finality, Finalized, NodeLost, Retracted, StackStarted
from events.engine import EngineError, Snapshot, Transaction
from events.engine.memory import MemoryEngine
from events.entries import EngineFailure
from events.log import Entry, Log
from projections import checkpoint
from projections.checkpoint import load, save
from projections.membership import Membership
from projections.rebuild import Rebuilding
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


class Watched(MemoryEngine):
    """Notes the threads in which it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def snapshot(self) -> Snapshot:
        self.threads.add(threading.get_ident())
        return super().snapshot()

    def begin(self) -> Transaction:
        self.threads.add(threading.get_ident())
        return super().begin()


class Cautious(Stacks):
    """Acts at finalized."""

    name = "cautious"


async def test_a_running_one_never_asks_the_engine_in_the_trio_thread():
    """It would hold up the gateway while a store hangs: in checkpoints, going back, stopping, taking up, finality."""
    engine = Watched()
    log = open_log(engine)
    kinds = (*PROJECTIONS, Picky, Cautious)
    limits = RunnerLimits(
        checkpoint_entries=1, snapshot_entries=1, commitments={"cautious": Finality.FINALIZED}
    )
    runner = Runner(log, engine, limits, kinds)

    def happen(number: int, happened: Sequence[Event]) -> None:
        for place, event in enumerate(happened):
            append_all(log, [event], f"stream {number}.{place}")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        first = [joined(0), deployed(STACKS[0], b"m"), deployed(STACKS[1], b"m"), joined(1)]
        await trio.to_thread.run_sync(happen, 0, first)
        await runner.wait_until(lambda: runner.position == 4)
        assert runner.progress["picky"].parked is not None
        second = [
            Retracted(scope=SCOPE, first_sequence=1, last_sequence=1, positions=(3,)),
            Finalized(scope=SCOPE, sequence=1),
        ]
        await trio.to_thread.run_sync(happen, 1, second)
        await runner.wait_until(lambda: runner.position == 6)
        rebuilding = Rebuilding(log, engine, Membership)
        await trio.to_thread.run_sync(rebuilding.run)
        await trio.to_thread.run_sync(rebuilding.swap)
        await trio.to_thread.run_sync(happen, 2, [joined(2)])
        await runner.wait_until(lambda: runner.progress["membership"].rebuilds == 1)
        nursery.cancel_scope.cancel()
    assert runner.get(Cautious).state.stacks == runner.get(Stacks).state.stacks
    assert threading.get_ident() not in engine.threads
    assert engine.threads


@pytest.mark.parametrize("answers", range(10))
def test_an_outage_while_a_rebuilt_one_is_taken_up_shows_the_one_before(answers: int):
    engine = Outage()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1)])
    runner = Runner(log, engine, LIMITS)
    runner.catch_up()
    runner.checkpoint()
    rebuilding = Rebuilding(log, engine, Membership)
    rebuilding.run()
    rebuilding.swap()
    append_all(log, [joined(2)], "more")
    runner.catch_up()
    engine.answers = answers
    with suppress(EngineFailure, EngineError):
        runner.checkpoint()
    engine.come_back()
    assert len(runner.get(Membership).state.members) == 3
    assert runner.progress["membership"].position == 3
    runner.checkpoint()
    assert runner.progress["membership"].rebuilds == 1
    assert checksums(runner) == checksums(caught_up(log, MemoryEngine()))


def test_a_conflict_with_another_process_that_keeps_checkpoints_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
):
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0)])
    nodes = [caught_up(log, engine) for _ in range(2)]
    whole = checkpoint.put

    def interrupted(*arguments: Any) -> int:
        monkeypatch.setattr(checkpoint, "put", whole)
        nodes[1].checkpoint()
        return whole(*arguments)

    monkeypatch.setattr(checkpoint, "put", interrupted)
    nodes[0].checkpoint()
    for node in nodes:
        assert {progress.saved_position for progress in node.progress.values()} == {1}
