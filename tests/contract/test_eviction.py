"""Evictions: a provider deletes a stack whose owner's escrow holds less than it locks, and no other."""

import msgspec
import pytest
from solders.pubkey import Pubkey

from contract import client
from contract.accounts import RegionStatus, StackStatus
from contract.addresses import escrow_address, region_address, stack_address, vault_address
from contract.terms import NO_LOCK, Lock
from tests.contract.attacks import with_fields
from tests.contract.idl_values import ACCOUNT_BYTES
from tests.contract.world import (
    DIGEST,
    MINIMUM,
    NOTICE_SECONDS,
    PRICES,
    TERMS,
    TOKEN,
    USAGE,
    USAGE_COST,
    Call,
    World,
)

LEFT = MINIMUM - USAGE_COST
"""The balance of gina's escrow."""


def evict(world: World) -> Call:
    return world.calls()["evict_stack"]()


def report(world: World) -> Call:
    """A second report on gina's stack."""
    instruction = client.update_usage(
        world.signer.pubkey(),
        provider=world.provider,
        region=world.region,
        owner=world.gina.pubkey(),
        stack=world.poor_stack,
        first_position=2,
        last_position=4,
        digest=DIGEST,
        usage=USAGE,
        provider_tokens=world.tokens(world.alice),
        commission_tokens=world.tokens(world.admin),
    )
    return instruction, world.signer


def test_an_eviction(world) -> None:
    """It leaves what a deletion by the stack's owner leaves."""
    cluster, now = world.cluster, world.cluster.time()
    stack, escrow = cluster.account(world.poor_stack), cluster.account(world.poor_escrow)
    region = cluster.account(world.region)
    event = world.do(*evict(world))
    assert (event.name, event.scope) == ("StackDeleted", world.region)
    assert event.fields == {
        "stack": str(world.poor_stack),
        "owner": str(world.gina.pubkey()),
        "escrow": str(world.poor_escrow),
        "withdrawal_from": 0,
        "revision": 1,
        "deleted_at": now,
    }
    ended = {"status": StackStatus.DELETED, "deleted_at": now, "final_prices": PRICES, "manifest": b""}
    assert cluster.account(world.poor_stack) == msgspec.structs.replace(stack, **ended)
    assert cluster.account(world.poor_escrow) == msgspec.structs.replace(escrow, locks=(NO_LOCK,) * 8)
    chained = {"sequence": event.sequence, "event_hash": event.hash}
    fewer = {"stack_count": region.stack_count - 1}
    assert cluster.account(world.region) == msgspec.structs.replace(region, **chained, **fewer)
    assert cluster.tokens(vault_address(world.poor_escrow)[0]) == escrow.balance == LEFT
    assert cluster.refusal(*evict(world)) == "StackIsDeleted"


def test_the_stacks_owner_gets_the_manifests_rent(world) -> None:
    cluster, gina, alice = world.cluster, world.gina.pubkey(), world.alice.pubkey()
    cluster.svm.airdrop(world.poor_stack, 10**6)
    before = {key: cluster.balance(key) for key in (gina, alice)}
    surplus = cluster.rent(len(b"gina's")) - cluster.rent(0) + 10**6
    world.do(*evict(world))
    assert cluster.balance(gina) == before[gina] + surplus
    assert cluster.balance(alice) == before[alice]
    assert cluster.balance(world.poor_stack) == cluster.rent(ACCOUNT_BYTES["Stack"])


@pytest.mark.parametrize(
    ("missing", "refusal"), [(-1, "EscrowSuffices"), (0, "EscrowSuffices"), (1, None), (MINIMUM, None)]
)
def test_the_balance_must_be_below_what_is_locked(world, missing: int, refusal: str | None) -> None:
    cluster = world.cluster
    cluster.plant(world.poor_escrow, with_fields(cluster.data(world.poor_escrow), balance=MINIMUM - missing))
    instruction, owner = evict(world)
    if refusal is None:
        world.do(instruction, owner)
    else:
        assert cluster.refusal(instruction, owner) == refusal


def test_a_client_who_deposits_what_is_missing_stays(world) -> None:
    """Whoever deposits; tokens in the vault alone do not count."""
    cluster = world.cluster
    world.do(*world.deposit(world.erin, world.poor_escrow, USAGE_COST - 1))
    assert cluster.simulated(*evict(world)) is not None
    world.do(*world.deposit(world.erin, world.poor_escrow, 1))
    assert cluster.refusal(*evict(world)) == "EscrowSuffices"


