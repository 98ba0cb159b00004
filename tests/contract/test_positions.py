"""Reports on a stack follow on from one another, so that each position of the log is charged once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract import client
from contract.accounts import StackStatus
from contract.addresses import MAX_POSITION, PROGRAM_ID, usage_report_address
from contract.interface import build_instruction
from tests.contract.attacks import PLACES, with_fields
from tests.contract.cluster import Cluster
from tests.contract.world import DIGEST, USAGE, World

MOST = 2**64 - 1


def report_on(world: World, first: int, last: int) -> str | None:
    """Reports on any positions, also such as the client would not build; returns the refusal, if it is one."""
    instruction, signer = world.update_usage()
    valid = 1 <= first <= last <= MAX_POSITION
    places = [place.name for place in PLACES["update_usage"]]
    addresses = {place: meta.pubkey for place, meta in zip(places, instruction.accounts, strict=True)}
    seeds = [b"usage_report", bytes(world.stack), first.to_bytes(8, "little"), last.to_bytes(8, "little")]
    addresses["usage_report"], bump = Pubkey.find_program_address(seeds, PROGRAM_ID)
    if valid:
        assert addresses["usage_report"] == usage_report_address(world.stack, first, last)[0]
    arguments = {
        "bump": bump,
        "first_position": first,
        "last_position": last,
        "digest": DIGEST,
        "usage": USAGE,
    }
    built = build_instruction("update_usage", addresses, arguments)
    if world.cluster.simulated(built, signer) is None:
        return world.cluster.refusal(built, signer)
    world.do(built, signer)
    return None


@pytest.mark.parametrize(
    ("first", "last"),
    [
        *((0, 0), (0, 6), (1, 5), (1, 6), (5, 6), (5, 5), (2, 3)),  # charged before, whole or in part
        *((7, 7), (7, 9), (MAX_POSITION, MAX_POSITION), (MOST, MOST)),  # a gap
        *((6, 5), (6, 0), (6, MOST)),  # an end before the beginning, or none that another could follow
    ],
)
def test_positions_that_do_not_follow_on(world, first: int, last: int) -> None:
    """Also a report that was made before: the positions come before the address, which is taken."""
    before = world.cluster.account(world.escrow)
    assert report_on(world, first, last) == "PositionsInvalid"
    assert world.cluster.account(world.escrow) == before
    assert report_on(world, 6, 6) is None


def test_the_last_positions(world) -> None:
    assert report_on(world, 6, MAX_POSITION - 1) is None
    assert report_on(world, MAX_POSITION, MAX_POSITION) is None
    assert world.cluster.account(world.stack).reported_position == MAX_POSITION
    for last in (MAX_POSITION, MOST):
        assert report_on(world, MOST, last) == "PositionsInvalid"
    # After 2^64 - 1 there is no next: not even 0.
    data = world.cluster.data(world.stack)
    world.cluster.plant(world.stack, with_fields(data, reported_position=MOST))
    assert report_on(world, 0, 0) == "PositionsInvalid"


@settings(max_examples=30, deadline=None)
@given(
    reports=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8),
    deleted_after=st.integers(0, 8),
)
def test_no_position_is_charged_twice(reports: list[tuple[int, int]], deleted_after: int) -> None:
    world = World(Cluster())
    reported, settled, deleted = 5, False, False
    for index, (ahead, length) in enumerate(reports):
        if index == deleted_after:
            carol = world.carol.pubkey()
            world.do(client.delete_stack(carol, world.provider, world.region, world.stack), world.carol)
            deleted = True
        first = max(0, reported - 2 + ahead % 4)
        last = first + length - 1
        if settled:
            expected = "StackIsSettled"
        elif first != reported + 1 or last < first:
            expected = "PositionsInvalid"
        else:
            expected = None
        assert report_on(world, first, max(last, 0)) == expected
        if expected is None:
            reported, settled = last, deleted
    stack = world.cluster.account(world.stack)
    assert stack.reported_position == reported
    assert (stack.status is StackStatus.SETTLED) == settled
