"""What is asked for is no cover: a withdrawal that waits, or can be claimed already, carries no stacks."""

import msgspec
import pytest
from solders.instruction import Instruction

from contract import client
from tests.contract.world import MINIMUM, NOTICE_SECONDS, TERMS, TOKEN, World


def withdraw(world: World, amount: int) -> Instruction:
    return client.withdraw_escrow(world.carol.pubkey(), world.provider, amount)


def claim(world: World) -> Instruction:
    return client.claim_withdrawal(world.carol.pubkey(), world.provider, world.tokens(world.carol))


def deploy(world: World) -> Instruction:
    return client.deploy_stack(world.carol.pubkey(), world.provider, world.region, 2, b"m")


def update(world: World) -> Instruction:
    return client.update_stack(world.carol.pubkey(), world.provider, world.region, world.stack, b"m")


def balance_of(world: World) -> int:
    escrow = world.cluster.account(world.escrow)
    assert isinstance(escrow, client.Escrow)
    return escrow.balance


def test_nothing_is_asked_for_beyond_the_balance(world) -> None:
    """Else a request that waits since long ago would pay out at once what is deposited today."""
    cluster, balance = world.cluster, balance_of(world)
    before = cluster.account(world.escrow)
    for amount in (balance + 1, 2**64 - 1):
        assert cluster.refusal(withdraw(world, amount), world.carol) == "TokensInsufficient"
    assert cluster.account(world.escrow) == before
    world.do(withdraw(world, balance), world.carol)
    assert cluster.account(world.escrow).withdrawal == balance


def test_tokens_in_the_vault_that_are_not_recorded_cannot_be_asked_for(world) -> None:
    cluster, dave = world.cluster, world.dave
    balance = cluster.account(world.dave_escrow).balance
    more = client.withdraw_escrow(dave.pubkey(), world.provider, balance + 1)
    assert cluster.refusal(more, dave) == "TokensInsufficient"
    world.do(client.sync_escrow(world.dave_escrow))
    world.do(more, dave)


def test_an_empty_escrow_is_asked_for_nothing(world) -> None:
    erin = world.erin
    world.do(*world.create_escrow(erin, world.provider))
    ask = client.withdraw_escrow(erin.pubkey(), world.provider, 1)
    assert world.cluster.refusal(ask, erin) == "TokensInsufficient"


def test_a_later_deposit_is_no_part_of_a_withdrawal_whose_notice_is_over(world) -> None:
    cluster, carol, balance = world.cluster, world.carol, balance_of(world)
    world.do(withdraw(world, balance), carol)
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    later = 30 * TOKEN
    world.do(*world.deposit(carol, world.escrow, later))
    # The deposit covers new stacks, since it cannot be claimed.
    world.do(deploy(world), carol)
    assert world.do(claim(world), carol).fields == {"amount": balance, "balance": later}
    assert cluster.refusal(claim(world), carol) == "NothingToWithdraw"


def test_a_later_deposit_is_no_part_of_one_that_charges_have_left_above_the_balance(world) -> None:
    cluster, carol = world.cluster, world.carol
    world.do(withdraw(world, balance_of(world)), carol)
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    world.do(*world.update_usage())
    left = balance_of(world)
    world.do(*world.deposit(carol, world.escrow, 30 * TOKEN))
    assert cluster.account(world.escrow).withdrawal == left
    assert world.do(claim(world), carol).fields["amount"] <= left


def test_the_dodge_of_a_notice(world) -> None:
    """Ask, wait, deposit, deploy, use, and claim before the report: what is locked stays, whatever is claimed."""
    cluster, carol, balance = world.cluster, world.carol, balance_of(world)
    world.do(withdraw(world, balance), carol)
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    for instruction in (deploy(world), update(world)):
        assert cluster.refusal(instruction, carol) == "EscrowTooLow"
    world.do(*world.deposit(carol, world.escrow, MINIMUM - 1))
    for instruction in (deploy(world), update(world)):
        assert cluster.refusal(instruction, carol) == "EscrowTooLow"
    world.do(*world.deposit(carol, world.escrow, 1))
    world.do(deploy(world), carol)
    world.do(claim(world), carol)
    escrow = cluster.account(world.escrow)
    assert escrow.balance == escrow.locked == MINIMUM


@pytest.mark.parametrize("matured", [False, True])
@pytest.mark.parametrize(("spared", "refusal"), [(-1, "EscrowTooLow"), (0, None), (1, None)])
def test_what_is_left_beside_the_request_must_cover(
    world, matured: bool, spared: int, refusal: str | None
) -> None:
    cluster, carol = world.cluster, world.carol
    world.do(withdraw(world, balance_of(world) - MINIMUM - spared), carol)
    cluster.set_time(cluster.time() + matured * NOTICE_SECONDS)
    for instruction in (deploy(world), update(world)):
        if refusal is None:
            world.do(instruction, carol)
        else:
            assert cluster.refusal(instruction, carol) == refusal
    # Taken back, it covers again.
    world.do(withdraw(world, 0), carol)
    world.do(update(world), carol)


def test_a_request_above_what_charges_left(world) -> None:
    """The difference stops at zero, which covers a minimum of zero alone."""
    cluster, carol, alice = world.cluster, world.carol, world.alice
    world.do(withdraw(world, balance_of(world)), carol)
    world.do(*world.update_usage())
    assert cluster.account(world.escrow).withdrawal > balance_of(world)
    assert cluster.refusal(update(world), carol) == "EscrowTooLow"
    free = msgspec.structs.replace(TERMS, minimum_escrow=0)
    world.do(client.update_region(alice.pubkey(), 7, "https://north.example", free), alice)
    cluster.set_time(cluster.time() + TERMS.notice_seconds)
    world.do(update(world), carol)
    balance = balance_of(world)
    assert world.do(claim(world), carol).fields == {"amount": balance, "balance": 0}
