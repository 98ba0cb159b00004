"""What each instruction does: the event it emits, what it leaves in accounts, which balances it moves."""

from hashlib import sha256

import msgspec
import pytest
from solders.pubkey import Pubkey

from contract import client, tokens
from contract.accounts import ProviderStatus, RegionStatus, StackStatus
from contract.addresses import (
    PROGRAM_ID,
    authorizer_address,
    escrow_address,
    provider_address,
    region_address,
    request_signer_address,
    stack_address,
    state_address,
    usage_report_address,
    usage_signer_address,
    vault_address,
)
from contract.terms import NO_LOCK, NO_TERMS, Lock, Prices
from tests.contract.attacks import NAMES, targets
from tests.contract.world import (
    COMMISSION_MILLIONTHS,
    DEPOSIT,
    DIGEST,
    MINIMUM,
    NOTICE_SECONDS,
    PREPAID,
    PRICES,
    TERMS,
    USAGE,
    USAGE_COST,
    World,
)

ZEROS = bytes(32)
COMMISSION = USAGE_COST * COMMISSION_MILLIONTHS // 10**6


@pytest.mark.parametrize("name", NAMES)
def test_each_change_emits_one_event_whose_hash_covers_all_of_its_bytes(name: str) -> None:
    """It follows on from the scope's last one, and no other scope's chain moves."""
    target = targets()[name]
    cluster = target.cluster
    scopes = [known for known in target.others.values() if _is_scope(cluster, known)]
    before = {scope: cluster.account(scope) for scope in scopes}
    [data] = cluster.raw_events(target.instruction, *target.keys)
    event = client.decode_event(data)
    after = cluster.account(event.scope)
    assert (after.sequence, after.event_hash) == (event.sequence, sha256(data).digest())
    if event.scope in before:
        last = before.pop(event.scope)
        assert (event.sequence, event.previous_hash) == (last.sequence + 1, last.event_hash)
    else:
        assert (event.sequence, event.previous_hash) == (1, ZEROS)
    for scope, last in before.items():
        assert cluster.account(scope).event_hash == last.event_hash


def _is_scope(cluster, address: Pubkey) -> bool:
    account = cluster.svm.get_account(address)
    if account is None or account.owner != PROGRAM_ID or not any(account.data):
        return False
    return isinstance(
        client.decode_account(account.data), client.State | client.Provider | client.Region | client.Escrow
    )


def test_initialize(cluster) -> None:
    world = World(cluster, opened=False)
    state, bump = state_address()
    event = world.do(*world.initialize())
    assert (event.name, event.scope, event.sequence, event.previous_hash) == ("Initialized", state, 1, ZEROS)
    assert cluster.account(state) == client.State(
        bump=bump,
        sequence=1,
        event_hash=event.hash,
        admin=world.admin.pubkey(),
        mint=world.mint,
        commission_tokens=world.tokens(world.admin),
        deposit=DEPOSIT,
        commission_millionths=COMMISSION_MILLIONTHS,
        notice_seconds=NOTICE_SECONDS,
    )


def test_the_admins_changes(world) -> None:
    cluster, admin = world.cluster, world.admin
    world.do(client.update_deposit(admin.pubkey(), 1), admin)
    assert cluster.account(state_address()[0]).deposit == 1
    assert cluster.account(world.provider).deposit == DEPOSIT
    tokens_of_bob = world.tokens(world.bob)
    world.do(client.update_commission(admin.pubkey(), 7, tokens_of_bob), admin)
    state = cluster.account(state_address()[0])
    assert (state.commission_millionths, state.commission_tokens) == (7, tokens_of_bob)
    # What the State says from then on is asked for.
    instruction, signer = world.update_usage()
    assert cluster.refusal(instruction, signer) == "TokenAccountInvalid"
    erin = authorizer_address(world.erin.pubkey())[0]
    event = world.do(client.create_provider_authorizer(admin.pubkey(), world.erin.pubkey()), admin)
    assert event.fields == {"authority": str(world.erin.pubkey())}
    assert cluster.account(erin).authority == world.erin.pubkey()
    world.do(client.remove_provider_authorizer(admin.pubkey(), world.erin.pubkey()), admin)
    assert not cluster.exists(erin)


