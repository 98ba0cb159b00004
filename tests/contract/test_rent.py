"""Who pays an account's rent, and who gets it back."""

from itertools import pairwise

import pytest
from solders.keypair import Keypair
from solders.rent import Rent

from contract import client
from contract.addresses import provider_address, region_address, stack_address, state_address

STATE_BYTES, PROVIDER_BYTES, REGION_BYTES, EMPTY_STACK_BYTES = 146, 182, 322, 155


def spent(cluster, owner: Keypair, instruction) -> int:
    before = cluster.balance(owner.pubkey())
    cluster.event(instruction, owner)
    return before - cluster.balance(owner.pubkey())


def test_the_owner_pays_exactly_the_rent(cluster) -> None:
    owner = cluster.funded(1)
    key = owner.pubkey()
    provider = provider_address(key)[0]
    region = region_address(provider, 1)[0]
    for instruction, address, size_bytes in (
        (client.initialize(key), state_address()[0], STATE_BYTES),
        (client.create_provider(key, "n"), provider, PROVIDER_BYTES),
        (client.create_region(key, 1, "n", "u"), region, REGION_BYTES),
        (
            client.deploy_stack(key, region, 1, b"m" * 100),
            stack_address(region, key, 1)[0],
            EMPTY_STACK_BYTES + 100,
        ),
    ):
        assert spent(cluster, owner, instruction) == cluster.rent(size_bytes)
        assert cluster.balance(address) == cluster.rent(size_bytes)
        assert len(cluster.data(address)) == size_bytes


@pytest.mark.parametrize("sizes", [(1, 941), (941, 1), (5, 5), (1, 2, 3, 941, 3, 2, 1)])
def test_an_update_pays_or_returns_the_difference(world, sizes: tuple[int, ...]) -> None:
    cluster, owner, key = world.cluster, world.bob, world.bob.pubkey()
    stack, _ = stack_address(world.region, key, 1)
    cluster.event(client.deploy_stack(key, world.region, 1, b"m" * sizes[0]), owner)
    for before, after in pairwise(sizes):
        cost = spent(cluster, owner, client.update_stack(key, world.region, stack, b"x" * after))
        assert cost == cluster.rent(after) - cluster.rent(before)
        assert cluster.account(stack).manifest == b"x" * after
        assert len(cluster.data(stack)) == EMPTY_STACK_BYTES + after


def test_a_deletion_returns_the_manifests_rent_and_keeps_the_tombstones(world) -> None:
    cluster, key = world.cluster, world.bob.pubkey()
    stack, _ = stack_address(world.region, key, 1)
    cluster.event(client.deploy_stack(key, world.region, 1, b"m" * 500), world.bob)
    returned = -spent(cluster, world.bob, client.delete_stack(key, world.region, stack))
    assert returned == cluster.rent(500) - cluster.rent(0)
    assert cluster.balance(stack) == cluster.rent(EMPTY_STACK_BYTES)
    assert len(cluster.data(stack)) == EMPTY_STACK_BYTES


def test_lamports_sent_to_a_stack_go_to_its_owner_with_the_next_change(world) -> None:
    cluster, key = world.cluster, world.alice.pubkey()
    cluster.svm.airdrop(world.stack, 12_345_678)
    update = client.update_stack(key, world.region, world.stack, b"5 bys")
    assert spent(cluster, world.alice, update) == -12_345_678


@pytest.mark.parametrize("prefunded", ["a little", "the rent", "more than the rent"])
def test_creation_survives_lamports_sent_to_the_address_before(cluster, prefunded: str) -> None:
    owner = cluster.funded(1)
    key = owner.pubkey()
    provider = provider_address(key)[0]
    region = region_address(provider, 1)[0]
    for instruction, address, size_bytes in (
        (client.initialize(key), state_address()[0], STATE_BYTES),
        (client.create_provider(key, "n"), provider, PROVIDER_BYTES),
        (client.create_region(key, 1, "n", "u"), region, REGION_BYTES),
        (client.deploy_stack(key, region, 1, b"m"), stack_address(region, key, 1)[0], EMPTY_STACK_BYTES + 1),
    ):
        rent = cluster.rent(size_bytes)
        # LiteSVM's airdrop takes no less than the rent of an empty account.
        lamports = {"a little": cluster.rent(0), "the rent": rent, "more than the rent": 2 * rent}[prefunded]
        cluster.svm.airdrop(address, lamports)
        assert spent(cluster, owner, instruction) == max(0, rent - lamports)
        assert cluster.balance(address) == max(rent, lamports)
        assert len(cluster.data(address)) == size_bytes


@pytest.mark.parametrize("rent", [Rent(3480, 2.0, 50), Rent(6960, 1.0, 50), Rent(1, 1.0, 0), Rent(0, 2.0, 0)])
def test_both_ways_in_which_clusters_state_their_rent(cluster, rent: Rent) -> None:
    cluster.svm.set_rent(rent)
    owner = cluster.funded(1)
    cost = spent(cluster, owner, client.create_provider(owner.pubkey(), "n"))
    assert cost == (128 + PROVIDER_BYTES) * rent.lamports_per_byte_year * int(rent.exemption_threshold)


@pytest.mark.parametrize("rent", [Rent(3480, 1.5, 50), Rent(2**62, 1.0, 50), Rent(3480, float("nan"), 50)])
def test_a_way_that_it_does_not_know_is_refused(cluster, rent: Rent) -> None:
    owner = cluster.funded(1)
    cluster.svm.set_rent(rent)
    assert cluster.refusal(client.create_provider(owner.pubkey(), "n"), owner) == "RentUnknown"


def test_an_owner_who_cannot_pay(world) -> None:
    pauper = Keypair.from_seed(bytes(32))
    world.cluster.svm.airdrop(pauper.pubkey(), world.cluster.rent(0))
    before = world.cluster.data(world.region)
    world.cluster.failure(client.deploy_stack(pauper.pubkey(), world.region, 1, b"m"), pauper)
    assert world.cluster.svm.get_account(stack_address(world.region, pauper.pubkey(), 1)[0]) is None
    assert world.cluster.data(world.region) == before
