"""New terms of a region: they hold after the notice of those before, the base URL at once."""

import msgspec
import pytest

from contract import client
from contract.terms import NO_TERMS
from tests.contract.world import (
    MINIMUM,
    NOTICE_SECONDS,
    PRICES,
    TERMS,
    TOKEN,
    USAGE_COST,
    World,
)

DOUBLED = client.Terms(
    minimum_escrow=2 * MINIMUM,
    max_instructions_per_call=5,
    notice_seconds=NOTICE_SECONDS,
    prices=client.Prices(database_million_reads=3 * TOKEN),
)
DOUBLED_COST = 3 * TOKEN
URL = "https://north.example"


def update_region(world: World, terms: client.Terms, base_url: str = URL) -> client.ProgramEvent:
    return world.do(client.update_region(world.alice.pubkey(), 7, base_url, terms), world.alice)


def test_new_terms_hold_after_the_old_ones_notice(world) -> None:
    cluster, now = world.cluster, world.cluster.time()
    event = update_region(world, DOUBLED)
    comes = now + TERMS.notice_seconds
    assert event.fields["next_from"] == comes
    region = cluster.account(world.region)
    assert (region.terms, region.next_terms, region.next_from) == (TERMS, DOUBLED, comes)
    position = 6
    for time, cost in ((comes - 1, USAGE_COST), (comes, DOUBLED_COST), (comes + 9, DOUBLED_COST)):
        cluster.set_time(time)
        assert world.do(*world.update_usage(position, position)).fields["cost"] == cost
        assert region.terms_at(time) == (TERMS if cost == USAGE_COST else DOUBLED)
        position += 1
    # The account still has them as terms to come; the next update moves them.
    assert cluster.account(world.region).terms == TERMS


def test_a_new_minimum_holds_for_what_is_deployed_after_the_notice(world) -> None:
    cluster, carol = world.cluster, world.carol.pubkey()
    update_region(world, DOUBLED)
    cluster.set_time(cluster.time() + TERMS.notice_seconds - 1)
    update = client.update_stack(carol, world.provider, world.region, world.stack, b"m")
    assert world.do(update, world.carol).fields["minimum"] == MINIMUM
    cluster.set_time(cluster.time() + 1)
    assert cluster.account(world.escrow).locked == MINIMUM
    assert world.do(update, world.carol).fields["minimum"] == 2 * MINIMUM
    assert cluster.account(world.escrow).locked == 2 * MINIMUM


def test_terms_that_are_announced_in_the_place_of_others_wait_again(world) -> None:
    cluster = world.cluster
    update_region(world, DOUBLED)
    cluster.set_time(cluster.time() + TERMS.notice_seconds - 1)
    cheaper = client.Terms(
        minimum_escrow=1, max_instructions_per_call=1, notice_seconds=NOTICE_SECONDS, prices=PRICES
    )
    event = update_region(world, cheaper)
    assert event.fields["next_from"] == cluster.time() + TERMS.notice_seconds
    cluster.set_time(cluster.time() + 1)
    assert world.do(*world.update_usage()).fields["cost"] == USAGE_COST


@pytest.mark.parametrize("base_url", ["https://other.example", URL])
def test_announced_terms_given_again_are_not_put_off(world, base_url: str) -> None:
    """A new base URL changes nothing about when they come; without one, nothing changes."""
    cluster = world.cluster
    comes = update_region(world, DOUBLED).fields["next_from"]
    for time in (comes - TERMS.notice_seconds, comes - 1):
        cluster.set_time(time)
        again = client.update_region(world.alice.pubkey(), 7, base_url, DOUBLED)
        if cluster.account(world.region).base_url == base_url:
            assert cluster.refusal(again, world.alice) == "NothingChanges"
        else:
            assert world.do(again, world.alice).fields["next_from"] == comes
        region = cluster.account(world.region)
        assert (region.base_url, region.next_from, region.next_terms) == (base_url, comes, DOUBLED)
    assert world.do(*world.update_usage(6, 6)).fields["cost"] == USAGE_COST
    cluster.set_time(comes)
    assert world.do(*world.update_usage(7, 7)).fields["cost"] == DOUBLED_COST