@pytest.mark.parametrize("name", ["p", "prövïder", "x" * 32, "é" * 16])
@pytest.mark.parametrize("deposit", [0, 1, DEPOSIT])
def test_a_provider_from_creation_to_the_end(world, name: str, deposit: int) -> None:
    cluster, owner, authority = world.cluster, world.dave, world.authority
    key, own = owner.pubkey(), world.tokens(owner)
    if deposit != DEPOSIT:
        world.do(client.update_deposit(world.admin.pubkey(), deposit), world.admin)
    provider, bump = provider_address(key)
    vault = vault_address(provider)[0]
    before = cluster.tokens(own)
    event = world.do(*world.create_provider(owner, name))
    assert event.fields == {"owner": str(key), "vault": str(vault), "deposit": deposit, "name": name}
    created = client.Provider(
        bump=bump,
        sequence=1,
        event_hash=event.hash,
        owner=key,
        vault=vault,
        deposit=deposit,
        region_count=0,
        status=ProviderStatus.DISABLED,
        name=name,
    )
    assert cluster.account(provider) == created
    held = tokens.decode_token_account(cluster.svm.get_account(vault).data)
    assert (held.owner, held.mint, held.amount) == (provider, world.mint, deposit)
    assert cluster.tokens(own) == before - deposit

    for change, status in (
        (client.authorize_provider, ProviderStatus.AUTHORIZED),
        (client.revoke_provider, ProviderStatus.DISABLED),
        (client.authorize_provider, ProviderStatus.AUTHORIZED),
    ):
        event = world.do(change(authority.pubkey(), provider), authority)
        assert event.fields == {"authority": str(authority.pubkey())}
        assert cluster.account(provider).status is status

    gift = tokens.transfer(world.tokens(world.bob), world.bob.pubkey(), vault, 5)
    cluster.send(gift, world.bob)
    event = world.do(client.close_provider(key, own), owner)
    assert event.fields == {"owner": str(key), "refund": deposit + 5}
    closed = {"sequence": 5, "event_hash": event.hash, "deposit": 0, "status": ProviderStatus.CLOSED}
    assert cluster.account(provider) == msgspec.structs.replace(created, **closed)
    assert not cluster.exists(vault)
    assert cluster.tokens(own) == before + 5


@pytest.mark.parametrize(
    ("number", "name", "base_url"), [(0, "n", "u"), (2**32 - 1, "n" * 32, "https://" + "u" * 120)]
)
def test_a_region_from_creation_to_the_end(world, number: int, name: str, base_url: str) -> None:
    cluster, owner = world.cluster, world.alice
    region, bump = region_address(world.provider, number)
    count = cluster.account(world.provider).region_count
    event = world.do(client.create_region(owner.pubkey(), number, name, base_url, TERMS), owner)
    created = client.Region(
        bump=bump,
        sequence=1,
        event_hash=event.hash,
        provider=world.provider,
        number=number,
        stack_count=0,
        status=RegionStatus.LIVE,
        terms=TERMS,
        next_from=0,
        next_terms=NO_TERMS,
        name=name,
        base_url=base_url,
    )
    assert cluster.account(region) == created
    assert event.fields["terms"] == msgspec.to_builtins(TERMS)
    assert cluster.account(world.provider).region_count == count + 1
    event = world.do(client.close_region(owner.pubkey(), number), owner)
    assert event.fields == {"provider": str(world.provider), "number": number}
    closed = {"sequence": 2, "event_hash": event.hash, "status": RegionStatus.CLOSED}
    assert cluster.account(region) == msgspec.structs.replace(created, **closed)
    assert cluster.account(world.provider).region_count == count


def test_an_escrow(world) -> None:
    cluster, dave, erin = world.cluster, world.dave, world.erin
    escrow, bump = escrow_address(world.other_provider, dave.pubkey())
    vault = vault_address(escrow)[0]
    event = world.do(*world.create_escrow(dave, world.other_provider))
    created = client.Escrow(
        bump=bump,
        sequence=1,
        event_hash=event.hash,
        provider=world.other_provider,
        client=dave.pubkey(),
        vault=vault,
        balance=0,
        withdrawal=0,
        withdrawal_from=0,
        locks=(NO_LOCK,) * 8,
    )
    assert cluster.account(escrow) == created
    # Anybody may fill it, with an instruction or with a plain transfer.
    event = world.do(*world.deposit(erin, escrow, 7))
    assert event.fields == {"depositor": str(erin.pubkey()), "amount": 7, "balance": 7}
    cluster.send(tokens.transfer(world.tokens(erin), erin.pubkey(), vault, 5), erin)
    assert cluster.account(escrow).balance == 7
    assert world.do(client.sync_escrow(escrow)).fields == {"amount": 5, "balance": 12}
    world.do(client.withdraw_escrow(dave.pubkey(), world.other_provider, 12), dave)
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    before = cluster.tokens(world.tokens(dave))
    claim = client.claim_withdrawal(dave.pubkey(), world.other_provider, world.tokens(dave))
    assert world.do(claim, dave).fields == {"amount": 12, "balance": 0}
    assert cluster.tokens(world.tokens(dave)) == before + 12
    assert (cluster.tokens(vault), cluster.account(escrow).balance) == (0, 0)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
