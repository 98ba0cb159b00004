"""`mu list`: who sells regions, what there is to buy, and what a month would cost there."""

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec
from solders.pubkey import Pubkey

from cli.cluster import Session
from cli.commands import session_command, show_document
from cli.output import json_option, printable
from cli.region_text import region_document, region_lines
from cli.tables import moment, table
from contract.accounts import Provider, ProviderStatus, Region, RegionStatus
from contract.terms import Usage
from mu.estimate import Estimate, MonthlyUsage, estimate, parse_bytes, parse_count, usage_of
from mu.token_amount import format_tokens

Command = Callable[..., Any]

USAGE_OPTIONS: tuple[tuple[str, str, Callable[[str, str], int], str], ...] = (
    ("--requests", "requests", parse_count, "Requests a month."),
    ("--instructions-per-request", "instructions_per_request", parse_count, "Of the function that answers."),
    ("--megabytes-per-request", "megabytes_per_request", parse_count, "Memory of the function, in MiB."),
    ("--traffic", "traffic_bytes", parse_bytes, "Size of all requests and answers of a month."),
    ("--database", "database_bytes", parse_bytes, "Kept in tables all month."),
    ("--reads", "reads", parse_count, "Reads of tables a month."),
    ("--writes", "writes", parse_count, "Writes to tables a month; an atomic one counts twice."),
    ("--storage", "storage_bytes", parse_bytes, "Kept in storage boxes all month."),
    ("--storage-read", "storage_bytes_read", parse_bytes, "Read from boxes a month."),
    ("--storage-written", "storage_bytes_written", parse_bytes, "Written to boxes a month."),
)
"""Each option, its field of `MonthlyUsage`, its parser, and its help."""


class Offer(msgspec.Struct, frozen=True):
    """A region, its provider, and what a month costs in it."""

    address: Pubkey
    region: Region
    provider: Provider
    estimate: Estimate

    @property
    def open(self) -> bool:
        """Whether stacks can be deployed to it."""
        return self.region.status is RegionStatus.LIVE and self.provider.status is ProviderStatus.AUTHORIZED

    @property
    def names(self) -> tuple[str, str, int]:
        """What offers are sorted by where no month was described."""
        return self.region.name.casefold(), self.provider.name.casefold(), self.region.number

    def can_run(self, instructions: int) -> bool:
        """Whether a call may take so many instructions."""
        return instructions <= self.estimate.terms.max_instructions_per_call


@click.group("list")
def listing() -> None:
    """What the Marketplace offers."""


