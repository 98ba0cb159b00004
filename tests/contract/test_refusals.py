"""What the state of an account forbids: changing nothing, using it after its end, too little or too many."""

from solders.pubkey import Pubkey

from contract import client
from contract.accounts import ProviderStatus
from contract.addresses import (
    escrow_address,
    provider_address,
    region_address,
    stack_address,
    usage_report_address,
)
from tests.contract.world import (
    COMMISSION_MILLIONTHS,
    DEPOSIT,
    MINIMUM,
    NOTICE_SECONDS,
    PRICES,
    TERMS,
)


def test_what_would_change_nothing(unchanged_targets) -> None:
    target = unchanged_targets["update_deposit"]
    world, others = target.world, target.others
    admin, authority, alice, carol, dave = (
        others[name] for name in ("admin", "authority", "alice", "carol", "dave")
    )
    for instruction in (
        client.update_deposit(admin, DEPOSIT),
        client.update_commission(admin, COMMISSION_MILLIONTHS, others["admin_tokens"]),
        client.authorize_provider(authority, world.provider),
        client.revoke_provider(authority, others["erin_provider"]),
        client.update_region(alice, 7, "https://north.example", TERMS),
        client.withdraw_escrow(dave, world.provider, 0),
        client.sync_escrow(world.escrow),
        client.activate_request_signer(carol, world.region, world.active_request_signer),
        client.deactivate_request_signer(carol, world.region, world.inactive_request_signer),
    ):
        assert target.refusal(instruction) == "NothingChanges"


def test_a_closed_provider(unchanged_targets) -> None:
    target = unchanged_targets["close_provider"]
    world, others = target.world, target.others
    frank, closed = world.keys[-1].pubkey(), others["closed_provider"]
    assert target.cluster.account(closed).status is ProviderStatus.CLOSED
    for instruction, refusal in (
        (client.authorize_provider(others["authority"], closed), "ProviderIsClosed"),
        (client.revoke_provider(others["authority"], closed), "ProviderIsClosed"),
        (client.close_provider(frank, others["frank_tokens"]), "ProviderIsClosed"),
        (client.create_region(frank, 1, "n", "u", TERMS), "ProviderNotAuthorized"),
        (client.create_escrow(others["dave"], closed, mint=world.mint), "ProviderNotAuthorized"),
    ):
        assert target.refusal(instruction) == refusal


def test_a_closed_region(unchanged_targets) -> None:
    target = unchanged_targets["close_region"]
    world, others = target.world, target.others
    alice, carol, region = others["alice"], others["carol"], others["closed_region"]
    signer = Pubkey([5] * 32)
    for instruction in (
        client.update_region(alice, 6, "u", TERMS),
        client.close_region(alice, 6),
        client.create_request_signer(carol, region, signer),
        client.deploy_stack(carol, world.provider, region, 1, b"m"),
    ):
        assert target.refusal(instruction) == "RegionIsClosed"


def test_a_disabled_provider(unchanged_targets) -> None:
    target = unchanged_targets["create_region"]
    erin = target.others["erin"]
    for instruction in (
        client.create_region(erin, 1, "n", "u", TERMS),
        client.create_escrow(target.others["dave"], target.others["erin_provider"], mint=target.world.mint),
    ):
        assert target.refusal(instruction) == "ProviderNotAuthorized"


def test_what_has_to_go_first(unchanged_targets) -> None:
    target = unchanged_targets["close_region"]
    alice, others = target.others["alice"], target.others
    assert target.refusal(client.close_provider(alice, others["alice_tokens"])) == "ProviderHasRegions"
    assert target.refusal(client.close_region(alice, 7)) == "RegionHasStacks"


def test_a_deleted_stack(unchanged_targets) -> None:
    target = unchanged_targets["delete_stack"]
    world, carol, stack = target.world, target.others["carol"], target.others["deleted_stack"]
    alice = target.others["alice"]
    for instruction in (
        client.update_stack(carol, world.provider, world.region, stack, b"m"),
        client.delete_stack(carol, world.provider, world.region, stack),
        client.evict_stack(alice, world.provider, world.region, carol, stack),
    ):
        assert target.refusal(instruction) == "StackIsDeleted"


def test_a_removed_authorizer(world) -> None:
    authority = world.authority.pubkey()
    world.do(client.remove_provider_authorizer(world.admin.pubkey(), authority), world.admin)
    revoke = client.revoke_provider(authority, world.provider)
    assert world.cluster.refusal(revoke, world.authority) == "AccountNotOwned"