def test_announced_terms_given_again_after_others_are_announced_anew(world) -> None:
    cluster = world.cluster
    update_region(world, DOUBLED)
    cluster.set_time(cluster.time() + TERMS.notice_seconds - 1)
    update_region(world, msgspec.structs.replace(DOUBLED, minimum_escrow=1))
    assert update_region(world, DOUBLED).fields["next_from"] == cluster.time() + TERMS.notice_seconds


@pytest.mark.parametrize("updates", [[], [("u", DOUBLED)], [(URL, TERMS)], [("u", TERMS), ("v", DOUBLED)]])
@pytest.mark.parametrize(
    ("deleted_seconds_before", "cost"), [(NOTICE_SECONDS - 1, USAGE_COST), (1, USAGE_COST), (0, DOUBLED_COST)]
)
def test_a_deleted_stack_is_charged_the_prices_of_its_deletion(
    world, deleted_seconds_before: int, cost: int, updates: list[tuple[str, client.Terms]]
) -> None:
    cluster, carol = world.cluster, world.carol
    comes = update_region(world, DOUBLED).fields["next_from"]
    cluster.set_time(comes - deleted_seconds_before)
    world.do(client.delete_stack(carol.pubkey(), world.provider, world.region, world.stack), carol)
    cluster.set_time(comes)
    # The region may forget the terms of then meanwhile: each update makes those in force the first.
    for base_url, terms in updates:
        update_region(world, terms, base_url)
    assert world.do(*world.update_usage()).fields["cost"] == cost
    prices = PRICES if cost == USAGE_COST else DOUBLED.prices
    assert cluster.account(world.stack).final_prices == prices


def test_an_update_once_the_terms_have_come_gives_their_own_notice(world) -> None:
    cluster = world.cluster
    update_region(world, DOUBLED)
    cluster.set_time(cluster.time() + TERMS.notice_seconds)
    event = update_region(world, TERMS)
    assert event.fields["next_from"] == cluster.time() + DOUBLED.notice_seconds
    region = cluster.account(world.region)
    assert (region.terms, region.next_terms) == (DOUBLED, TERMS)


def test_terms_to_come_are_taken_back(world) -> None:
    cluster = world.cluster
    update_region(world, DOUBLED)
    cluster.set_time(cluster.time() + TERMS.notice_seconds - 1)
    assert update_region(world, TERMS).fields["next_from"] == 0
    region = cluster.account(world.region)
    assert (region.terms, region.next_from, region.next_terms) == (TERMS, 0, NO_TERMS)
    cluster.set_time(cluster.time() + TERMS.notice_seconds)
    assert world.do(*world.update_usage()).fields["cost"] == USAGE_COST


def test_the_same_update_twice(world) -> None:
    update_region(world, DOUBLED)
    again = client.update_region(world.alice.pubkey(), 7, URL, DOUBLED)
    world.cluster.set_time(world.cluster.time() + 1)
    assert world.cluster.refusal(again, world.alice) == "NothingChanges"
    # Once the terms have come, the update moves them, once.
    world.cluster.set_time(world.cluster.time() + TERMS.notice_seconds)
    event = world.do(again, world.alice)
    assert event.fields["next_from"] == 0
    assert world.cluster.account(world.region).terms == DOUBLED
    assert world.cluster.refusal(again, world.alice) == "NothingChanges"


@pytest.mark.parametrize("base_url", ["u", "https://a-much-longer-name.example/with/a/path", "x" * 128])
def test_a_new_base_url_holds_at_once(world, base_url: str) -> None:
    update_region(world, TERMS, base_url)
    assert world.cluster.account(world.region).base_url == base_url
    update_region(world, TERMS, "y")
    region = world.cluster.account(world.region)
    assert (region.base_url, region.name, region.terms) == ("y", "north", TERMS)
