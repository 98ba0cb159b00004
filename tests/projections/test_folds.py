"""The folds, each over events written out by hand."""

from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import Event, NodeLeft, NodeLost, StackFailed, StackStarted, StackStopped
from events.engine.memory import MemoryEngine
from events.manifest import Function, Manifest, RuntimeName, binary_id
from events.manifest_codec import encode
from projections.deployments import OWNERS_PER_STACK, Deployments, distance, nearest
from projections.membership import Member, Membership
from projections.projection import Projection
from projections.routes import Routes
from projections.stacks import Stacks, Status
from tests.entries import (
    NODES,
    OWNER,
    STACKS,
    append_all,
    deleted,
    deployed,
    events,
    joined,
    open_log,
    updated,
)

P = TypeVar("P", bound=Projection[Any])

ONE = Manifest("App", "1", (Function("f", binary_id(b"1"), RuntimeName.WASI_1_0, 1),))
TWO = Manifest("App", "2", (Function("f", binary_id(b"2"), RuntimeName.WASI_1_0, 1),))
STACK = STACKS[0]
NODE = NODES[0][0]


def fold(kind: type[P], *events: Event) -> P:
    log = open_log(MemoryEngine())
    append_all(log, events)
    projection = kind()
    for entry in log.replay():
        projection.apply(entry)
    return projection


def started(node: str = NODE, revision: int = 1) -> StackStarted:
    return StackStarted(stack=STACK, revision=revision, node=node)


def test_membership():
    state = fold(Membership, joined(0), joined(1), NodeLeft(node=NODE, generation=1)).state
    assert state.members == {NODES[1][0]: Member("10.0.0.1", 7001, 1, "key 7001")}
    assert state.generations == {"key 7000": 1, "key 7001": 1}
    assert fold(Membership, joined(0), NodeLost(node=NODE, generation=1)).state.members == {}


def test_stacks():
    events = [deployed(STACK, encode(ONE)), updated(STACK, encode(TWO), 2)]
    assert fold(Stacks, *events[:1]).state.stacks[STACK].manifest == ONE
    stack = fold(Stacks, *events).state.stacks[STACK]
    assert (stack.owner, stack.revision, stack.status, stack.manifest) == (OWNER, 2, Status.LIVE, TWO)
    assert fold(Stacks, *events, deleted(STACK, 2)).state.stacks[STACK].status is Status.DELETED


def test_a_manifest_that_is_none_makes_a_stack_invalid_and_says_why():
    stack = fold(Stacks, deployed(STACK, b"rubbish")).state.stacks[STACK]
    assert (stack.status, stack.manifest) == (Status.INVALID, None)
    assert "manifest" in (stack.problem or "")


def test_the_nearest_nodes_own_a_stack_and_its_loss_makes_the_standby_the_owner():
    nodes = [node for node, _ in NODES]
    by_distance = sorted(nodes, key=lambda node: distance(node, STACK))
    assert nearest(STACK, set(nodes)) == tuple(by_distance)
    events = [joined(0), deployed(STACK, encode(ONE)), joined(1), joined(2)]
    assert fold(Deployments, *events).state.deployments[STACK].owners == tuple(by_distance[:2])
    lost = NodeLost(node=by_distance[0], generation=1)
    assert fold(Deployments, *events, lost).state.deployments[STACK].owners == tuple(by_distance[1:])


@given(st.lists(events, max_size=40))
def test_owners_are_always_the_nearest_of_the_members(happened: Sequence[Event]):
    """They are dealt anew only where a join or a leave can have changed them."""
    deployments = fold(Deployments, *happened).state
    assert deployments.members == set(fold(Membership, *happened).state.members)
    for stack, deployment in deployments.deployments.items():
        assert deployment.owners == nearest(stack, deployments.members)[:OWNERS_PER_STACK]


def test_deployments_of_deleted_and_invalid_stacks_end():
    events = [joined(0), deployed(STACK, encode(ONE))]
    assert fold(Deployments, *events, deleted(STACK)).state.deployments == {}
    assert fold(Deployments, *events, updated(STACK, b"rubbish", 2)).state.deployments == {}
    assert fold(Deployments, *events, updated(STACK, encode(TWO), 2)).state.deployments[STACK].revision == 2


def test_a_stack_is_routed_to_nodes_that_have_started_it():
    assert fold(Routes, deployed(STACK, encode(ONE))).state.stacks[STACK].ready == {}
    routes = fold(Routes, deployed(STACK, encode(ONE)), started()).state.stacks[STACK]
    assert routes.ready == {NODE: 1}
    assert routes.manifest(1) == ONE


def test_the_old_revision_answers_until_the_new_one_is_started():
    events = [deployed(STACK, encode(ONE)), started(), updated(STACK, encode(TWO), 2)]
    routes = fold(Routes, *events).state.stacks[STACK]
    assert (routes.revision, routes.ready, routes.manifest(1), routes.manifest(2)) == (2, {NODE: 1}, ONE, TWO)
    routes = fold(Routes, *events, started(revision=2)).state.stacks[STACK]
    assert (routes.ready, routes.manifest(1), routes.manifest(2)) == ({NODE: 2}, None, TWO)


@pytest.mark.parametrize(
    "end",
    [
        NodeLeft(node=NODE, generation=1),
        NodeLost(node=NODE, generation=1),
        StackStopped(stack=STACK, revision=1, node=NODE),
    ],
)
def test_a_node_that_is_gone_or_has_stopped_is_not_ready(end: Event):
    routes = fold(Routes, deployed(STACK, encode(ONE)), started(), started(NODES[1][0]), end).state.stacks[
        STACK
    ]
    assert routes.ready == {NODES[1][0]: 1}


def test_failures_are_kept_until_the_node_starts_it_or_a_new_revision_comes():
    failed = StackFailed(stack=STACK, revision=1, node=NODE, reason="no binary")
    events = [deployed(STACK, encode(ONE)), failed]
    assert fold(Routes, *events).state.stacks[STACK].failures == {NODE: "no binary"}
    assert fold(Routes, *events, started()).state.stacks[STACK].failures == {}
    assert fold(Routes, *events, updated(STACK, encode(TWO), 2)).state.stacks[STACK].failures == {}
    assert fold(Routes, *events, updated(STACK, encode(TWO), 2), failed).state.stacks[STACK].failures == {}


def test_a_deleted_stack_has_no_routes_and_late_words_of_it_change_nothing():
    assert fold(Routes, deployed(STACK, encode(ONE)), started(), deleted(STACK), started()).state.stacks == {}
