"""`mu escrow`: what a client prepays to a provider, and how it comes back."""

from typing import Any

import click

from cli import withdrawal
from cli.cluster import Session, show_transaction
from cli.commands import next_step, outcome, require_tokens, session_command, show_document
from cli.holdings import TOO_LITTLE, Holding, own_escrow, own_escrows, word
from cli.lookups import NotPossible, find_provider, regions_of, require_authorized
from cli.money import confirm, yes_option
from cli.output import json_option, printable, step
from cli.tables import counted, moment, span
from contract import client as program
from contract.accounts import Escrow, ProviderStatus
from contract.addresses import escrow_address, region_address
from contract.errors import InvalidInput
from events.catalogue import EscrowSynced


@click.group()
def escrow() -> None:
    """What you prepay to a provider, and how it comes back."""


@escrow.command()
@click.argument("provider")
@json_option
@session_command
async def create(session: Session, provider: str, as_json: bool) -> None:
    """Open an escrow with PROVIDER.

    It is an address, or a name that no other provider has. It costs the rent of two accounts, in SOL.
    """
    address, seller = await find_provider(session, provider)
    require_authorized(seller, "it takes no new escrows")
    client = session.keypair.pubkey()
    place = escrow_address(address, client)[0]
    if await session.marketplace.account(place, Escrow) is not None:
        raise NotPossible(f"you have an escrow with {printable(seller.name)} already: {place}")
    instruction = program.create_escrow(client, address, mint=(await session.state()).mint)
    confirmation = await session.marketplace.send([instruction], session.keypair)
    show_transaction(
        f"escrow {place}, with {printable(seller.name)}",
        confirmation,
        as_json=as_json,
        escrow=place,
        provider=address,
    )
    next_step(f"`mu escrow deposit {word(provider)} AMOUNT` puts tokens into it", as_json=as_json)


@escrow.command()
@click.argument("provider")
@click.argument("amount")
@yes_option
@json_option
@session_command
async def deposit(session: Session, provider: str, amount: str, yes: bool, as_json: bool) -> None:
    """Move AMOUNT tokens into your escrow with PROVIDER.

    The escrow is opened in the same transaction if need be.
    """
    address, seller = await find_provider(session, provider)
    base_units = await session.base_units(amount, "AMOUNT")
    if base_units == 0:
        raise InvalidInput("AMOUNT", "must be more than 0")
    client, own_tokens = session.keypair.pubkey(), await session.own_tokens()
    place = escrow_address(address, client)[0]
    missing = await session.marketplace.account(place, Escrow) is None
    if missing:
        require_authorized(seller, "it takes no new escrows")
    await require_tokens(session, base_units, f"the deposit is {await session.tokens(base_units)}")
    confirm(
        f"Deposit {await session.tokens(base_units)} tokens from {own_tokens} into "
        f"{'a new' if missing else 'your'} escrow with {printable(seller.name)} ({address})"
        f"{'' if seller.status is ProviderStatus.AUTHORIZED else ', which is not authorized to sell now'}?",
        yes,
    )
    instructions = [program.deposit_escrow(client, place, own_tokens, base_units)]
    if missing:
        mint = (await session.state()).mint
        instructions.insert(0, program.create_escrow(client, address, mint=mint))
    confirmation = await session.marketplace.send(instructions, session.keypair)
    balance = (await own_escrow(session, provider)).escrow.balance
    show_transaction(
        f"{await session.tokens(base_units)} tokens into {'the new ' if missing else ''}escrow {place}",
        confirmation,
        as_json=as_json,
        escrow=place,
        provider=address,
        created=missing,
        amount=await session.tokens(base_units),
        balance=await session.tokens(balance),
    )
    if not as_json:
        step("balance", await session.tokens(balance))
    next_step(
        "`mu list regions` shows where stacks can be deployed, `mu escrow show` what is left", as_json=as_json
    )


@escrow.command()
@click.argument("provider")
@click.argument("amount", required=False)
@click.option("--claim", is_flag=True, help="Have paid out what was asked for, after the notice.")
@click.option("--cancel", is_flag=True, help="Take back what was asked for.")
@json_option
@session_command
async def withdraw(
    session: Session, provider: str, amount: str | None, claim: bool, cancel: bool, as_json: bool
) -> None:
    """Get tokens back out of your escrow with PROVIDER.

    AMOUNT (or `all`) asks for them, --claim pays them out after the notice. Another AMOUNT replaces the one
    asked for before, and its notice begins anew.
    """
    if (amount is not None) + claim + cancel != 1:
        raise InvalidInput("AMOUNT", "give either an AMOUNT to ask for, or --claim, or --cancel")
    holding = await own_escrow(session, provider)
    if amount is not None:
        await withdrawal.ask(session, holding, amount, as_json)
    elif not holding.escrow.withdrawal:
        raise NotPossible(
            f"no withdrawal was asked for: `mu escrow withdraw {holding.named} AMOUNT` asks for one"
        )
    elif claim:
        await withdrawal.claim(session, holding, as_json)
    else:
        await withdrawal.cancel(session, holding, as_json)


