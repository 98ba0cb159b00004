"""Who pays an account's rent, and who gets it back."""

from itertools import pairwise

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.rent import Rent
from solders.transaction_metadata import FailedTransactionMetadata

from contract import client
from contract.addresses import (
    PROGRAM_ID,
    authorizer_address,
    provider_address,
    stack_address,
    usage_signer_address,
    vault_address,
)
from contract.tokens import TOKEN_ACCOUNT_BYTES
from tests.contract.attacks import Target
from tests.contract.cluster import Cluster
from tests.contract.idl_values import ACCOUNT_BYTES
from tests.contract.world import World

EMPTY_STACK_BYTES = ACCOUNT_BYTES["Stack"]
CREATED = {
    "initialize": {"state": ACCOUNT_BYTES["State"]},
    "create_provider_authorizer": {"authorizer": ACCOUNT_BYTES["Authorizer"]},
    "create_provider": {"provider": ACCOUNT_BYTES["Provider"], "vault": TOKEN_ACCOUNT_BYTES},
    "create_region": {"region": ACCOUNT_BYTES["Region"]},
    "create_escrow": {"escrow": ACCOUNT_BYTES["Escrow"], "vault": TOKEN_ACCOUNT_BYTES},
    "deploy_stack": {"stack": EMPTY_STACK_BYTES + len(b"second")},
    "create_usage_signer": {"usage_signer": ACCOUNT_BYTES["UsageSigner"]},
    "create_request_signer": {"request_signer": ACCOUNT_BYTES["RequestSigner"]},
    "update_usage": {"usage_report": ACCOUNT_BYTES["UsageReport"]},
}
"""What each instruction creates, and how large it is, in bytes."""


def fresh(name: str) -> Target:
    """An instruction on a world that is to be changed."""
    world = World(Cluster(), opened=name != "initialize")
    instruction, _ = world.initialize() if name == "initialize" else world.calls()[name]()
    return Target(name, world, instruction, {})


def spent(cluster: Cluster, payer: Keypair, instruction: Instruction, *keys: Keypair) -> int:
    before = cluster.balance(payer.pubkey())
    cluster.event(instruction, payer, *keys)
    return before - cluster.balance(payer.pubkey())


def payer_of(target: Target) -> Keypair:
    [payer] = [key for key in target.keys if key.pubkey() == target.instruction.accounts[0].pubkey]
    return payer


@pytest.mark.parametrize("name", CREATED)
@pytest.mark.parametrize("prefunded", ["nothing", "a little", "the rent", "more than the rent"])
def test_the_one_who_signs_pays_exactly_the_rent_that_is_missing(name: str, prefunded: str) -> None:
    """Nobody can keep an account from being created by sending lamports to its address."""
    target = fresh(name)
    cluster, missing, expected = target.cluster, 0, {}
    for place, size_bytes in CREATED[name].items():
        rent = cluster.rent(size_bytes)
        lamports = {
            "nothing": 0,
            # LiteSVM's airdrop takes no less than the rent of an empty account.
            "a little": cluster.rent(0),
            "the rent": rent,
            "more than the rent": 2 * rent,
        }[prefunded]
        if lamports:
            cluster.svm.airdrop(target.address(place), lamports)
        missing += max(0, rent - lamports)
        expected[target.address(place)] = (max(rent, lamports), size_bytes)
    assert spent(cluster, payer_of(target), target.instruction) == missing
    for address, (lamports, size_bytes) in expected.items():
        account = cluster.svm.get_account(address)
        assert (account.lamports, len(account.data)) == (lamports, size_bytes)


@pytest.mark.parametrize("sizes", [(1, 775), (775, 1), (5, 5), (1, 2, 3, 775, 3, 2, 1)])
def test_an_update_pays_or_returns_the_difference(world: World, sizes: tuple[int, ...]) -> None:
    cluster, owner, key = world.cluster, world.dave, world.dave.pubkey()
    stack, _ = stack_address(world.region, key, 2)
    cluster.event(client.deploy_stack(key, world.provider, world.region, 2, b"m" * sizes[0]), owner)
    for before, after in pairwise(sizes):
        update = client.update_stack(key, world.provider, world.region, stack, b"x" * after)
        assert spent(cluster, owner, update) == cluster.rent(after) - cluster.rent(before)
        assert cluster.account(stack).manifest == b"x" * after
        assert len(cluster.data(stack)) == EMPTY_STACK_BYTES + after


