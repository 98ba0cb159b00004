"""Rules of time, at the second before, at, and after: notices, grace, validity, the change of terms."""

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair

from contract import client
from contract.accounts import StackStatus
from contract.addresses import usage_signer_address
from tests.contract.attacks import with_fields
from tests.contract.world import (
    MINIMUM,
    NOTICE_SECONDS,
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
URL = "https://north.example"
LAST_SECOND = 2**63 - 1


def claim(world: World) -> tuple[Instruction, Keypair]:
    instruction = client.claim_withdrawal(world.carol.pubkey(), world.provider, world.tokens(world.carol))
    return instruction, world.carol


def withdraw(world: World, amount: int) -> client.ProgramEvent:
    return world.do(client.withdraw_escrow(world.carol.pubkey(), world.provider, amount), world.carol)


def delete(world: World) -> client.ProgramEvent:
    carol = world.carol.pubkey()
    return world.do(client.delete_stack(carol, world.provider, world.region, world.stack), world.carol)


def update_region(world: World, terms: client.Terms, base_url: str = URL) -> client.ProgramEvent:
    return world.do(client.update_region(world.alice.pubkey(), 7, base_url, terms), world.alice)


def test_a_withdrawals_notice(world) -> None:
    cluster = world.cluster
    event = withdraw(world, TOKEN)
    due = cluster.time() + NOTICE_SECONDS
    assert event.fields["claimable_from"] == due
    for time in (due - NOTICE_SECONDS, due - 1):
        cluster.set_time(time)
        assert cluster.refusal(*claim(world)) == "NoticeNotOver"
    cluster.set_time(due)
    world.do(*claim(world))
    assert cluster.refusal(*claim(world)) == "NothingToWithdraw"


def test_a_withdrawal_long_after_its_notice(world) -> None:
    world.cluster.set_time(world.cluster.time() + 10**9)
    world.do(*claim(world))


@pytest.mark.parametrize("amount", [1, TOKEN, 2 * TOKEN])
def test_a_withdrawal_in_the_place_of_another_waits_again(world, amount: int) -> None:
    withdraw(world, amount)
    assert world.cluster.account(world.escrow).withdrawal == amount
    assert world.cluster.refusal(*claim(world)) == "NoticeNotOver"


def test_a_withdrawal_that_is_taken_back(world) -> None:
    event = withdraw(world, 0)
    assert event.fields == {"amount": 0, "claimable_from": 0}
    escrow = world.cluster.account(world.escrow)
    assert (escrow.withdrawal, escrow.withdrawal_from) == (0, 0)
    assert world.cluster.refusal(*claim(world)) == "NothingToWithdraw"
    again = client.withdraw_escrow(world.carol.pubkey(), world.provider, 0)
    assert world.cluster.refusal(again, world.carol) == "NothingChanges"


def test_only_what_is_not_locked_is_paid(world) -> None:
    cluster = world.cluster
    balance = cluster.account(world.escrow).balance
    withdraw(world, balance)
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    before = cluster.tokens(world.tokens(world.carol))
    event = world.do(*claim(world))
    assert event.fields == {"amount": balance - MINIMUM, "balance": MINIMUM}
    assert cluster.tokens(world.tokens(world.carol)) - before == balance - MINIMUM
    escrow = cluster.account(world.escrow)
    assert (escrow.withdrawal, escrow.withdrawal_from, escrow.locked) == (0, 0, MINIMUM)
    # All the rest is locked, and no further notice changes that.
    withdraw(world, 1)
    cluster.set_time(cluster.time() + 2 * NOTICE_SECONDS)
    assert cluster.refusal(*claim(world)) == "NothingToWithdraw"


def test_a_balance_below_what_is_locked(world) -> None:
    """Charges do not stop at the minimum."""
    cluster = world.cluster
    cluster.plant(world.escrow, with_fields(cluster.data(world.escrow), balance=MINIMUM - 1))
    assert cluster.refusal(*claim(world)) == "NothingToWithdraw"


def test_a_deletion_makes_a_withdrawal_wait_again(world) -> None:
    cluster = world.cluster
    deleted_at = cluster.time()
    event = delete(world)
    due = deleted_at + NOTICE_SECONDS
    assert (event.fields["withdrawal_from"], event.fields["deleted_at"]) == (due, deleted_at)
    assert cluster.account(world.escrow).withdrawal_from == due
    cluster.set_time(due - 1)
    assert cluster.refusal(*claim(world)) == "NoticeNotOver"
    cluster.set_time(due)
    world.do(*claim(world))


def test_a_deletion_never_brings_a_withdrawal_forward(world) -> None:
    cluster, due = world.cluster, world.cluster.time() + 5 * NOTICE_SECONDS
    cluster.plant(world.escrow, with_fields(cluster.data(world.escrow), withdrawal_from=due))
    assert delete(world).fields["withdrawal_from"] == due


def test_a_deletion_without_a_withdrawal(world) -> None:
    withdraw(world, 0)
    assert delete(world).fields["withdrawal_from"] == 0
    assert world.cluster.account(world.escrow).withdrawal_from == 0


@pytest.mark.parametrize(
    ("after_seconds", "refusal"),
    [(0, None), (NOTICE_SECONDS - 1, None), (NOTICE_SECONDS, "GraceIsOver"), (10**9, "GraceIsOver")],
)
def test_the_grace_of_a_deleted_stack(world, after_seconds: int, refusal: str | None) -> None:
    cluster = world.cluster
    cluster.set_time(cluster.time() + 10)
    delete(world)
    ends_at = cluster.time() + 2 * 10**9
    world.do(client.create_usage_signer(world.alice.pubkey(), 7, world.signer.pubkey(), ends_at), world.alice)
    cluster.set_time(cluster.time() + after_seconds)
    instruction, signer = world.update_usage()
    if refusal is not None:
        assert cluster.refusal(instruction, signer) == refusal
        assert cluster.account(world.stack).status is StackStatus.DELETED
        return
    assert world.do(instruction, signer).fields["charge"] == USAGE_COST
    assert cluster.account(world.stack).status is StackStatus.SETTLED
    second, signer = world.update_usage(10, 11)
    assert cluster.refusal(second, signer) == "StackIsSettled"
    assert cluster.refusal(instruction, signer) == "StackIsSettled"


@pytest.mark.parametrize("claims_first", [True, False])
def test_the_grace_ends_at_the_second_from_which_a_withdrawal_can_be_claimed(
    world, claims_first: bool
) -> None:
    """In either order: the last report is refused, so the whole balance is claimed."""
    cluster = world.cluster
    balance = cluster.account(world.escrow).balance
    withdraw(world, balance)
    delete(world)
    due = cluster.time() + NOTICE_SECONDS
    report, signer = world.update_usage()
    cluster.set_time(due - 1)
    assert cluster.refusal(*claim(world)) == "NoticeNotOver"
    assert cluster.simulated(report, signer) is not None
    cluster.set_time(due)
    if claims_first:
        assert world.do(*claim(world)).fields == {"amount": balance, "balance": 0}
    assert cluster.refusal(report, signer) == "GraceIsOver"
    if not claims_first:
        assert world.do(*claim(world)).fields == {"amount": balance, "balance": 0}


def close_region(world: World) -> None:
    """Closes region 7, whose stacks go first."""
    delete(world)
    dave = world.dave
    world.do(client.delete_stack(dave.pubkey(), world.provider, world.region, world.dave_stack), dave)
    world.do(*world.calls()["evict_stack"]())
    world.do(client.close_region(world.alice.pubkey(), 7), world.alice)


def test_a_closed_region_still_takes_last_reports(world) -> None:
    cluster = world.cluster
    close_region(world)
    assert world.do(*world.update_usage()).fields["charge"] == USAGE_COST
    world.do(client.close_usage_report(world.signer.pubkey(), world.region, world.report), world.signer)
    assert cluster.account(world.stack).reported_position == 9


@pytest.mark.parametrize("revoked", [False, True])
def test_a_closed_region_gets_another_usage_signer_for_its_last_reports(world, revoked: bool) -> None:
    """In the place of one that is lost or no longer valid, or where there is none."""
    cluster, alice, dave = world.cluster, world.alice, world.dave
    close_region(world)
    if revoked:
        world.do(client.revoke_usage_signer(alice.pubkey(), 7), alice)
    create = client.create_usage_signer(alice.pubkey(), 7, dave.pubkey(), cluster.time() + 5)
    assert world.do(create, alice).fields["signer"] == str(dave.pubkey())
    world.signer = dave
    assert world.do(*world.update_usage()).fields["charge"] == USAGE_COST
    world.do(client.revoke_usage_signer(alice.pubkey(), 7), alice)
    assert not cluster.exists(usage_signer_address(world.region)[0])


def test_the_validity_of_a_usage_signer(world) -> None:
    cluster, now = world.cluster, world.cluster.time()
    create = client.create_usage_signer(world.alice.pubkey(), 7, world.signer.pubkey(), now + 3)
    event = world.do(create, world.alice)
    assert (event.fields["valid_from"], event.fields["valid_to"]) == (now, now + 3)
    position = 6
    for time, valid in ((now - 1, False), (now, True), (now + 2, True), (now + 3, False), (now + 9, False)):
        cluster.set_time(time)
        instruction, signer = world.update_usage(position, position)
        if valid:
            world.do(instruction, signer)
            position += 1
        else:
            assert cluster.refusal(instruction, signer) == "UsageSignerExpired"


def test_a_new_usage_signer_takes_the_place_of_the_old_one(world) -> None:
    cluster, alice = world.cluster, world.alice
    rent = cluster.balance(usage_signer_address(world.region)[0])
    ends_at = cluster.time() + 5
    world.do(client.create_usage_signer(alice.pubkey(), 7, world.dave.pubkey(), ends_at), alice)
    assert cluster.balance(usage_signer_address(world.region)[0]) == rent
    assert cluster.account(usage_signer_address(world.region)[0]).signer == world.dave.pubkey()
    instruction, signer = world.update_usage()
    assert cluster.refusal(instruction, signer) == "NotTheUsageSigner"
    world.signer = world.dave
    world.do(*world.update_usage())
    world.do(client.revoke_usage_signer(alice.pubkey(), 7), alice)
    instruction, signer = world.update_usage(10, 11)
    assert cluster.refusal(instruction, signer) == "AccountNotOwned"


def test_the_old_signer_still_closes_their_reports(world) -> None:
    alice, dave = world.alice, world.dave
    create = client.create_usage_signer(alice.pubkey(), 7, dave.pubkey(), world.cluster.time() + 5)
    world.do(create, alice)
    others = client.close_usage_report(dave.pubkey(), world.region, world.report)
    assert world.cluster.refusal(others, dave) == "NotTheOwner"
    world.do(client.close_usage_report(world.signer.pubkey(), world.region, world.report), world.signer)


def test_when_a_report_can_be_closed(world) -> None:
    cluster, region = world.cluster, world.region
    reported_at = cluster.account(world.report).reported_at
    close = client.close_usage_report(world.signer.pubkey(), region, world.report)
    for time in (reported_at - 1, reported_at, reported_at + NOTICE_SECONDS - 1):
        cluster.set_time(time)
        assert cluster.refusal(close, world.signer) == "NoticeNotOver"
    cluster.set_time(reported_at + NOTICE_SECONDS)
    world.do(close, world.signer)


def test_a_clock_at_its_end(world) -> None:
    """What cannot be dated is refused."""
    cluster = world.cluster
    cluster.set_time(LAST_SECOND)
    carol, alice = world.carol.pubkey(), world.alice.pubkey()
    for instruction in (
        client.withdraw_escrow(carol, world.provider, 1),
        client.delete_stack(carol, world.provider, world.region, world.stack),
        client.update_region(alice, 7, URL, DOUBLED),
    ):
        assert cluster.refusal(instruction, *world.keys) == "CounterExhausted"
    validity = client.create_usage_signer(alice, 7, world.signer.pubkey(), LAST_SECOND)
    assert cluster.refusal(validity, world.alice) == "ValidityInvalid"
    cluster.set_time(LAST_SECOND - TERMS.notice_seconds)
    assert update_region(world, DOUBLED).fields["next_from"] == LAST_SECOND
