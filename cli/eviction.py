"""`mu provider evict`: deletes a stack of another whose escrow does not hold what it locks."""

import click
from solders.rent import Rent
from solders.system_program import TransferParams, transfer

from cli.cluster import Session, show_transaction
from cli.commands import next_step, session_command
from cli.deployed import find_deployed
from cli.lookups import NotPossible, find_account
from cli.money import confirm, yes_option
from cli.output import json_option, step
from cli.own_provider import own_provider
from cli.tables import moment, span
from contract import client as program
from contract.accounts import Escrow, Stack, StackStatus
from contract.addresses import escrow_address


@click.command()
@click.argument("stack_address", metavar="STACK")
@yes_option
@json_option
@session_command
async def evict(session: Session, stack_address: str, yes: bool, as_json: bool) -> None:
    """Delete a stack whose owner's escrow holds less than is locked.

    STACK is an address. It is deleted for ever, as if by its owner; its last usage can still be charged.
    """
    provider, _ = await own_provider(session)
    address, found = await find_account(session, stack_address, Stack, "STACK")
    one = await find_deployed(session, address, found)
    if one.region.provider != provider:
        raise NotPossible(
            f"the stack is in a region of the provider {one.region.provider}, and yours is {provider}; "
            "choose its owner's keypair by --keypair"
        )
    if found.status is not StackStatus.ACTIVE:
        raise NotPossible(f"the stack is deleted already, since {moment(found.deleted_at)}")
    place, _ = escrow_address(provider, found.owner)
    escrow = await session.marketplace.account(place, Escrow)
    if escrow is None:
        raise NotPossible(f"the stack's escrow {place} is not there")
    balance, locked = await session.tokens(escrow.balance), await session.tokens(escrow.locked)
    if escrow.balance >= escrow.locked:
        raise NotPossible(
            f"the escrow of {found.owner} suffices: it holds {balance} tokens, and {locked} are locked; "
            "only the owner may delete the stack"
        )
    confirm(
        f"The escrow {place} of {found.owner} holds {balance} tokens, and {locked} are locked. "
        f"Delete their stack {one.name} ({address}) for ever?",
        yes,
    )
    own = session.keypair.pubkey()
    instructions = [program.evict_stack(own, provider, found.region, found.owner, address)]
    if not await session.marketplace.lamports(found.owner):
        # A cluster lets no account have less than its rent, and an empty one would, with the rent it gets back.
        least = Rent.default().minimum_balance(0)
        gift = TransferParams(from_pubkey=own, to_pubkey=found.owner, lamports=least)
        instructions.insert(0, transfer(gift))
    confirmation = await session.marketplace.send(instructions, session.keypair)
    show_transaction(
        f"stack {one.name} ({address}) of {found.owner} deleted",
        confirmation,
        as_json=as_json,
        stack=address,
        region=found.region,
        owner=found.owner,
        escrow=place,
        balance=balance,
        locked=locked,
    )
    if as_json:
        return
    notice_seconds = (await session.state()).notice_seconds
    step("usage", f"what it used can still be charged, within {span(notice_seconds)}")
    next_step(f"`mu provider region close {one.region.number}`, once no stack is live in it", as_json=False)