def test_a_revoked_provider_charges_nobody_and_keeps_nobody(world) -> None:
    cluster, carol = world.cluster, world.carol.pubkey()
    world.do(client.revoke_provider(world.authority.pubkey(), world.provider), world.authority)
    for instruction in (
        world.update_usage()[0],
        client.deploy_stack(carol, world.provider, world.region, 2, b"m"),
        client.update_stack(carol, world.provider, world.region, world.stack, b"m"),
        client.create_region(world.alice.pubkey(), 9, "n", "u", TERMS),
        client.create_escrow(world.erin.pubkey(), world.provider, mint=world.mint),
    ):
        assert cluster.refusal(instruction, *world.keys) == "ProviderNotAuthorized"
    # All that is the client's comes back, and the provider can leave.
    world.do(client.delete_stack(carol, world.provider, world.region, world.stack), world.carol)
    balance = cluster.account(world.escrow).balance
    world.do(client.withdraw_escrow(carol, world.provider, balance), world.carol)
    world.do(
        client.delete_stack(world.dave.pubkey(), world.provider, world.region, world.dave_stack), world.dave
    )
    world.do(*world.calls()["evict_stack"]())
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    claim = client.claim_withdrawal(carol, world.provider, world.tokens(world.carol))
    assert world.do(claim, world.carol).fields == {"amount": balance, "balance": 0}
    alice = world.alice.pubkey()
    for number in (7, 8):
        world.do(client.close_region(alice, number), world.alice)
    assert (
        world.do(client.close_provider(alice, world.tokens(world.alice)), world.alice).fields["refund"]
        == DEPOSIT
    )


def test_a_deposit_that_was_raised_before_a_provider_was_created(world) -> None:
    """Who allowed as much as they had seen pays no more."""
    cluster, owner = world.cluster, world.dave
    create, _ = world.create_provider(owner, "dave")
    world.do(client.update_deposit(world.admin.pubkey(), DEPOSIT + 1), world.admin)
    held = cluster.tokens(world.tokens(owner))
    assert cluster.refusal(create, owner) == "DepositTooHigh"
    assert cluster.tokens(world.tokens(owner)) == held
    world.do(client.update_deposit(world.admin.pubkey(), DEPOSIT - 1), world.admin)
    assert world.do(create, owner).fields["deposit"] == DEPOSIT - 1
    assert cluster.tokens(world.tokens(owner)) == held - (DEPOSIT - 1)


def test_an_escrow_that_is_too_low_by_one(world) -> None:
    """The minima of all regions with live stacks are summed."""
    carol, owner = world.carol.pubkey(), world.carol
    world.do(client.withdraw_escrow(carol, world.provider, 0), owner)
    balance = world.cluster.account(world.escrow).balance
    terms = client.Terms(
        minimum_escrow=balance - MINIMUM + 1,
        max_instructions_per_call=1,
        notice_seconds=NOTICE_SECONDS,
        prices=PRICES,
    )
    world.do(client.create_region(world.alice.pubkey(), 20, "n", "u", terms), world.alice)
    region = region_address(world.provider, 20)[0]
    deploy = client.deploy_stack(carol, world.provider, region, 1, b"m")
    assert world.cluster.refusal(deploy, owner) == "EscrowTooLow"
    world.do(*world.deposit(world.carol, world.escrow, 1))
    world.do(deploy, owner)
    assert world.cluster.account(world.escrow).locked == balance + 1


def test_a_ninth_region(world) -> None:
    """A place is free again when the last stack of a region goes."""
    carol, owner, alice = world.carol.pubkey(), world.carol, world.alice.pubkey()
    terms = client.Terms(
        minimum_escrow=0, max_instructions_per_call=1, notice_seconds=NOTICE_SECONDS, prices=PRICES
    )
    regions = {number: region_address(world.provider, number)[0] for number in range(30, 38)}
    for number in regions:
        world.do(client.create_region(alice, number, "n", "u", terms), world.alice)
    *first, last = regions.values()
    for region in first:
        world.do(client.deploy_stack(carol, world.provider, region, 1, b"m"), owner)
    deploy = client.deploy_stack(carol, world.provider, last, 1, b"m")
    assert world.cluster.refusal(deploy, owner) == "EscrowRegionsFull"
    # Another stack in a region that has a place needs none.
    world.do(client.deploy_stack(carol, world.provider, first[3], 2, b"m"), owner)
    for seed in (1, 2):
        assert world.cluster.refusal(deploy, owner) == "EscrowRegionsFull"
        stack = stack_address(first[3], carol, seed)[0]
        world.do(client.delete_stack(carol, world.provider, first[3], stack), owner)
    world.do(deploy, owner)
    locks = world.cluster.account(world.escrow).locks
    assert [lock.region_number for lock in locks] == [7, 30, 31, 32, 37, 34, 35, 36]


def test_names_of_addresses_that_were_never_created(unchanged_targets) -> None:
    target = unchanged_targets["delete_stack"]
    world, erin = target.world, target.others["erin"]
    stack = stack_address(world.region, erin, 1)[0]
    delete = client.delete_stack(erin, world.provider, world.region, stack)
    assert not target.cluster.exists(escrow_address(world.provider, erin)[0])
    assert target.refusal(delete) == "AccountNotOwned"
    deposit = client.deposit_escrow(
        erin, escrow_address(world.provider, erin)[0], target.others["erin_tokens"], 1
    )
    assert target.refusal(deposit) == "AccountNotOwned"
    close = client.close_usage_report(erin, world.region, usage_report_address(world.stack, 6, 7)[0])
    assert target.refusal(close) == "AccountNotOwned"
    nobodys = provider_address(Pubkey([3] * 32))[0]
    assert target.refusal(client.authorize_provider(target.others["authority"], nobodys)) == "AccountNotOwned"