def usage_options(command: Command) -> Command:
    """The options that describe a month; the command gets them as `month`, None where none was given."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **others: Any) -> Any:
        given = {
            field: parse(text, option)
            for option, field, parse, _ in USAGE_OPTIONS
            if (text := others.pop(field)) is not None
        }
        return command(*arguments, month=MonthlyUsage(**given) if given else None, **others)

    for option, field, parse, text in reversed(USAGE_OPTIONS):
        metavar = "SIZE" if parse is parse_bytes else "COUNT"
        wrapped = click.option(option, field, metavar=metavar, help=text)(wrapped)
    return wrapped


@listing.command()
@click.option("--search", metavar="TEXT", default="", help="Only those with TEXT in their name.")
@click.option("--all", "everything", is_flag=True, help="Also those that are not authorized to sell.")
@json_option
@session_command
async def providers(session: Session, search: str, everything: bool, as_json: bool) -> None:
    """List the providers, by name."""
    await session.state()
    found = [
        (address, provider)
        for address, provider in await session.marketplace.accounts(Provider)
        if _has(search, provider.name) and (everything or provider.status is ProviderStatus.AUTHORIZED)
    ]
    found.sort(key=lambda pair: (pair[1].name.casefold(), bytes(pair[0])))
    if as_json:
        show_document({"providers": [_provider_json(*pair) for pair in found]})
        return
    if not found:
        click.echo(_none("provider", search, everything))
        return
    rows = [
        (printable(one.name), str(address), str(one.region_count), one.status.value.lower())
        for address, one in found
    ]
    for line in table(("provider", "address", "regions", "status"), rows, right=("regions",)):
        click.echo(line)


def _provider_json(address: Pubkey, provider: Provider) -> dict[str, Any]:
    return {
        "address": address,
        "name": provider.name,
        "owner": provider.owner,
        "regions": provider.region_count,
        "status": provider.status.value.lower(),
    }


@listing.command()
@click.option(
    "--search", metavar="TEXT", default="", help="Only those with TEXT in their or their provider's name."
)
@click.option("--all", "everything", is_flag=True, help="Also those that take no stacks now.")
@click.option("--prices", is_flag=True, help="Show each region's prices.")
@usage_options
@json_option
@session_command
async def regions(
    session: Session, search: str, everything: bool, prices: bool, month: MonthlyUsage | None, as_json: bool
) -> None:
    """List the regions, or what a month would cost in each.

    By name; where you describe a month, the cheapest first. COUNT is a number such as 1500, 20k or 5M, SIZE one
    such as 500MB or 20GB. A month has 30 days.
    """
    usage = usage_of(month or MonthlyUsage())
    decimals, now = await session.decimals(), await session.marketplace.unix_time()
    found = [
        offer
        for offer in await _offers(session, usage, now)
        if _has(search, offer.region.name, offer.provider.name) and (everything or offer.open)
    ]
    found.sort(key=lambda offer: _rank(offer, month))
    if as_json:
        show_document({"regions": [_offer_document(offer, month, now, decimals) for offer in found]})
    elif not found:
        click.echo(_none("region", search, everything))
    elif prices:
        _show_prices(found, month, now, decimals)
    else:
        _show(found, month, decimals, everything=everything)


async def _offers(session: Session, usage: Usage, unix_time: int) -> list[Offer]:
    sellers = dict(await session.marketplace.accounts(Provider))
    return [
        Offer(address, region, sellers[region.provider], estimate(region, usage, unix_time))
        for address, region in await session.marketplace.accounts(Region)
        # one that was made between the two questions is in the next list
        if region.provider in sellers
    ]


def _rank(offer: Offer, month: MonthlyUsage | None) -> tuple[Any, ...]:
    """By name; by cost where a month was described, the regions at the end whose limit its calls exceed."""
    if month is None:
        return offer.names
    return not offer.can_run(month.instructions_per_request), offer.estimate.cost, offer.names


def _show_prices(found: list[Offer], month: MonthlyUsage | None, unix_time: int, decimals: int) -> None:
    for index, offer in enumerate(found):
        if index:
            click.echo()
        for line in region_lines(offer.address, offer.region, unix_time, decimals):
            click.echo(line)
        click.echo(f"  sold by {printable(offer.provider.name)}, {offer.region.provider}")
        if month is not None:
            click.echo(f"  a month costs {format_tokens(offer.estimate.cost, decimals)}")
        for note in _notes(offer, month, decimals):
            click.echo(f"  {note}")


def _show(found: list[Offer], month: MonthlyUsage | None, decimals: int, *, everything: bool) -> None:
    header = ["region", "provider", "address", "minimum"]
    rows = [
        [
            printable(offer.region.name),
            printable(offer.provider.name),
            str(offer.address),
            format_tokens(offer.estimate.terms.minimum_escrow, decimals),
        ]
        for offer in found
    ]
    if month is not None:
        header.append("a month")
        for row, offer in zip(rows, found, strict=True):
            row.append(format_tokens(offer.estimate.cost, decimals))
    if everything:
        header.append("status")
        for row, offer in zip(rows, found, strict=True):
            row.append(_status(offer))
    first, *lines = table(header, rows, right=("minimum", "a month"))
    click.echo(first)
    for line, offer in zip(lines, found, strict=True):
        click.echo(line)
        for note in _notes(offer, month, decimals):
            click.echo(f"  {note}")


def _notes(offer: Offer, month: MonthlyUsage | None, decimals: int) -> list[str]:
    """What is said below a region's line: what its terms do not allow, and terms to come."""
    notes: list[str] = []
    if month is not None and not offer.can_run(month.instructions_per_request):
        most = offer.estimate.terms.max_instructions_per_call
        notes.append(f"a call may take {most} instructions here, not {month.instructions_per_request}")
    if (later := offer.estimate.announced) is not None:
        minimum = format_tokens(later.terms.minimum_escrow, decimals)
        cost = f", a month {format_tokens(later.cost, decimals)}" if month is not None else ""
        notes.append(f"from {moment(later.from_time)} on: minimum {minimum}{cost}")
    return notes


def _status(offer: Offer) -> str:
    if offer.region.status is RegionStatus.CLOSED:
        return "closed"
    return "live" if offer.open else f"provider {offer.provider.status.value.lower()}"


def _offer_document(
    offer: Offer, month: MonthlyUsage | None, unix_time: int, decimals: int
) -> dict[str, Any]:
    document = region_document(offer.address, offer.region, unix_time, decimals) | {
        "provider": offer.region.provider,
        "provider_name": offer.provider.name,
        "provider_status": offer.provider.status.value.lower(),
    }
    if month is not None:
        later = offer.estimate.announced
        document["monthly_cost"] = format_tokens(offer.estimate.cost, decimals)
        document["next_monthly_cost"] = None if later is None else format_tokens(later.cost, decimals)
        document["can_run"] = offer.can_run(month.instructions_per_request)
    return document


def _has(search: str, *names: str) -> bool:
    return any(search.casefold() in name.casefold() for name in names)


def _none(noun: str, search: str, everything: bool) -> str:
    having = f" with {search!r} in its name" if search else ""
    return (
        f"there is no {noun}{having}"
        if everything
        else f"no {noun}{having} sells now; --all shows the others"
    )
