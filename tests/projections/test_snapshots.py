"""The past of projections, from snapshots, with what dies, is left out and is tried again on the way."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.catalogue import ProjectionEventSkipped, ProjectionRetried
from events.engine.memory import MemoryEngine
from events.log import Entry
from projections import snapshots
from projections.history import state_at
from projections.membership import Membership
from projections.parking import revision_of
from projections.projection import Projection
from projections.runner import Runner, RunnerLimits
from projections.snapshots import Kept, thinned
from tests.entries import events
from tests.projections.test_retraction import KINDS, NODE, History, Picky

LIMITS = RunnerLimits(checkpoint_entries=4, snapshot_entries=3)

steps = st.one_of(
    st.tuples(st.just("happen"), events),
    st.tuples(st.just("happen"), events),
    st.tuples(st.just("happen"), events),
    st.tuples(st.sampled_from(["finalize", "retract", "skip", "retry"]), st.integers(1, 4)),
    st.tuples(st.sampled_from(["feed", "checkpoint", "resume", "skip parked"]), st.just(0)),
)


def as_known(kind: type[Projection[Any]], entries: Sequence[Entry]) -> tuple[Projection[Any], int | None]:
    """The fold of the entries that the last of them leaves in place, and the position where it stops."""
    revisions = [revision for entry in entries if (revision := revision_of(entry)) is not None]
    gone = {position for revision in revisions for position in revision.left_out(kind.name)}
    projection = kind()
    for entry in entries:
        if entry.position in gone or revision_of(entry) is not None:
            continue
        before = projection.encode()
        try:
            projection.apply(entry)
        except ZeroDivisionError:
            return kind.decode(before), entry.position
    return projection, None


@given(st.lists(steps, max_size=40), st.data())
@settings(max_examples=150, deadline=None)
def test_any_position_opens_as_it_was_known_then(taken: list[tuple[str, Any]], data: st.DataObject):
    history = History()
    runner = Runner(history.log, history.engine, LIMITS, KINDS)
    for name, value in taken:
        count = history.log.head().position
        match name:
            case "happen":
                history.happen(value)
            case "finalize":
                history.finalize(value)
            case "retract":
                history.retract(value)
            case "skip" if count >= value:
                history.append(
                    NODE, ProjectionEventSkipped(name="picky", position=count - value + 1, reason="so")
                )
            case "retry" if count >= value:
                history.append(NODE, ProjectionRetried(name="picky", position=count - value + 1, reason="so"))
            case "skip parked" if (parked := runner.progress["picky"].parked) is not None:
                history.append(
                    NODE, ProjectionEventSkipped(name="picky", position=parked.position, reason="so")
                )
            case "checkpoint":
                runner.catch_up()
                runner.checkpoint()
            case "resume":
                runner = Runner(history.log, history.engine, LIMITS, KINDS)
                runner.resume()
                runner.catch_up()
            case _:
                runner.catch_up()
    runner.catch_up()
    entries = history.entries()
    for kind in KINDS:
        expected, stopped = as_known(kind, entries)
        assert runner.get(kind).encode() == expected.encode()
        parked = runner.progress[kind.name].parked
        assert (parked.position if parked is not None else None) == stopped
    position = data.draw(st.integers(0, len(entries)))
    for kind in KINDS:
        past = state_at(history.log, history.engine, kind, position)
        expected, stopped = as_known(kind, entries[:position])
        assert past.projection.encode() == expected.encode()
        assert (past.parked.position if past.parked is not None else None) == stopped


def test_a_snapshot_of_another_log_or_version_or_damaged_is_not_used():
    engine = MemoryEngine()
    projection = Membership()
    for position in (5, 10):
        snapshots.save(engine, projection, position, bytes(32))
    assert snapshots.positions(engine, "membership") == [5, 10]
    found = snapshots.newest(engine, Membership, 9)
    assert found is not None
    assert found[1].position == 5
    assert snapshots.newest(engine, Membership, 4) is None

    class Newer(Membership):
        version = Membership.version + 1

    assert snapshots.newest(engine, Newer, 10) is None
    with engine.begin() as transaction:
        transaction.put(b"past-projection/membership/" + (10).to_bytes(8, "big") + bytes(4), b"\xc1")
        transaction.commit()
    found = snapshots.newest(engine, Membership, 10)
    assert found is not None
    assert found[1].position == 5
    history = History()
    past = state_at(history.log, engine, Membership, 0)
    assert past.position == 0
    with engine.begin() as transaction:
        transaction.put(b"past-projections/membership", b"\xc1")
        transaction.commit()
    assert snapshots.positions(engine, "membership") == []


def test_a_snapshot_is_of_its_log_alone():
    one, other = History(), History()
    for history, count in ((one, 5), (other, 6)):
        for number in range(count):
            history.append(NODE, ProjectionRetried(name=f"{count}", position=number + 100, reason=""))
    marked = Membership()
    marked.state.generations["a key"] = 7
    snapshots.save(one.engine, marked, 3, one.entries()[2].hash)
    assert state_at(one.log, one.engine, Membership, 4).projection.state.generations == {"a key": 7}
    assert state_at(other.log, one.engine, Membership, 4).projection.state.generations == {}


def test_removed_snapshots_leave_nothing():
    engine = MemoryEngine()
    snapshots.save(engine, Membership(), 5, bytes(32))
    snapshots.save(engine, Membership(), 6, bytes(32), max_bytes=0)
    assert snapshots.positions(engine, "membership") == [6]
    with engine.begin() as transaction:
        assert not snapshots.remove_some(transaction, "membership")
        transaction.commit()
    with engine.snapshot() as snapshot:
        assert list(snapshot.scan(b"", None)) == []


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(0, 600), st.integers(1, 20))
def test_what_stays_is_the_newest_and_fits(sizes: list[int], max_bytes: int, max_count: int):
    kept = [Kept(10 * number, size) for number, size in enumerate(sizes, 1)]
    stay = thinned(kept, max_bytes, max_count)
    assert stay[-1] == kept[-1]
    assert stay == [one for one in kept if one in stay]
    assert len(stay) == 1 or (sum(one.state_bytes for one in stay) <= max_bytes and len(stay) <= max_count)
    if sum(sizes) <= max_bytes and len(sizes) <= max_count:
        assert stay == kept


def test_thinning_is_geometric():
    stay: list[Kept] = []
    for position in range(1, 1025):
        stay = thinned([*stay, Kept(position, 1)], 20, 20)
    ages = [1024 - one.position for one in stay][::-1]
    assert ages[:3] == [0, 1, 2]
    assert all(later <= 3 * (earlier + 1) for earlier, later in itertools.pairwise(ages))


@pytest.mark.parametrize("kind", [Picky])
def test_a_skip_counts_though_the_projection_would_bear_the_event(kind: type[Projection[Any]]):
    history = History()
    history.append(NODE, ProjectionRetried(name="membership", position=5, reason=""))
    history.append(NODE, ProjectionEventSkipped(name=kind.name, position=9, reason="a position to come"))
    runner = Runner(history.log, history.engine, LIMITS, KINDS)
    runner.catch_up()
    assert runner.progress[kind.name].position == 2
