"""`mu provider region`: the regions that one sells."""

from pathlib import Path
from urllib.parse import urlsplit

import click

from cli.cluster import Session, show_transaction
from cli.commands import next_step, outcome, session_command, show_document
from cli.lookups import NotPossible, find_provider, regions_of, require_authorized
from cli.money import confirm, yes_option
from cli.output import json_option, printable, step
from cli.own_provider import REGION_NUMBER, own_live_region, own_provider, require_open
from cli.region_text import is_to_change, region_document, terms_changes, terms_document
from cli.tables import counted, moment, table
from contract import client as program
from contract.accounts import MAX_BASE_URL_BYTES, Region, RegionStatus
from contract.addresses import region_address
from contract.arguments import require_name
from contract.errors import InvalidInput
from contract.terms import Terms
from events.catalogue import RegionUpdated
from mu.terms_file import format_notice, load_terms
from mu.token_amount import format_tokens

terms_file = click.Path(path_type=Path)


@click.group()
def region() -> None:
    """Open, change and close one's regions."""


@region.command()
@click.option("--number", type=REGION_NUMBER, required=True, help="A number that no region of yours has had.")
@click.option("--name", required=True, help="What it is called; 1 to 32 bytes.")
@click.option("--base-url", required=True, help="Where its gateway answers, such as https://north.example.")
@click.option("--terms", type=terms_file, required=True, metavar="FILE", help="What it costs, as YAML.")
@session_command
@json_option
async def create(session: Session, number: int, name: str, base_url: str, terms: Path, as_json: bool) -> None:
    """Open a region."""
    require_name(name)
    check_base_url(base_url)
    written = await _load_terms(session, terms)
    provider, owner = await own_provider(session)
    require_open(owner)
    require_authorized(owner, f"an authorizer must first run `mu admin authorize {provider}`")
    address, _ = region_address(provider, number)
    present = await session.marketplace.account(address, Region)
    if present is not None:
        status = present.status.value.lower()
        raise NotPossible(f"region {number} is there already ({printable(present.name)}, {status})")
    confirmation = await session.marketplace.send(
        [program.create_region(session.keypair.pubkey(), number, name, base_url, written)], session.keypair
    )
    show_transaction(
        f"region {number} ({printable(name)}) created", confirmation, as_json=as_json,
        region=address, number=number, name=name, base_url=base_url,
        terms=terms_document(written, await session.decimals()),
    )  # fmt: skip
    next_step(
        f"name the key that reports usage: `mu provider signer create --region {number} KEY --valid-days 90`",
        as_json=as_json,
    )


@region.command()
@click.argument("number", type=REGION_NUMBER)
@click.option("--base-url", help="Where its gateway answers from now on.")
@click.option("--terms", type=terms_file, metavar="FILE", help="What it costs after the notice, as YAML.")
@session_command
@json_option
async def update(
    session: Session, number: int, base_url: str | None, terms: Path | None, as_json: bool
) -> None:
    """Change region NUMBER.

    Its base URL changes at once, its terms after the notice of those in force. Terms that are announced come when
    they were to come if only the base URL changes, or if they are given again.
    """
    if base_url is None and terms is None:
        raise InvalidInput("--base-url", "or --terms must be given, or nothing changes")
    if base_url is not None:
        check_base_url(base_url)
    address, before = await own_live_region(session, number)
    now = await session.marketplace.unix_time()
    present = before.terms_at(now)
    # The program takes terms with every update; those announced keep their time.
    announced = before.next_terms if is_to_change(before, now) else present
    written = announced if terms is None else await _load_terms(session, terms)
    url = before.base_url if base_url is None else base_url
    if (url, written) == (before.base_url, announced):
        raise NotPossible(f"region {number} has that base URL and those terms already; nothing was sent")
    confirmation = await session.marketplace.send(
        [program.update_region(session.keypair.pubkey(), number, url, written)], session.keypair
    )
    updated = await outcome(session, confirmation, RegionUpdated)
    decimals, changes = await session.decimals(), updated.next_from != 0
    show_transaction(
        f"region {number} updated", confirmation, as_json=as_json,
        region=address, number=number, base_url=url, terms=terms_document(updated.terms, decimals),
        next_from=updated.next_from if changes else None,
        next_terms=terms_document(updated.next_terms, decimals) if changes else None,
    )  # fmt: skip
    if not as_json:
        _show_changes(before, updated, announced, decimals)
    next_step("`mu provider region list` shows the regions as they are", as_json=as_json)


