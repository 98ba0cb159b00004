"""A projection after a retraction equals one that never saw the event."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    Finalized,
    NodeSource,
    Retracted,
    Source,
    StackDeployed,
    StackStarted,
)
from events.engine import EngineError
from events.engine.memory import MemoryEngine
from events.entries import EngineFailure
from events.log import Entry, Log
from events.manifest import Function, Manifest, RuntimeName, binary_id
from events.manifest_codec import encode
from projections.checkpoint import Place, load
from projections.projection import Projection
from projections.rebuild import Rebuilding
from projections.retraction import Unfinalized, UnfinalizedEvents, live_entries
from projections.routes import Routes
from projections.runner import PROJECTIONS, Runner, RunnerLimits
from projections.stacks import Stacks
from tests.entries import SCOPE, STACKS, append_all, deployed, events, open_log, source_of
from tests.outage import Outage

NODE = NodeSource("node", 1)
MANIFEST = Manifest("App", "1", (Function("f", binary_id(b"1"), RuntimeName.WASI_1_0, 1),))


class Picky(Stacks):
    """Cannot bear the last of the stacks, and has changed its state half by then."""

    name = "picky"

    def apply(self, entry: Entry) -> None:
        super().apply(entry)
        if isinstance(entry.event, StackDeployed) and entry.event.stack == STACKS[-1]:
            raise ZeroDivisionError("not that one")


class Cautious(Stacks):
    """Acts at finalized."""

    name = "cautious"


class CautiousAndPicky(Picky):
    """Acts at finalized, and stops."""

    name = "cautious and picky"


KINDS: tuple[type[Projection[Any]], ...] = (*PROJECTIONS, Picky)
CAUTIOUS: tuple[type[Projection[Any]], ...] = (Cautious, CautiousAndPicky)
AT_FINALIZED = dict.fromkeys((kind.name for kind in CAUTIOUS), Finality.FINALIZED)


class History:
    """A log in which forks die and events become final; `pending` are the positions that still may go, by sequence."""

    def __init__(self) -> None:
        self.engine = MemoryEngine()
        self.log = open_log(self.engine)
        self.pending: dict[int, int] = {}
        self.sequence = 0

    def append(self, source: Source, event: Event) -> int:
        return self.log.append(SCOPE, self.log.version(SCOPE), [(source, event)])[0]

    def happen(self, event: Event) -> None:
        if isinstance(event, ChainEvent):
            self.sequence += 1
            event = msgspec.structs.replace(event, sequence=self.sequence)
            self.pending[self.sequence] = self.append(source_of(event), event)
        else:
            self.append(source_of(event), event)

    def finalize(self, count: int) -> None:
        """The oldest `count` events that are not final yet become so."""
        for sequence in list(self.pending)[:count]:
            self.append(NODE, Finalized(scope=SCOPE, sequence=sequence))
            del self.pending[sequence]

    def retract(self, count: int) -> None:
        """The fork with the newest `count` events dies."""
        dead = list(self.pending)[-count:]
        if dead:
            positions = tuple(self.pending.pop(sequence) for sequence in dead)
            self.sequence = dead[0] - 1
            retracted = Retracted(
                scope=SCOPE, first_sequence=dead[0], last_sequence=dead[-1], positions=positions
            )
            self.append(NODE, retracted)

    def entries(self) -> list[Entry]:
        return list(self.log.replay())


def never_seen(kind: type[Projection[Any]], entries: Sequence[Entry]) -> Projection[Any]:
    """The fold of the log without what was retracted and without the retractions."""
    projection = kind()
    for entry in live_entries(entries):
        if isinstance(entry.event, Retracted):
            continue
        before = projection.encode()
        try:
            projection.apply(entry)
        except ZeroDivisionError:
            return kind.decode(before)
    return projection


def check(runner: Runner, history: History) -> None:
    entries = history.entries()
    settled = min(history.pending.values(), default=len(entries) + 1) - 1
    live = {entry.position for entry in live_entries(entries)}
    final = [entry for entry in entries[:settled] if entry.position in live]
    for kind in (*KINDS, *CAUTIOUS):
        if kind.name not in runner.progress:
            continue
        seen, last = (final, settled) if kind in CAUTIOUS else (entries, len(entries))
        assert runner.get(kind).checksum() == never_seen(kind, seen).checksum(), kind.name
        progress = runner.progress[kind.name]
        if progress.parked is None:
            assert progress.position == last
            if last:
                assert progress.hash == entries[last - 1].hash


steps = st.one_of(
    st.tuples(st.just("happen"), events),
    st.tuples(st.just("happen"), events),
    st.tuples(st.just("finalize"), st.integers(1, 4)),
    st.tuples(st.just("retract"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["feed", "checkpoint", "resume"]), st.just(0)),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(steps, max_size=50), st.integers(1, 6))
def test_a_projection_after_a_retraction_equals_one_that_never_saw_the_event(
    happened: Sequence[tuple[str, Any]], checkpoint_entries: int
):
    history, limits = History(), RunnerLimits(checkpoint_entries=checkpoint_entries, commitments=AT_FINALIZED)
    runner = Runner(history.log, history.engine, limits, (*KINDS, *CAUTIOUS))
    for step, argument in happened:
        match step:
            case "happen":
                history.happen(argument)
            case "finalize":
                history.finalize(argument)
            case "retract":
                history.retract(argument)
            case _:
                runner.catch_up()
                check(runner, history)
                if step != "feed":
                    runner.checkpoint()
                if step == "resume":
                    runner = Runner(history.log, history.engine, limits, (*KINDS, *CAUTIOUS))
                    runner.resume()
    runner.catch_up()
    check(runner, history)
    replayed = Runner(history.log, MemoryEngine(), limits, (*KINDS, *CAUTIOUS))
    replayed.catch_up()
    check(replayed, history)


def counted_reads(log: Log) -> list[int]:
    """The positions that are read from the log from now on, as they are."""
    read: list[int] = []
    whole = log.read

    def reading(start: int = 1, limit: int = 512) -> list[Entry]:
        entries = whole(start, min(limit, 16))
        read.extend(entry.position for entry in entries)
        return entries

    log.read = reading
    return read


def long_history() -> History:
    history = History()
    for number in range(600):
        history.happen(deployed(STACKS[number % 3], b"%d" % number))
        history.finalize(1 if number < 590 else 0)
    return history


def test_going_back_never_folds_from_the_beginning_of_a_long_log():
    history, limits = long_history(), RunnerLimits(checkpoint_entries=50)
    runner = Runner(history.log, history.engine, limits, KINDS)
    runner.catch_up()
    runner.checkpoint()
    resumed = Runner(history.log, history.engine, limits, KINDS)
    resumed.resume()
    assert resumed.position == history.log.head().position
    history.retract(5)
    for each in (runner, resumed):
        read = counted_reads(history.log)
        each.catch_up()
        assert min(read) > 1000
        check(each, history)


def test_a_retraction_of_what_was_final_is_heeded_all_the_same():
    history, limits = long_history(), RunnerLimits(checkpoint_entries=50)
    runner = Runner(history.log, history.engine, limits, KINDS)
    runner.catch_up()
    runner.checkpoint()
    retracted = Retracted(scope=SCOPE, first_sequence=2, last_sequence=600, positions=tuple(range(2, 1191)))
    history.append(NODE, retracted)
    runner.catch_up()
    check(runner, history)
    assert set(runner.get(Stacks).state.stacks) == {STACKS[0]}
    runner.checkpoint()
    resumed = Runner(history.log, history.engine, limits, KINDS)
    resumed.resume()
    history.happen(deployed(STACKS[1], b"anew"))
    history.retract(1)
    resumed.catch_up()
    check(resumed, history)


def test_a_projection_stopped_by_an_event_that_is_retracted_goes_on():
    history = History()
    history.happen(deployed(STACKS[0], b"one"))
    history.happen(deployed(STACKS[-1], b"two"))
    runner = Runner(history.log, history.engine, RunnerLimits(), KINDS)
    runner.catch_up()
    assert runner.progress["picky"].parked is not None
    history.retract(1)
    history.happen(deployed(STACKS[1], b"three"))
    runner.catch_up()
    assert runner.progress["picky"].parked is None
    assert set(runner.get(Picky).state.stacks) == {STACKS[0], STACKS[1]}


def test_a_checkpoint_keeps_what_may_still_be_retracted():
    history, limits = long_history(), RunnerLimits(checkpoint_entries=50)
    runner = Runner(history.log, history.engine, limits, KINDS)
    runner.catch_up()
    runner.checkpoint()
    last, final = load(history.engine, UnfinalizedEvents), load(history.engine, Stacks, Place.FINAL)
    assert last is not None
    assert final is not None
    assert last[0].state.scopes == {SCOPE: history.pending}
    assert 1000 < final[1].position < min(history.pending.values())


def test_live_entries_are_those_that_no_later_retraction_names():
    history = History()
    for stack in STACKS:
        history.happen(deployed(stack, b"m"))
    history.retract(2)
    history.happen(deployed(STACKS[0], b"n"))
    # one that names itself and what comes after it takes nothing back
    history.append(NODE, Retracted(scope=SCOPE, first_sequence=3, last_sequence=4, positions=(7, 8)))
    history.happen(deployed(STACKS[0], b"o"))
    assert [entry.position for entry in live_entries(history.entries())] == [1, 2, 5, 6, 7, 8]


def test_what_may_still_be_retracted():
    history = History()
    for stack in STACKS:
        history.happen(deployed(stack, b"m"))
    history.finalize(1)
    history.retract(1)
    unfinalized = Unfinalized()
    for entry in history.entries():
        unfinalized.apply(entry)
    assert unfinalized.scopes == {SCOPE: {2: 2, 3: 3}}
    assert unfinalized.first_position() == 2
    assert (unfinalized.is_final(1), unfinalized.is_final(2)) == (True, False)
    history.finalize(9)
    for entry in history.entries()[6:]:
        unfinalized.apply(entry)
    assert (unfinalized.scopes, unfinalized.first_position()) == ({}, None)


def test_an_event_read_at_finalized_can_not_be_retracted():
    history = History()
    history.append(ChainSource(5, "signature", 0, Finality.FINALIZED), deployed(STACKS[0], b"m"))
    unfinalized = Unfinalized()
    unfinalized.apply(history.entries()[0])
    assert unfinalized.first_position() is None


@pytest.mark.parametrize("answers", range(1, 9))
def test_an_outage_while_one_at_finalized_goes_on_leaves_nothing_half_done(answers: int):
    engine, limits = Outage(), RunnerLimits(commitments={"routes": Finality.FINALIZED})
    log = open_log(engine)
    first = msgspec.structs.replace(deployed(STACKS[0], encode(MANIFEST)), sequence=1)
    append_all(log, [first, *[StackStarted(stack=STACKS[0], revision=1, node="node")] * 1200])
    runner = Runner(log, engine, limits, (Routes,))
    runner.catch_up()
    assert runner.progress["routes"].position == 0
    log.append("final", 0, [(NODE, Finalized(scope=SCOPE, sequence=1))])
    entries = list(log.replay(1202))
    engine.answers = answers
    with suppress(EngineFailure, EngineError):
        runner.feed(entries)
    engine.come_back()
    runner.feed(entries)
    assert runner.progress["routes"].position == 1202
    replayed = Runner(log, MemoryEngine(), limits, (Routes,))
    replayed.catch_up()
    assert runner.get(Routes).encode() == replayed.get(Routes).encode()


def test_one_that_is_set_to_finalized_forgets_what_it_folded_before_that():
    history = History()
    history.happen(deployed(STACKS[0], b"m"))
    before = Runner(history.log, history.engine, RunnerLimits(), (Stacks,))
    before.catch_up()
    before.checkpoint()
    limits = RunnerLimits(commitments={"stacks": Finality.FINALIZED})
    runner = Runner(history.log, history.engine, limits, (Stacks,))
    runner.resume()
    runner.catch_up()
    assert runner.get(Stacks).state.stacks == {}
    history.finalize(1)
    runner.catch_up()
    assert set(runner.get(Stacks).state.stacks) == {STACKS[0]}


def test_what_comes_before_something_final_is_final():
    history = History()
    history.happen(deployed(STACKS[0], b"m"))
    final = msgspec.structs.replace(deployed(STACKS[1], b"m"), sequence=2)
    history.append(ChainSource(5, "signature", 0, Finality.FINALIZED), final)
    unfinalized = Unfinalized()
    for entry in history.entries():
        unfinalized.apply(entry)
    assert unfinalized.first_position() is None


def test_a_stopped_projection_does_not_make_the_others_forget_what_is_not_final():
    history, limits = History(), RunnerLimits(commitments={"cautious": Finality.FINALIZED})
    history.happen(deployed(STACKS[0], b"m"))
    history.happen(deployed(STACKS[-1], b"m"))
    kinds = (Picky, Cautious)
    runner = Runner(history.log, history.engine, limits, kinds)
    runner.catch_up()
    runner.checkpoint()
    resumed = Runner(history.log, history.engine, limits, kinds)
    resumed.resume()
    resumed.catch_up()
    assert resumed.unfinalized.scopes == {SCOPE: {1: 1, 2: 2}}
    assert resumed.get(Cautious).state.stacks == {}


@pytest.mark.parametrize("restarted", [False, True])
def test_one_at_finalized_takes_up_one_rebuilt_at_confirmed_without_what_is_not_final(restarted: bool):
    history, limits = History(), RunnerLimits(commitments={"stacks": Finality.FINALIZED})
    history.happen(deployed(STACKS[0], b"m"))
    runner = Runner(history.log, history.engine, limits, (Stacks,))
    runner.catch_up()
    history.finalize(1)
    history.happen(deployed(STACKS[1], b"m"))
    rebuilding = Rebuilding(history.log, history.engine, Stacks)
    rebuilding.run()
    rebuilding.swap()
    if restarted:
        runner = Runner(history.log, history.engine, limits, (Stacks,))
        runner.resume()
    runner.catch_up()
    runner.checkpoint()
    assert set(runner.get(Stacks).state.stacks) == {STACKS[0]}
    assert runner.progress["stacks"].rebuilds == 1
    history.finalize(1)
    runner.catch_up()
    runner.checkpoint()
    assert runner.progress["stacks"].saved_position == 4
    assert set(runner.get(Stacks).state.stacks) == {STACKS[0], STACKS[1]}
