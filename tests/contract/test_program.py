"""What each instruction does: the event it emits, the account it leaves, the chain of the scope."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.keypair import Keypair

from contract import client
from contract.accounts import StackStatus
from contract.addresses import provider_address, region_address, stack_address, state_address

ZEROS = bytes(32)


def test_initialize(cluster) -> None:
    admin = cluster.funded(1)
    state, bump = state_address()
    event = cluster.event(client.initialize(admin.pubkey()), admin)
    assert (event.name, event.scope, event.sequence, event.previous_hash) == ("Initialized", state, 1, ZEROS)
    assert event.fields == {"admin": str(admin.pubkey())}
    assert cluster.account(state) == client.State(
        bump=bump, sequence=1, event_hash=event.hash, admin=admin.pubkey()
    )


@pytest.mark.parametrize("name", ["p", "prövïder", "x" * 32, "é" * 16])
def test_create_provider(cluster, name: str) -> None:
    owner = cluster.funded(1)
    provider, bump = provider_address(owner.pubkey())
    event = cluster.event(client.create_provider(owner.pubkey(), name), owner)
    assert (event.name, event.scope, event.sequence, event.previous_hash) == (
        "ProviderCreated",
        provider,
        1,
        ZEROS,
    )
    assert event.fields == {"owner": str(owner.pubkey()), "name": name}
    assert cluster.account(provider) == client.Provider(
        bump=bump, sequence=1, event_hash=event.hash, owner=owner.pubkey(), name=name
    )


@pytest.mark.parametrize(
    ("number", "name", "base_url"), [(0, "n", "u"), (2**32 - 1, "n" * 32, "https://" + "u" * 120)]
)
def test_create_region(cluster, number: int, name: str, base_url: str) -> None:
    owner = cluster.funded(1)
    cluster.event(client.create_provider(owner.pubkey(), "p"), owner)
    provider, _ = provider_address(owner.pubkey())
    region, bump = region_address(provider, number)
    before = cluster.account(provider)
    event = cluster.event(client.create_region(owner.pubkey(), number, name, base_url), owner)
    assert (event.name, event.scope, event.sequence, event.previous_hash) == (
        "RegionCreated",
        region,
        1,
        ZEROS,
    )
    assert event.fields == {
        "provider": str(provider),
        "number": number,
        "name": name,
        "base_url": base_url,
    }
    assert cluster.account(region) == client.Region(
        bump=bump,
        sequence=1,
        event_hash=event.hash,
        provider=provider,
        number=number,
        stack_count=0,
        name=name,
        base_url=base_url,
    )
    assert cluster.account(provider) == before


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
@pytest.mark.parametrize("manifest", [b"\0", b"m" * client.MAX_MANIFEST_BYTES])
def test_a_stack_from_deployment_to_deletion(world, seed: int, manifest: bytes) -> None:
    cluster, owner = world.cluster, world.bob
    stack, bump = stack_address(world.region, owner.pubkey(), seed)
    earlier = cluster.account(world.region)

    event = cluster.event(client.deploy_stack(owner.pubkey(), world.region, seed, manifest), owner)
    assert (event.name, event.scope) == ("StackDeployed", world.region)
    assert (event.sequence, event.previous_hash) == (earlier.sequence + 1, earlier.event_hash)
    ids = {"stack": str(stack), "owner": str(owner.pubkey())}
    assert event.fields == ids | {"seed": seed, "revision": 1, "manifest": manifest}
    deployed = client.Stack(
        bump=bump,
        region=world.region,
        owner=owner.pubkey(),
        seed=seed,
        revision=1,
        status=StackStatus.ACTIVE,
        manifest=manifest,
    )
    assert cluster.account(stack) == deployed
    region = cluster.account(world.region)
    assert (region.stack_count, region.sequence, region.event_hash) == (2, event.sequence, event.hash)

    update = client.update_stack(owner.pubkey(), world.region, stack, b"new" + manifest[3:])
    updated = cluster.event(update, owner)
    assert (updated.name, updated.sequence, updated.previous_hash) == (
        "StackUpdated",
        event.sequence + 1,
        event.hash,
    )
    assert updated.fields == ids | {"revision": 2, "manifest": b"new" + manifest[3:]}
    assert (cluster.account(stack).revision, cluster.account(stack).manifest) == (2, b"new" + manifest[3:])
    assert cluster.account(world.region).stack_count == 2

    deleted = cluster.event(client.delete_stack(owner.pubkey(), world.region, stack), owner)
    assert (deleted.name, deleted.sequence, deleted.previous_hash) == (
        "StackDeleted",
        event.sequence + 2,
        updated.hash,
    )
    assert deleted.fields == ids | {"revision": 2}
    tombstone = cluster.account(stack)
    assert (tombstone.status, tombstone.manifest, tombstone.revision) == (StackStatus.DELETED, b"", 2)
    region = cluster.account(world.region)
    assert (region.stack_count, region.sequence, region.event_hash) == (1, deleted.sequence, deleted.hash)


def test_scopes_are_numbered_apart(world) -> None:
    for region in (world.region, world.other_region, world.region):
        before = world.cluster.account(region)
        deploy = client.deploy_stack(world.bob.pubkey(), region, 10 + before.sequence, b"m")
        event = world.cluster.event(deploy, world.bob)
        assert (event.scope, event.sequence, event.previous_hash) == (
            region,
            before.sequence + 1,
            before.event_hash,
        )


def test_each_change_emits_one_event_whose_hash_covers_all_of_its_bytes(world) -> None:
    for instruction in world.instructions().values():
        [data] = world.cluster.raw_events(instruction, world.signer_of(instruction))
        scope = client.decode_event(data).scope
        assert world.cluster.account(scope).event_hash == sha256(data).digest()


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["deploy", "update", "delete"]),
        st.booleans(),
        st.integers(0, 2),
        st.binary(min_size=1, max_size=client.MAX_MANIFEST_BYTES),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(operations=OPERATIONS)
def test_any_sequence_of_operations_follows_the_model(new_world, operations) -> None:
    """The model: (owner, seed) -> manifest of a live stack, or None of a deleted one."""
    world = new_world()
    cluster = world.cluster
    model: dict[tuple[Keypair, int], bytes | None] = {}
    live_before = cluster.account(world.region).stack_count
    expected = cluster.account(world.region)
    sequence, previous_hash = expected.sequence, expected.event_hash
    for verb, by_bob, seed, manifest in operations:
        owner = world.bob if by_bob else world.carol
        stack, _ = stack_address(world.region, owner.pubkey(), seed)
        key = (owner, seed)
        if verb == "deploy":
            instruction = client.deploy_stack(owner.pubkey(), world.region, seed, manifest)
            refusal, after = "AccountExists" if key in model else None, manifest
        else:
            if verb == "update":
                instruction = client.update_stack(owner.pubkey(), world.region, stack, manifest)
                after = manifest
            else:
                instruction, after = client.delete_stack(owner.pubkey(), world.region, stack), None
            refusal = "AccountNotOwned" if key not in model else None
            if key in model and model[key] is None:
                refusal = "StackIsDeleted"
        if refusal is not None:
            assert cluster.refusal(instruction, owner) == refusal
            continue
        event = cluster.event(instruction, owner)
        sequence += 1
        assert (event.sequence, event.previous_hash) == (sequence, previous_hash)
        previous_hash, model[key] = event.hash, after
        account = cluster.account(stack)
        assert account.manifest == (after or b"")
        assert cluster.balance(stack) == cluster.rent(account.allocated_bytes)
    region = cluster.account(world.region)
    assert (region.sequence, region.event_hash) == (sequence, previous_hash)
    assert region.stack_count == live_before + sum(manifest is not None for manifest in model.values())