@pytest.mark.parametrize("manifest", [b"\0", b"m" * (client.MAX_MANIFEST_BYTES - 100)])
def test_a_stack_from_deployment_to_deletion(world, seed: int, manifest: bytes) -> None:
    cluster, owner, key = world.cluster, world.dave, world.dave.pubkey()
    stack, bump = stack_address(world.region, key, seed)
    live = cluster.account(world.region).stack_count
    ids = {"stack": str(stack), "owner": str(key), "escrow": str(world.dave_escrow)}

    event = world.do(client.deploy_stack(key, world.provider, world.region, seed, manifest), owner)
    assert event.fields == ids | {"minimum": MINIMUM, "seed": seed, "revision": 1, "manifest": manifest}
    deployed = client.Stack(
        bump=bump,
        region=world.region,
        owner=key,
        seed=seed,
        revision=1,
        status=StackStatus.ACTIVE,
        reported_position=0,
        deleted_at=0,
        final_prices=Prices(),
        manifest=manifest,
    )
    assert cluster.account(stack) == deployed
    assert cluster.account(world.region).stack_count == live + 1
    lock = Lock(region_number=7, stack_count=2, minimum=MINIMUM)
    assert cluster.account(world.dave_escrow).locks == (lock,) + (NO_LOCK,) * 7

    new = b"new" + manifest[3:]
    event = world.do(client.update_stack(key, world.provider, world.region, stack, new), owner)
    assert event.fields == ids | {"minimum": MINIMUM, "revision": 2, "manifest": new}
    assert cluster.account(stack) == msgspec.structs.replace(deployed, revision=2, manifest=new)

    event = world.do(client.delete_stack(key, world.provider, world.region, stack), owner)
    now = cluster.time()
    assert event.fields == ids | {"withdrawal_from": 0, "revision": 2, "deleted_at": now}
    ended = {
        "revision": 2,
        "manifest": b"",
        "status": StackStatus.DELETED,
        "deleted_at": now,
        "final_prices": PRICES,
    }
    assert cluster.account(stack) == msgspec.structs.replace(deployed, **ended)
    assert cluster.account(world.region).stack_count == live
    assert cluster.account(world.dave_escrow).locks[0] == msgspec.structs.replace(lock, stack_count=1)
    world.do(client.delete_stack(key, world.provider, world.region, world.dave_stack), owner)
    assert cluster.account(world.dave_escrow).locks == (NO_LOCK,) * 8


def test_a_usage_report(world) -> None:
    cluster, now = world.cluster, world.cluster.time()
    held = {key: cluster.tokens(key) for key in (world.tokens(world.alice), world.tokens(world.admin))}
    balance = cluster.account(world.escrow).balance
    event = world.do(*world.update_usage())
    paid = {"cost": USAGE_COST, "charge": USAGE_COST, "commission": COMMISSION}
    span = {"first_position": 6, "last_position": 9, "digest": DIGEST}
    assert event.fields == paid | span | {
        "stack": str(world.stack),
        "owner": str(world.carol.pubkey()),
        "escrow": str(world.escrow),
        "signer": str(world.signer.pubkey()),
        "usage": msgspec.to_builtins(USAGE),
        "shortfall": 0,
        "balance": balance - USAGE_COST,
        "reported_at": now,
    }
    report, bump = usage_report_address(world.stack, 6, 9)
    ids = {"region": world.region, "stack": world.stack, "payer": world.signer.pubkey()}
    assert cluster.account(report) == client.UsageReport(bump=bump, reported_at=now, **ids, **span, **paid)
    assert cluster.account(world.stack).reported_position == 9
    assert cluster.account(world.escrow).balance == balance - USAGE_COST
    assert cluster.tokens(vault_address(world.escrow)[0]) == balance - USAGE_COST
    assert (
        cluster.tokens(world.tokens(world.alice)) == held[world.tokens(world.alice)] + USAGE_COST - COMMISSION
    )
    assert cluster.tokens(world.tokens(world.admin)) == held[world.tokens(world.admin)] + COMMISSION
    assert balance == PREPAID - USAGE_COST


def test_signers(world) -> None:
    cluster, alice, carol, now = world.cluster, world.alice, world.carol, world.cluster.time()
    key = Pubkey([120] * 32)
    address, bump = usage_signer_address(world.empty_region)
    event = world.do(client.create_usage_signer(alice.pubkey(), 8, key, now + 1), alice)
    assert event.fields == {"signer": str(key), "valid_from": now, "valid_to": now + 1}
    validity = {"valid_from": now, "valid_to": now + 1}
    assert cluster.account(address) == client.UsageSigner(
        bump=bump, region=world.empty_region, signer=key, **validity
    )
    event = world.do(client.revoke_usage_signer(alice.pubkey(), 8), alice)
    assert event.fields == {"signer": str(key), "revoked_at": now}
    assert not cluster.exists(address)

    address, bump = request_signer_address(world.region, carol.pubkey(), key)
    created = client.RequestSigner(
        bump=bump, region=world.region, client=carol.pubkey(), signer=key, active=True
    )
    for change, active in (
        (client.create_request_signer, True),
        (client.deactivate_request_signer, False),
        (client.activate_request_signer, True),
    ):
        event = world.do(change(carol.pubkey(), world.region, key), carol)
        assert event.fields == {"client": str(carol.pubkey()), "signer": str(key)}
        assert cluster.account(address) == msgspec.structs.replace(created, active=active)