def test_a_withdrawal_that_is_only_asked_for_evicts_nobody(world) -> None:
    """It could not be paid out of what is locked, either."""
    cluster, carol = world.cluster, world.carol.pubkey()
    balance = cluster.account(world.escrow).balance
    world.do(client.withdraw_escrow(carol, world.provider, balance), world.carol)
    instruction = client.evict_stack(world.alice.pubkey(), world.provider, world.region, carol, world.stack)
    assert cluster.refusal(instruction, world.alice) == "EscrowSuffices"
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    claim = client.claim_withdrawal(carol, world.provider, world.tokens(world.carol))
    assert world.do(claim, world.carol).fields["balance"] == MINIMUM
    assert cluster.refusal(instruction, world.alice) == "EscrowSuffices"


@pytest.mark.parametrize("name", ["admin", "authority", "bob", "carol", "erin", "signer", "gina"])
def test_nobody_but_the_regions_provider_evicts(world, name: str) -> None:
    """Neither who rules over providers, nor another provider, nor the stack's own client."""
    key = getattr(world, name)
    gina = world.gina.pubkey()
    instruction = client.evict_stack(key.pubkey(), world.provider, world.region, gina, world.poor_stack)
    assert world.cluster.refusal(instruction, key) == "NotTheOwner"


def test_another_providers_owner_does_not_evict_with_their_own_provider(world, altered) -> None:
    instruction, _ = evict(world)
    instruction = altered(instruction, 0, address=world.bob.pubkey())
    instruction = altered(instruction, 1, address=world.other_provider)
    assert world.cluster.refusal(instruction, world.bob) == "ProviderMismatch"
    instruction = altered(instruction, 3, address=world.other_region)
    assert world.cluster.refusal(instruction, world.bob) == "EscrowMismatch"


def test_a_poor_escrow_does_not_stand_in_for_another_clients(world, altered) -> None:
    """Nor does another provider's; and the rent goes to no other."""
    alice, carol, gina = world.alice, world.carol.pubkey(), world.gina.pubkey()
    carols = client.evict_stack(alice.pubkey(), world.provider, world.region, carol, world.stack)
    assert world.cluster.refusal(altered(carols, 4, address=world.poor_escrow), alice) == "EscrowMismatch"
    of_gina = altered(altered(carols, 4, address=world.poor_escrow), 6, address=gina)
    assert world.cluster.refusal(of_gina, alice) == "NotTheOwner"
    instruction, _ = evict(world)
    assert world.cluster.refusal(altered(instruction, 6, address=alice.pubkey()), alice) == "EscrowMismatch"


@pytest.mark.parametrize("prepare", ["revoked", "a live region", "a request asked for"])
def test_whatever_has_become_of_the_provider_and_the_withdrawal(world, prepare: str) -> None:
    cluster, gina, now = world.cluster, world.gina, world.cluster.time()
    if prepare == "revoked":
        world.do(client.revoke_provider(world.authority.pubkey(), world.provider), world.authority)
    if prepare == "a request asked for":
        world.do(client.withdraw_escrow(gina.pubkey(), world.provider, LEFT), gina)
        cluster.set_time(now + NOTICE_SECONDS + 9)
    asked = prepare == "a request asked for"
    due = cluster.time() + NOTICE_SECONDS if asked else 0
    assert world.do(*evict(world)).fields["withdrawal_from"] == due
    assert cluster.account(world.poor_escrow).withdrawal_from == due


def test_the_last_report_is_still_possible_and_then_all_is_settled(world) -> None:
    cluster, gina = world.cluster, world.gina
    world.do(client.withdraw_escrow(gina.pubkey(), world.provider, LEFT), gina)
    world.do(*evict(world))
    due = cluster.time() + NOTICE_SECONDS
    cluster.set_time(due - 1)
    claim = client.claim_withdrawal(gina.pubkey(), world.provider, world.tokens(gina))
    assert cluster.refusal(claim, gina) == "NoticeNotOver"
    event = world.do(*report(world))
    assert (event.fields["charge"], event.fields["balance"]) == (USAGE_COST, LEFT - USAGE_COST)
    assert cluster.account(world.poor_stack).status is StackStatus.SETTLED
    cluster.set_time(due)
    assert world.do(claim, gina).fields == {"amount": LEFT - USAGE_COST, "balance": 0}