@escrow.command()
@click.argument("provider", required=False)
@json_option
@session_command
async def show(session: Session, provider: str | None, as_json: bool) -> None:
    """Show your escrow with PROVIDER, or all of yours."""
    if provider is not None:
        holdings = [await own_escrow(session, provider)]
    else:
        await session.state()
        holdings = await own_escrows(session)
    documents = [await _document(session, holding) for holding in holdings]
    if as_json:
        show_document({"escrows": documents} if provider is None else documents[0])
        return
    if not documents:
        click.echo("you have no escrow; `mu escrow deposit PROVIDER AMOUNT` opens one")
        return
    now = await session.marketplace.unix_time()
    for index, (holding, document) in enumerate(zip(holdings, documents, strict=True)):
        if index:
            click.echo()
        _show(holding, document, now)


async def _document(session: Session, holding: Holding) -> dict[str, Any]:
    """What is shown of an escrow; amounts in whole tokens, as text."""
    escrow = holding.escrow
    vault = await session.marketplace.token_account(escrow.vault)
    live = [lock for lock in escrow.locks if lock.stack_count]
    regions = await regions_of(session, escrow.provider) if live else {}
    return {
        "escrow": holding.address,
        "provider": escrow.provider,
        "provider_name": holding.provider.name,
        "provider_status": holding.provider.status.value.lower(),
        "balance": await session.tokens(escrow.balance),
        "locked": await session.tokens(escrow.locked),
        "locks": [
            {
                "region": region_address(escrow.provider, lock.region_number)[0],
                "name": regions[lock.region_number][1].name if lock.region_number in regions else "",
                "stacks": lock.stack_count,
                "minimum": await session.tokens(lock.minimum),
            }
            for lock in sorted(live, key=lambda lock: lock.region_number)
        ],
        "available_for_stacks": await session.tokens(holding.available),
        "withdrawal": await session.tokens(escrow.withdrawal),
        "withdrawal_from": escrow.withdrawal_from,
        "claimable": await session.tokens(holding.claimable),
        "unrecorded": await session.tokens(max(0, (0 if vault is None else vault.amount) - escrow.balance)),
    }


def _show(holding: Holding, document: dict[str, Any], now: int) -> None:
    escrow = holding.escrow
    status = document["provider_status"]
    suffix = "" if status == "authorized" else f", {status}"
    step("provider", f"{holding.name}, {escrow.provider}{suffix}")
    step("escrow", str(holding.address))
    step("balance", document["balance"])
    step("locked", document["locked"])
    for lock in document["locks"]:
        where = f"{printable(lock['name'])}, {lock['region']}".removeprefix(", ")
        step("", f"{lock['minimum']} for {counted(lock['stacks'], 'stack')} in {where}")
    asked = ", without what was asked for" if escrow.withdrawal else ""
    step("available", f"{document['available_for_stacks']} for stacks{asked}")
    if escrow.locked > holding.available:
        step("", f"that is less than is locked: {TOO_LITTLE}")
        step("", f"`mu escrow deposit {holding.named} AMOUNT` adds to it")
    if escrow.locked > escrow.balance:
        step("", "the provider may delete the stacks, as even the balance is less than is locked")
    if escrow.withdrawal:
        remaining = escrow.withdrawal_from - now
        when = f"claimable from {moment(escrow.withdrawal_from)} on, in {span(remaining)}"
        ready = f"`mu escrow withdraw {holding.named} --claim` pays out {document['claimable']}"
        step("withdrawal", f"{document['withdrawal']}, {when if remaining > 0 else ready}")
    if document["unrecorded"] != "0":
        unrecorded = document["unrecorded"]
        step("unrecorded", f"{unrecorded} was sent to it; `mu escrow sync {holding.named}` adds it")


@escrow.command()
@click.argument("provider")
@json_option
@session_command
async def sync(session: Session, provider: str, as_json: bool) -> None:
    """Add tokens that were sent without `deposit`.

    They lie in the token account of your escrow with PROVIDER, but not in its balance.
    """
    holding = await own_escrow(session, provider)
    before = holding.escrow
    vault = await session.marketplace.token_account(before.vault)
    if vault is None or vault.amount <= before.balance:
        raise NotPossible(f"all tokens of the escrow with {holding.name} are in its balance already")
    confirmation = await session.marketplace.send([program.sync_escrow(holding.address)], session.keypair)
    synced = await outcome(session, confirmation, EscrowSynced)
    added, balance = await session.tokens(synced.amount), await session.tokens(synced.balance)
    show_transaction(
        f"{added} tokens added to the balance of escrow {holding.address}",
        confirmation,
        as_json=as_json,
        escrow=holding.address,
        amount=added,
        balance=balance,
    )
    if not as_json:
        step("balance", balance)
