"""`mu stack`: what a developer has deployed, what it was charged, and how it is deleted."""

from typing import Any

import click

from cli.cluster import Session, show_transaction
from cli.commands import next_step, session_command, show_document
from cli.deployed import Deployed, find_deployed, service_lines, stack_document
from cli.lookups import ADDRESS_BYTES, FIRST_FIELD_AT, NotPossible, find_account
from cli.money import confirm, yes_option
from cli.output import json_option, printable, step
from cli.tables import counted, moment, span, table
from contract import client as program
from contract.accounts import Escrow, Provider, Region, Stack, StackStatus, UsageReport
from contract.addresses import escrow_address
from mu.marketplace import MemoryFilter


@click.group()
def stack() -> None:
    """What you have deployed."""


@stack.command("list")
@click.option("--region", metavar="REGION", help="Only those in the region of this address.")
@click.option("--all", "everything", is_flag=True, help="Also those that are deleted.")
@json_option
@session_command
async def list_stacks(session: Session, region: str | None, everything: bool, as_json: bool) -> None:
    """List your stacks, by region and name."""
    await session.state()
    filters = [MemoryFilter(FIRST_FIELD_AT + ADDRESS_BYTES, bytes(session.keypair.pubkey()))]
    if region is not None:
        address, _ = await find_account(session, region, Region, "--region")
        filters.append(MemoryFilter(FIRST_FIELD_AT, bytes(address)))
    found = [
        await find_deployed(session, address, one)
        for address, one in await session.marketplace.accounts(Stack, filters)
        if everything or one.status is StackStatus.ACTIVE
    ]
    found.sort(
        key=lambda one: (one.region.name.casefold(), bytes(one.stack.region), one.name, one.stack.seed)
    )
    if as_json:
        show_document({"stacks": [stack_document(one) for one in found]})
    elif not found:
        click.echo(
            "you have no stacks" if everything else "you have no live stacks; --all shows deleted ones"
        )
    else:
        rows = [
            (one.name, str(one.address), printable(one.region.name), str(one.stack.revision), one.status)
            for one in found
        ]
        for line in table(("name", "stack", "region", "revision", "status"), rows, right=("revision",)):
            click.echo(line)


@stack.command()
@click.argument("stack_address", metavar="STACK")
@json_option
@session_command
async def show(session: Session, stack_address: str, as_json: bool) -> None:
    """Show a stack, also one of others.

    Its services, and the usage reports on chain with what they charged.
    """
    address, found = await find_account(session, stack_address, Stack, "STACK")
    one = await find_deployed(session, address, found)
    _, provider = await find_account(session, str(one.region.provider), Provider, "STACK")
    reports = await session.marketplace.accounts(
        UsageReport, [MemoryFilter(FIRST_FIELD_AT + ADDRESS_BYTES, bytes(address))]
    )
    ordered = sorted((report for _, report in reports), key=lambda report: report.first_position)
    charges = [await _charge(session, report) for report in ordered]
    if as_json:
        show_document(
            stack_document(one)
            | {
                "owner": found.owner,
                "provider": one.region.provider,
                "provider_name": provider.name,
                "deleted_at": found.deleted_at,
                "reported_position": found.reported_position,
                "services": [] if one.manifest is None else one.manifest.services,
                "reports": charges,
            }
        )
        return
    step("stack", str(address))
    step("name", one.name if one.manifest is None else f"{one.name}, version {one.manifest.version}")
    step("owner", str(found.owner))
    step("region", f"{printable(one.region.name)}, {found.region}")
    step("provider", f"{printable(provider.name)}, {one.region.provider}")
    step("revision", str(found.revision))
    step("status", one.status + (f" since {moment(found.deleted_at)}" if found.deleted_at else ""))
    label = "services"
    for line in service_lines(one):
        step(label, line)
        label = ""
    step("reported", f"to position {found.reported_position} of the region's log")
    if not charges:
        step("charges", "none on chain; reports are closed some time after they are made")
        return
    click.echo()
    rows = [
        (
            f"{charge['first_position']}-{charge['last_position']}",
            moment(charge["reported_at"]),
            charge["cost"],
            charge["charge"],
            charge["commission"],
        )
        for charge in charges
    ]
    header = ("positions", "reported", "cost", "charged", "of it commission")
    for line in table(header, rows, right=("cost", "charged", "of it commission")):
        click.echo(line)


@stack.command()
@click.argument("stack_address", metavar="STACK")
@yes_option
@json_option
@session_command
async def delete(session: Session, stack_address: str, yes: bool, as_json: bool) -> None:
    """Delete your stack for ever.

    Its last usage is still charged, within the Marketplace's notice.
    """
    address, found = await find_account(session, stack_address, Stack, "STACK")
    own = session.keypair.pubkey()
    if found.owner != own:
        raise NotPossible(
            f"the stack belongs to {found.owner}, not to {own}; choose its keypair by --keypair"
        )
    if found.status is not StackStatus.ACTIVE:
        raise NotPossible(f"the stack is deleted already, since {moment(found.deleted_at)}")
    one = await find_deployed(session, address, found)
    provider = one.region.provider
    escrow_place = escrow_address(provider, own)[0]
    escrow = await session.marketplace.account(escrow_place, Escrow)
    if escrow is None:
        raise NotPossible(f"the stack's escrow {escrow_place} is not there")
    confirm(f"{await _consequences(session, one, escrow)} Delete {one.name} ({address}) for ever?", yes)
    instruction = program.delete_stack(own, provider, found.region, address)
    confirmation = await session.marketplace.send([instruction], session.keypair)
    show_transaction(
        f"stack {one.name} ({address}) deleted",
        confirmation,
        as_json=as_json,
        stack=address,
        region=found.region,
    )
    if as_json:
        return
    notice_seconds = (await session.state()).notice_seconds
    step("usage", f"what it used is still charged, within {span(notice_seconds)}")
    after = await session.marketplace.account(escrow_place, Escrow)
    if after is not None and after.withdrawal:
        following = f"`mu escrow withdraw {provider} --claim` from {moment(after.withdrawal_from)} on"
    else:
        following = f"`mu escrow withdraw {provider} all` asks for what is left"
    next_step(following, as_json=False)


async def _consequences(session: Session, one: Deployed, escrow: Escrow) -> str:
    """What becomes of the money when the stack is deleted, in sentences."""
    notice = span((await session.state()).notice_seconds)
    where = printable(one.region.name)
    sentences = [f"Its last usage is still charged, within {notice}."]
    lock = next(
        (lock for lock in escrow.locks if lock.stack_count and lock.region_number == one.region.number), None
    )
    if lock is not None and lock.stack_count == 1:
        sentences.append(
            f"The minimum of {await session.tokens(lock.minimum)} tokens locked for {where} gets free."
        )
    elif lock is not None:
        others = counted(lock.stack_count - 1, "other stack")
        sentences.append(f"{await session.tokens(lock.minimum)} tokens stay locked for {others} in {where}.")
    if escrow.withdrawal:
        sentences.append(f"The withdrawal that you asked for can be claimed in {notice} at the earliest.")
    return " ".join(sentences)


async def _charge(session: Session, report: UsageReport) -> dict[str, Any]:
    """A usage report, with amounts in whole tokens."""
    return {
        "first_position": report.first_position,
        "last_position": report.last_position,
        "reported_at": report.reported_at,
        "cost": await session.tokens(report.cost),
        "charge": await session.tokens(report.charge),
        "commission": await session.tokens(report.commission),
    }
