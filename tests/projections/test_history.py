import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from events.catalogue import ChainSource, Event, Finality, NodeSource, Retracted, Source
from events.engine.memory import MemoryEngine
from events.log import Log
from projections.history import Moment, Position, Settled, Slot, Time, parse_moment, position_of, state_at
from projections.retraction import Unfinalized
from projections.runner import PROJECTIONS, Runner, RunnerLimits
from projections.stacks import Stacks
from tests.entries import SCOPE, STACKS, append_all, deployed, events, joined, open_log

NODE = NodeSource("node", 1)


def at_slot(slot: int) -> ChainSource:
    return ChainSource(slot, "signature", 0, Finality.CONFIRMED)


def log_of(*events: tuple[Source, Event]) -> Log:
    log = open_log(MemoryEngine())
    for version, event in enumerate(events):
        log.append(SCOPE, version, [event])
    return log


def position_at(log: Log, moment: Moment, field: str) -> int:
    unfinalized = Unfinalized()
    for entry in log.replay():
        unfinalized.apply(entry)
    return position_of(log, moment, field, lambda: unfinalized)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", Position(0)),
        ("120", Position(120)),
        ("slot:345", Slot(345)),
        ("2026-11-24T10:00:00Z", Time(1_795_514_400_000)),
        ("2026-11-24T11:00:00+01:00", Time(1_795_514_400_000)),
        ("2026-11-24 10:00:00.250", Time(1_795_514_400_250)),
        ("finalized", Settled()),
    ],
)
def test_moments_as_people_write_them(text: str, moment: object):
    assert parse_moment(text, "--at") == moment


@given(
    st.text(max_size=30)
    | st.sampled_from(["", "-1", "slot:", "slot:x", "slot:-2", "٣", "9" * 30, "0001-01-01"])
)
def test_anything_else_is_refused_with_a_sentence(text: str):
    try:
        parse_moment(text, "--at")
    except InvalidInput as error:
        found = str(error)
    else:
        return
    assert found.startswith("--at: ")


def test_positions_of_moments():
    log = log_of(
        (NODE, joined(0)),
        (at_slot(10), deployed(STACKS[0], b"")),
        (NODE, joined(1)),
        (at_slot(12), deployed(STACKS[1], b"")),
        (NODE, joined(2)),
    )
    assert [position_at(log, Slot(slot), "--at") for slot in (9, 10, 11, 12, 99)] == [1, 3, 3, 5, 5]
    assert [position_at(log, Position(position), "--at") for position in (0, 5)] == [0, 5]
    times = [999_999, 1_000_000, 1_000_003, 10**13]
    assert [position_at(log, Time(time), "--at") for time in times] == [0, 1, 4, 5]
    with pytest.raises(InvalidInput, match="ends at position 5"):
        position_at(log, Position(6), "--at")


def test_finalized_is_before_what_a_fork_may_undo():
    final = ChainSource(9, "signature", 0, Finality.FINALIZED)
    first = (final, deployed(STACKS[0], b""))
    log = log_of(first, (NODE, joined(0)), (at_slot(10), deployed(STACKS[1], b"")), (NODE, joined(1)))
    assert position_at(log, Settled(), "--at") == 2
    assert position_at(log_of(first, (NODE, joined(0))), Settled(), "--at") == 2
    assert position_at(log_of(), Settled(), "--at") == 0


def test_a_slot_does_not_mind_the_later_slots_of_a_dead_fork():
    log = log_of(
        (at_slot(10), deployed(STACKS[0], b"")),
        (at_slot(12), deployed(STACKS[1], b"")),
        (NODE, Retracted(scope=SCOPE, first_sequence=2, last_sequence=2, positions=(2,))),
        (at_slot(11), deployed(STACKS[2], b"")),
        (at_slot(13), deployed(STACKS[3], b"")),
    )
    position = position_at(log, Slot(11), "--at")
    assert position == 4
    past = state_at(log, MemoryEngine(), Stacks, position)
    assert (past.position, set(past.projection.state.stacks)) == (4, {STACKS[0], STACKS[2]})
    before_it_died = state_at(log, MemoryEngine(), Stacks, 2)
    assert set(before_it_died.projection.state.stacks) == {STACKS[0], STACKS[1]}


@given(st.lists(events, min_size=1, max_size=30), st.data())
def test_the_past_is_what_a_node_knew_then(happened: list[Event], data: st.DataObject):
    engine = MemoryEngine()
    log = open_log(engine)
    position = data.draw(st.integers(0, len(happened)))
    append_all(log, happened[:position], "first")
    then = Runner(log, engine, RunnerLimits())
    then.catch_up()
    append_all(log, happened[position:], "second")
    for kind in PROJECTIONS:
        past = state_at(log, engine, kind, position)
        assert past.position == position
        assert past.projection.encode() == then.get(kind).encode()


@given(st.lists(st.integers(0, 3) | st.none(), max_size=60), st.integers(0, 200))
def test_a_slot_is_found_in_a_log_of_rising_slots(steps: list[int | None], wanted: int):
    """None is an entry of a node's; a number is how much later the slot of a chain event is than the last."""
    slot = 0
    happened: list[tuple[Source, Event]] = []
    last = 0
    for step in steps:
        slot += step or 0
        last += last == len(happened) and (step is None or slot <= wanted)
        event = (NODE, joined(0)) if step is None else (at_slot(slot), deployed(STACKS[0], b""))
        happened.append(event)
    assert position_at(log_of(*happened), Slot(wanted), "--at") == last


@given(st.integers(0, 100), st.integers(-5, 110))
def test_a_time_is_found_in_a_log_of_rising_times(count: int, after: int):
    log = log_of(*[(NODE, joined(0))] * count)
    assert position_at(log, Time(1_000_000 + after), "--at") == min(count, max(0, after + 1))
