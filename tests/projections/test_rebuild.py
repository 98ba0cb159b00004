from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.catalogue import Event, NodeLost
from events.engine.memory import MemoryEngine
from events.log import Entry, Log
from projections import snapshots
from projections.checkpoint import Place, load, save
from projections.history import state_at
from projections.membership import Membership
from projections.rebuild import Rebuilding
from projections.runner import PROJECTIONS, Runner, RunnerLimits
from tests.entries import NODES, append_all, events, joined, open_log

LIMITS = RunnerLimits(checkpoint_entries=2, snapshot_entries=2)


def resumed(log: Log, engine: MemoryEngine) -> Runner:
    runner = Runner(log, engine, LIMITS)
    runner.resume()
    runner.catch_up()
    return runner


def damage(log: Log, engine: MemoryEngine) -> None:
    """The checkpoint and its snapshot say what the log does not."""
    wrong = Membership()
    wrong.state.generations["nobody"] = 7
    last = log.read(log.head().position, 1)[0]
    for place in Place:
        save(engine, wrong, last.position, last.hash, place=place)
    snapshots.save(engine, wrong, last.position, last.hash)


@given(st.lists(events, max_size=20), st.lists(events, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_rebuilt_projection_is_the_live_one(happened: list[Event], more: list[Event]):
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, happened, "first")
    live = resumed(log, engine)
    live.checkpoint()
    for kind in PROJECTIONS:
        rebuilding = Rebuilding(log, engine, kind, LIMITS)
        rebuilding.run()
        append_all(log, more, f"more {kind.name}")
        assert rebuilding.differences() == []
        rebuilding.swap()
    again = resumed(log, engine)
    live.catch_up()
    for kind in PROJECTIONS:
        assert again.get(kind).encode() == live.get(kind).encode()
        for position in range(log.head().position + 1):
            state = state_at(log, engine, kind, position).projection.encode()
            assert state == state_at(log, MemoryEngine(), kind, position).projection.encode()


def test_a_damaged_one_is_shown_field_by_field_and_replaced_with_its_past():
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1), joined(2)])
    damage(log, engine)
    assert "nobody" in resumed(log, engine).get(Membership).state.generations
    rebuilding = Rebuilding(log, engine, Membership, LIMITS)
    rebuilding.run()
    paths = [difference.path for difference in rebuilding.differences()]
    assert ("generations", "nobody") in paths
    assert ("members", NODES[0][0]) in paths
    assert "nobody" in resumed(log, engine).get(Membership).state.generations
    rebuilding.swap()
    runner = resumed(log, engine)
    assert len(runner.get(Membership).state.members) == 3
    assert snapshots.positions(engine, "membership") == [2]
    assert load(engine, Membership, Place.FINAL) is None


def test_a_running_node_takes_the_rebuilt_one_up_with_its_next_checkpoint():
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1)])
    damage(log, engine)
    node = resumed(log, engine)
    rebuilding = Rebuilding(log, engine, Membership, LIMITS)
    rebuilding.run()
    rebuilding.swap()
    append_all(log, [NodeLost(node=NODES[0][0], generation=1)], "more")
    node.catch_up()
    assert "nobody" in node.get(Membership).state.generations
    node.checkpoint()
    assert list(node.get(Membership).state.members) == [NODES[1][0]]
    assert node.progress["membership"].position == 3
    append_all(log, [joined(2)], "even more")
    node.catch_up()
    node.checkpoint()
    assert same(resumed(log, engine), node)
    assert state_at(log, engine, Membership, 2).projection.state.generations.keys() == {
        "key 7000",
        "key 7001",
    }


def test_each_rebuilding_is_taken_up_once():
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0)])
    node = resumed(log, engine)
    for number in range(3):
        rebuilding = Rebuilding(log, engine, Membership, LIMITS)
        rebuilding.run()
        rebuilding.swap()
        append_all(log, [joined(1)], f"more {number}")
        node.catch_up()
        node.checkpoint()
        assert node.progress["membership"].rebuilds == number + 1
        append_all(log, [joined(2)], f"again {number}")
        node.catch_up()
        node.checkpoint()
        assert node.progress["membership"].saved_position == log.head().position


def test_more_snapshots_than_a_transaction_can_remove_are_gone_all_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(snapshots, "MAX_KEYS_REMOVED_AT_ONCE", 4)
    engine = MemoryEngine()
    log = open_log(engine)
    node = resumed(log, engine)
    for number in range(12):
        append_all(log, [joined(0), joined(1)], f"stream {number}")
        node.catch_up()
        node.checkpoint()
    before = snapshots.positions(engine, "membership")
    assert len(before) > 6
    rebuilding = Rebuilding(log, engine, Membership, RunnerLimits(checkpoint_entries=100))
    rebuilding.run()
    rebuilding.swap()
    assert snapshots.positions(engine, "membership") == []


def test_one_rebuilt_of_an_empty_log_is_taken_up_too():
    engine = MemoryEngine()
    log = open_log(engine)
    rebuilding = Rebuilding(log, engine, Membership, LIMITS)
    rebuilding.run()
    rebuilding.swap()
    node = resumed(log, engine)
    append_all(log, [joined(0), joined(1)])
    node.catch_up()
    node.checkpoint()
    assert node.progress["membership"].saved_position == 2
    assert len(node.get(Membership).state.members) == 2


def test_a_running_node_keeps_no_base_or_snapshot_of_what_was_replaced():
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1), joined(2)])
    wrong = Membership()
    wrong.state.generations["nobody"] = 7
    rebuilding = Rebuilding(log, engine, Membership, RunnerLimits(checkpoint_entries=100))
    rebuilding.run()
    rebuilding.swap()
    last = log.read(log.head().position, 1)[0]
    for place in Place:
        assert not save(engine, wrong, last.position, last.hash, place=place)
    snapshots.save(engine, wrong, last.position, last.hash)
    assert load(engine, Membership, Place.FINAL) is None
    assert snapshots.positions(engine, "membership") == []
    assert "nobody" not in resumed(log, engine).get(Membership).state.generations


class Picky(Membership):
    """Stops at a second member while `is_strict`."""

    name = "picky"
    is_strict = True

    def apply(self, entry: Entry) -> None:
        super().apply(entry)
        if self.is_strict and len(self.state.members) > 1:
            raise ZeroDivisionError("two is too many")


def test_one_that_is_stopped_goes_on_when_it_was_rebuilt(monkeypatch: pytest.MonkeyPatch):
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1), joined(2)])
    node = Runner(log, engine, LIMITS, (Picky,))
    node.catch_up()
    node.checkpoint()
    assert node.progress["picky"].parked is not None
    monkeypatch.setattr(Picky, "is_strict", False)
    rebuilding = Rebuilding(log, engine, Picky, LIMITS)
    rebuilding.run()
    rebuilding.swap()
    node.checkpoint()
    assert node.progress["picky"].parked is None
    assert len(node.get(Picky).state.members) == 3


def same(one: Runner, other: Runner) -> bool:
    states: list[Any] = [[runner.get(kind).encode() for kind in PROJECTIONS] for runner in (one, other)]
    return states[0] == states[1]