def test_a_deletion_returns_the_manifests_rent_and_keeps_the_tombstones(world: World) -> None:
    cluster, key = world.cluster, world.dave.pubkey()
    stack, _ = stack_address(world.region, key, 2)
    cluster.event(client.deploy_stack(key, world.provider, world.region, 2, b"m" * 500), world.dave)
    delete = client.delete_stack(key, world.provider, world.region, stack)
    assert -spent(cluster, world.dave, delete) == cluster.rent(500) - cluster.rent(0)
    assert cluster.balance(stack) == cluster.rent(EMPTY_STACK_BYTES)
    assert len(cluster.data(stack)) == EMPTY_STACK_BYTES


@pytest.mark.parametrize("name", ["update_stack", "delete_stack"])
def test_lamports_sent_to_a_stack_go_to_its_owner_with_the_next_change(name: str) -> None:
    plain, gifted = fresh(name), fresh(name)
    gifted.cluster.svm.airdrop(gifted.address("stack"), 12_345_678)
    cost = spent(plain.cluster, payer_of(plain), plain.instruction)
    assert spent(gifted.cluster, payer_of(gifted), gifted.instruction) == cost - 12_345_678


@pytest.mark.parametrize("gift", [0, 10**7])
def test_a_closed_account_returns_all_that_it_has(world: World, gift: int) -> None:
    cluster = world.cluster
    erin_provider = provider_address(world.erin.pubkey())[0]
    closings: list[tuple[Instruction, Keypair, Pubkey]] = [
        (
            client.remove_provider_authorizer(world.admin.pubkey(), world.authority.pubkey()),
            *(world.admin, authorizer_address(world.authority.pubkey())[0]),
        ),
        (
            client.revoke_usage_signer(world.alice.pubkey(), 7),
            *(world.alice, usage_signer_address(world.region)[0]),
        ),
        (
            client.close_usage_report(world.signer.pubkey(), world.region, world.report),
            *(world.signer, world.report),
        ),
        (
            client.close_provider(world.erin.pubkey(), world.tokens(world.erin)),
            *(world.erin, vault_address(erin_provider)[0]),
        ),
    ]
    for instruction, owner, address in closings:
        if gift:
            cluster.svm.airdrop(address, gift)
        held = cluster.balance(address)
        assert held == cluster.rent(len(cluster.svm.get_account(address).data)) + gift
        assert -spent(cluster, owner, instruction) == held
        assert not cluster.exists(address)
    # The tombstone of the provider keeps its own.
    assert cluster.balance(erin_provider) == cluster.rent(ACCOUNT_BYTES["Provider"])


@pytest.mark.parametrize("rent", [Rent(3480, 2.0, 50), Rent(6960, 1.0, 50), Rent(1, 1.0, 0), Rent(0, 2.0, 0)])
def test_both_ways_in_which_clusters_state_their_rent(world: World, rent: Rent) -> None:
    world.cluster.svm.set_rent(rent)
    create = client.create_request_signer(world.carol.pubkey(), world.region, Pubkey([9] * 32))
    cost = spent(world.cluster, world.carol, create)
    size_bytes = 128 + ACCOUNT_BYTES["RequestSigner"]
    assert cost == size_bytes * rent.lamports_per_byte_year * int(rent.exemption_threshold)


@pytest.mark.parametrize("rent", [Rent(3480, 1.5, 50), Rent(2**62, 1.0, 50), Rent(3480, float("nan"), 50)])
def test_a_way_that_it_does_not_know_is_refused(world: World, rent: Rent) -> None:
    world.cluster.svm.set_rent(rent)
    for name in ("create_request_signer", "update_stack", "delete_stack"):
        instruction, signer = world.calls()[name]()
        assert signer is not None
        assert world.cluster.refusal(instruction, signer) == "RentUnknown"


@pytest.mark.parametrize("name", [name for name in CREATED if name not in ("initialize", "create_provider")])
def test_one_who_cannot_pay(name: str) -> None:
    """The system program refuses, and nothing changes."""
    target = fresh(name)
    cluster, payer = target.cluster, payer_of(target)
    account = cluster.svm.get_account(payer.pubkey())
    cluster.plant(payer.pubkey(), b"", account.owner)
    before = target.snapshot(target.instruction)
    result = cluster.result(target.instruction, payer)
    assert isinstance(result, FailedTransactionMetadata)
    assert target.snapshot(target.instruction) == before
    assert all(not cluster.exists(target.address(place)) for place in CREATED[name])


def test_the_program_keeps_no_lamports_of_its_own(world: World) -> None:
    for name in ("update_stack", "delete_stack", "close_usage_report"):
        instruction, signer = world.calls()[name]()
        assert signer is not None
        addresses = [meta.pubkey for meta in instruction.accounts]
        before = sum(map(world.cluster.balance, addresses))
        world.cluster.event(instruction, signer)
        assert sum(map(world.cluster.balance, addresses)) == before
    assert PROGRAM_ID not in {meta.pubkey for meta in instruction.accounts}