def _show_changes(before: Region, updated: RegionUpdated, announced: Terms, decimals: int) -> None:
    if updated.base_url != before.base_url:
        step("at once", f"base_url: {printable(before.base_url)} -> {printable(updated.base_url)}")
    if updated.next_from == 0:
        if updated.terms != announced:
            step("terms", "stay as they are; those that were announced will not come")
        return
    kept = ", as announced before" if updated.next_terms == announced else ""
    step("terms", f"from {moment(updated.next_from)}{kept}")
    for change in terms_changes(updated.terms, updated.next_terms, decimals):
        step("", change)


@region.command()
@click.argument("number", type=REGION_NUMBER)
@yes_option
@session_command
@json_option
async def close(session: Session, number: int, yes: bool, as_json: bool) -> None:
    """Close region NUMBER for ever.

    No stack may be live in it.
    """
    address, closing = await own_live_region(session, number)
    if closing.stack_count:
        stacks = counted(closing.stack_count, "live stack")
        raise NotPossible(f"region {number} has {stacks}; their owners must delete them first")
    confirm(f"Close the region {number} ({closing.name}) for ever? Its number is never used again.", yes)
    confirmation = await session.marketplace.send(
        [program.close_region(session.keypair.pubkey(), number)], session.keypair
    )
    show_transaction(
        f"region {number} ({printable(closing.name)}) closed", confirmation, as_json=as_json,
        region=address, number=number, status=RegionStatus.CLOSED.value.lower(),
    )  # fmt: skip
    next_step("once all regions are closed, `mu provider close` refunds the deposit", as_json=as_json)


@region.command(name="list")
@click.option("--provider", "named", metavar="PROVIDER", help="An address or a name.  [default: one's own]")
@session_command
@json_option
async def list_regions(session: Session, named: str | None, as_json: bool) -> None:
    """List a provider's regions.

    `mu provider info` shows their prices too.
    """
    provider, _ = (
        await own_provider(session) if named is None else await find_provider(session, named, "--provider")
    )
    regions = [found for _, found in sorted((await regions_of(session, provider)).items())]
    decimals, now = await session.decimals(), await session.marketplace.unix_time()
    if as_json:
        listed = [region_document(*found, now, decimals) for found in regions]
        show_document({"provider": provider, "regions": listed})
        return
    if not regions:
        click.echo("there are no regions")
        return
    header = ("number", "name", "status", "stacks", "minimum", "notice", "terms change", "base URL")
    rows = [_row(found, now, decimals) for _, found in regions]
    click.echo("\n".join(table(header, rows, right=("number", "stacks", "minimum"))))


def _row(shown: Region, now: int, decimals: int) -> tuple[str, ...]:
    terms = shown.terms_at(now)
    return (
        str(shown.number),
        printable(shown.name),
        shown.status.value.lower(),
        str(shown.stack_count),
        format_tokens(terms.minimum_escrow, decimals),
        format_notice(terms.notice_seconds),
        moment(shown.next_from) if is_to_change(shown, now) else "-",
        printable(shown.base_url),
    )


def check_base_url(base_url: str) -> None:
    """Raises `InvalidInput` unless it is a URL of http or https to which a path can be added."""
    fix = "write one such as https://north.example"
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        bare = not (parts.query or parts.fragment or "@" in parts.netloc or base_url.endswith(("?", "#")))
    except ValueError:
        usable = bare = False
    if not (usable and bare and base_url.isascii() and base_url.isprintable() and " " not in base_url):
        raise InvalidInput("--base-url", f"{base_url!r} is no URL of http or https alone; {fix}")
    if len(base_url) > MAX_BASE_URL_BYTES:
        raise InvalidInput("--base-url", f"has {len(base_url)} bytes, {MAX_BASE_URL_BYTES} are the most")


async def _load_terms(session: Session, path: Path) -> Terms:
    return load_terms(path, await session.decimals(), (await session.state()).notice_seconds)