def test_the_grace_of_an_evicted_stack_is_over(world) -> None:
    world.do(*evict(world))
    world.cluster.set_time(world.cluster.time() + NOTICE_SECONDS)
    instruction, signer = report(world)
    assert world.cluster.refusal(instruction, signer) == "GraceIsOver"


def test_the_region_and_then_the_provider_can_be_closed(world) -> None:
    """What nobody pays for does not keep the deposit."""
    cluster, alice = world.cluster, world.alice.pubkey()
    for key, stack in ((world.carol, world.stack), (world.dave, world.dave_stack)):
        world.do(client.delete_stack(key.pubkey(), world.provider, world.region, stack), key)
    close = client.close_region(alice, 7)
    assert cluster.refusal(close, world.alice) == "RegionHasStacks"
    world.do(*evict(world))
    world.do(close, world.alice)
    assert cluster.account(world.region).status is RegionStatus.CLOSED
    world.do(*report(world))
    world.do(client.close_region(alice, 8), world.alice)
    world.do(client.close_provider(alice, world.tokens(world.alice)), world.alice)


def test_one_stack_after_another_until_the_rest_is_covered(world) -> None:
    """The minima of all regions count; a region's goes with its last stack."""
    cluster, alice, gina = world.cluster, world.alice, world.gina
    key = gina.pubkey()
    regions: dict[int, Pubkey] = {7: world.region, 20: region_address(world.provider, 20)[0]}
    terms = msgspec.structs.replace(TERMS, minimum_escrow=TOKEN)
    world.do(client.create_region(alice.pubkey(), 20, "n", "u", terms), alice)
    world.do(*world.deposit(gina, world.poor_escrow, USAGE_COST + TOKEN))
    stacks = [(7, 1), (7, 2), (20, 1)]
    for number, seed in stacks[1:]:
        world.do(client.deploy_stack(key, world.provider, regions[number], seed, b"m"), gina)
    world.do(*report(world))

    def call(number: int, seed: int) -> Call:
        stack = stack_address(regions[number], key, seed)[0]
        return client.evict_stack(alice.pubkey(), world.provider, regions[number], key, stack), alice

    for number, seed in stacks[:2]:
        world.do(*call(number, seed))
    assert cluster.account(world.poor_escrow).locks == (
        NO_LOCK,
        Lock(region_number=20, stack_count=1, minimum=TOKEN),
        *[NO_LOCK] * 6,
    )
    assert cluster.refusal(*call(*stacks[2])) == "EscrowSuffices"


def test_an_address_that_was_evicted_is_never_used_again(world) -> None:
    world.do(*evict(world))
    gina = world.gina.pubkey()
    world.do(*world.deposit(world.gina, world.poor_escrow, MINIMUM))
    again = client.deploy_stack(gina, world.provider, world.region, 1, b"m")
    assert world.cluster.refusal(again, world.gina) == "AccountExists"
    world.do(client.deploy_stack(gina, world.provider, world.region, 2, b"m"), world.gina)


def test_a_provider_who_is_their_own_client(world) -> None:
    """One key in both places: it signs, and gets the rent."""
    cluster, alice, key = world.cluster, world.alice, world.alice.pubkey()
    escrow = escrow_address(world.provider, key)[0]
    stack = stack_address(world.region, key, 1)[0]
    world.do(*world.create_escrow(alice, world.provider))
    world.do(*world.deposit(alice, escrow, MINIMUM))
    world.do(client.deploy_stack(key, world.provider, world.region, 1, b"m" * 100), alice)
    instruction = client.evict_stack(key, world.provider, world.region, key, stack)
    assert cluster.refusal(instruction, alice) == "EscrowSuffices"
    cluster.plant(escrow, with_fields(cluster.data(escrow), balance=MINIMUM - 1))
    before = cluster.balance(key)
    world.do(instruction, alice)
    assert cluster.balance(key) == before + cluster.rent(100) - cluster.rent(0)
    assert cluster.account(escrow).locks == (NO_LOCK,) * 8
