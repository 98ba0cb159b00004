"""What is there is not created again, and what was closed does not come back."""

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata
from solders.transaction_status import InstructionErrorCustom, TransactionErrorInstructionError

from contract import client
from contract.addresses import authorizer_address, usage_signer_address
from contract.program_errors import error_of
from tests.contract.attacks import targets
from tests.contract.world import DEPOSIT, NOTICE_SECONDS, TERMS, World

CREATING = ["initialize", "create_provider_authorizer", "create_provider", "create_region", "create_escrow",
            "deploy_stack", "create_request_signer"]  # fmt: skip


@pytest.mark.parametrize("name", CREATING)
def test_nothing_is_created_twice(name: str) -> None:
    target = targets()[name]
    target.cluster.event(target.instruction, *target.keys)
    assert target.refusal(target.instruction) == "AccountExists"


def test_tombstones_keep_their_addresses(unchanged_targets) -> None:
    """Closed providers and regions, deleted stacks: not even lamports that are sent to them change that."""
    target = unchanged_targets["deploy_stack"]
    world, others = target.world, target.others
    frank, alice, carol = world.keys[-1].pubkey(), others["alice"], others["carol"]
    for instruction, address in (
        (
            client.create_provider(
                frank, "f", mint=world.mint, owner_tokens=others["frank_tokens"], max_deposit=DEPOSIT
            ),
            others["closed_provider"],
        ),
        (client.create_region(alice, 6, "n", "u", TERMS), others["closed_region"]),
        (
            client.deploy_stack(carol, world.provider, world.region, 8, b"m"),
            others["deleted_stack"],
        ),
    ):
        assert target.refusal(instruction) == "AccountExists"
        target.cluster.svm.airdrop(address, 10**9)
        assert target.refusal(instruction) == "AccountExists"


def test_a_closed_reports_positions_are_not_charged_again(world) -> None:
    close = client.close_usage_report(world.signer.pubkey(), world.region, world.report)
    world.do(close, world.signer)
    assert not world.cluster.exists(world.report)
    instruction, signer = world.update_usage(1, 5)
    assert world.cluster.refusal(instruction, signer) == "PositionsInvalid"
    assert world.cluster.refusal(close, signer) == "AccountNotOwned"


def revival(world: World, kind: str) -> tuple[Pubkey, Instruction, Instruction, Keypair]:
    """An account that can be closed: its address, what closes it, what uses it, and who signs for both."""
    match kind:
        case "authorizer":
            close = client.remove_provider_authorizer(world.admin.pubkey(), world.authority.pubkey())
            use = client.revoke_provider(world.authority.pubkey(), world.provider)
            return authorizer_address(world.authority.pubkey())[0], close, use, world.authority
        case "usage signer":
            close = client.revoke_usage_signer(world.alice.pubkey(), 7)
            use, signer = world.update_usage()
            assert signer is not None
            return usage_signer_address(world.region)[0], close, use, signer
        case _:
            close = client.close_usage_report(world.signer.pubkey(), world.region, world.report)
            return world.report, close, close, world.signer


@pytest.mark.parametrize("refunded", [False, True])
@pytest.mark.parametrize("kind", ["authorizer", "usage signer", "usage report"])
def test_closed_accounts_are_not_revived(world, kind: str, refunded: bool) -> None:
    """Neither in the transaction that closes them, nor after it, whoever sends lamports to them."""
    cluster = world.cluster
    address, close, use, _ = revival(world, kind)
    payer = world.erin.pubkey()
    refund = [transfer(TransferParams(from_pubkey=payer, to_pubkey=address, lamports=10**8))] * refunded
    before = cluster.svm.get_account(address)
    together = cluster.result_together([close, *refund, use], *world.keys)
    assert isinstance(together, FailedTransactionMetadata)
    error = together.err()
    assert isinstance(error, TransactionErrorInstructionError)
    assert (error.index, isinstance(error.err, InstructionErrorCustom)) == (1 + refunded, True)
    assert type(error_of(error.err.code)).__name__ == "AccountNotOwned"
    assert cluster.svm.get_account(address) == before

    alone = cluster.result_together([close, *refund], *world.keys)
    assert isinstance(alone, TransactionMetadata), alone
    left = cluster.svm.get_account(address)
    if refunded:
        assert (left.lamports, left.data, left.owner) == (10**8, b"", Pubkey.default())
    else:
        assert not cluster.exists(address)
    assert cluster.refusal(use, *world.keys) == "AccountNotOwned"


@pytest.mark.parametrize("refunded", [False, True])
def test_what_was_closed_can_be_created_again(world, refunded: bool) -> None:
    cluster, admin, authority = world.cluster, world.admin, world.authority
    for close, create, address in (
        (
            client.remove_provider_authorizer(admin.pubkey(), authority.pubkey()),
            client.create_provider_authorizer(admin.pubkey(), authority.pubkey()),
            authorizer_address(authority.pubkey())[0],
        ),
        (
            client.revoke_usage_signer(world.alice.pubkey(), 7),
            client.create_usage_signer(
                world.alice.pubkey(), 7, world.signer.pubkey(), cluster.time() + NOTICE_SECONDS
            ),
            usage_signer_address(world.region)[0],
        ),
    ):
        cluster.event(close, *world.keys)
        if refunded:
            cluster.svm.airdrop(address, 10**9)
        cluster.event(create, *world.keys)
        cluster.account(address)
    world.do(*world.update_usage())


def test_a_report_that_is_closed_and_made_in_one_transaction(world) -> None:
    """The stack's position has gone on, whatever becomes of the report."""
    close = client.close_usage_report(world.signer.pubkey(), world.region, world.report)
    again, _ = world.update_usage(1, 5)
    before = world.cluster.account(world.escrow)
    result = world.cluster.result_together([close, again], *world.keys)
    assert isinstance(result, FailedTransactionMetadata)
    assert world.cluster.account(world.escrow) == before
