from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    NodeLeft,
    NodeLost,
    NodeSource,
    Retracted,
    StackFailed,
    StackStarted,
)
from events.engine.memory import MemoryEngine
from projections.causes import NodeCauses, StackCauses, causes
from projections.retraction import retracted_positions
from tests.entries import (
    NODES,
    SCOPE,
    STACKS,
    append_all,
    deleted,
    deployed,
    events,
    joined,
    open_log,
    region_created,
    updated,
)

STACK = STACKS[0]
FIRST, SECOND, THIRD = (node for node, _ in NODES)


def started(node: str, revision: int = 1, stack: str = STACK) -> StackStarted:
    return StackStarted(stack=stack, revision=revision, node=node)


def positions(happened: list[Event], subject: StackCauses | NodeCauses) -> list[int]:
    log = open_log(MemoryEngine())
    append_all(log, happened)
    entries = log.read()
    return [entry.position for entry in causes(entries, retracted_positions(entries), subject)]


def test_a_running_stack_is_there_because_of_region_deployment_node_and_start():
    happened = [region_created(), joined(0), deployed(STACKS[1], b""), deployed(STACK, b""), started(FIRST)]
    assert positions(happened, StackCauses(STACK)) == [1, 2, 4, 5]


def test_what_was_made_void_is_no_cause():
    happened = [
        region_created(),
        deployed(STACK, b""),
        joined(0),
        started(FIRST),
        updated(STACK, b"", 2),
        StackFailed(stack=STACK, revision=2, node=FIRST, reason="once"),
        updated(STACK, b"", 3),
        started(FIRST, 3),
    ]
    assert positions(happened, StackCauses(STACK)) == [1, 2, 3, 7, 8]
    assert positions([*happened, deleted(STACK, 4)], StackCauses(STACK)) == [1, 2, 3, 8, 9]


def test_a_node_that_has_gone_is_a_cause_until_another_takes_its_place():
    happened = [joined(0), deployed(STACK, b""), started(FIRST), NodeLost(node=FIRST, generation=1)]
    assert positions(happened, StackCauses(STACK)) == [1, 2, 3, 4]
    assert positions([*happened, joined(1), started(SECOND)], StackCauses(STACK)) == [2, 5, 6]


def test_an_owner_that_has_said_nothing_yet_is_a_cause():
    assert positions([deployed(STACK, b""), joined(2)], StackCauses(STACK)) == [1, 2]


def test_a_node_is_where_it_is_because_it_joined_and_of_what_it_was_asked_for():
    happened = [
        joined(0),
        joined(1),
        deployed(STACK, b""),
        started(FIRST),
        started(SECOND),
        NodeLeft(node=FIRST, generation=1),
    ]
    assert positions(happened, NodeCauses(FIRST)) == [1, 3, 4, 6]
    assert positions(happened, NodeCauses("key 7001")) == [2, 3, 5]
    assert positions(happened, NodeCauses(THIRD)) == []
    assert positions(happened, StackCauses(STACKS[2])) == []


def test_what_died_with_a_fork_is_no_cause():
    log = open_log(MemoryEngine())
    source = ChainSource(5, "signature", 0, Finality.CONFIRMED)
    retracted = Retracted(scope=SCOPE, first_sequence=2, last_sequence=2, positions=(2,))
    log.append(SCOPE, 0, [(source, deployed(STACK, b"")), (source, updated(STACK, b"", 2))])
    log.append(SCOPE, 2, [(NodeSource("node", 1), retracted)])
    entries = log.read()
    found = causes(entries, retracted_positions(entries), StackCauses(STACK))
    assert [entry.position for entry in found] == [1]


@given(st.lists(events, max_size=30), st.sampled_from([*STACKS, *(node for node, _ in NODES)]))
def test_causes_are_in_order_and_about_the_subject(happened: list[Event], name: str):
    for subject in (StackCauses(name), NodeCauses(name)):
        found = positions(happened, subject)
        assert found == sorted(set(found))
    of_a_stack = [happened[position - 1] for position in positions(happened, StackCauses(name))]
    assert {event.stack for event in of_a_stack if isinstance(event, ChainEvent)} <= {name}
