"""`mu provider signer`: the key that reports usage in a region."""

import re
from datetime import UTC, datetime
from typing import Final

import click

from cli.cluster import Session, show_transaction
from cli.commands import next_step, session_command
from cli.lookups import NotPossible, parse_address
from cli.output import json_option
from cli.own_provider import REGION_NUMBER, own_region
from cli.tables import moment
from contract import client as program
from contract.accounts import UsageSigner
from contract.addresses import usage_signer_address
from contract.errors import InvalidInput

DAY_SECONDS: Final = 86_400
MAX_VALID_DAYS: Final = 3_650
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?", re.ASCII)


@click.group()
def signer() -> None:
    """Name the key that reports usage.

    A region has one at a time.
    """


@signer.command()
@click.argument("key")
@click.option("--region", "number", type=REGION_NUMBER, required=True, help="The region's number.")
@click.option("--valid-days", type=click.IntRange(1, MAX_VALID_DAYS), help="For how many days it is valid.")
@click.option("--valid-to", metavar="TIME", help="Until when: 2027-01-31 or 2027-01-31T12:00:00Z, in UTC.")
@session_command
@json_option
async def create(
    session: Session, key: str, number: int, valid_days: int | None, valid_to: str | None, as_json: bool
) -> None:
    """Let KEY report usage in a region from now on, in the place of the one before.

    The region may be closed: the last usage of its deleted stacks can still be reported.
    """
    named = parse_address(key, "KEY")
    if (valid_days is None) == (valid_to is None):
        raise InvalidInput("--valid-days", "or --valid-to must be given, and only one of them")
    until = None if valid_to is None else parse_time(valid_to, "--valid-to")
    region, _ = await own_region(session, number)
    now = await session.marketplace.unix_time()
    if until is None:
        until = now + (valid_days or 0) * DAY_SECONDS
    elif until <= now:
        raise InvalidInput("--valid-to", f"{valid_to} is over: the chain's clock is at {moment(now)}")
    before = await session.marketplace.account(usage_signer_address(region)[0], UsageSigner)
    confirmation = await session.marketplace.send(
        [program.create_usage_signer(session.keypair.pubkey(), number, named, until)], session.keypair
    )
    replaced = None if before is None else before.signer
    instead = "" if replaced is None else f", in the place of {replaced}"
    show_transaction(
        f"{named} reports the usage of region {number} until {moment(until)}{instead}", confirmation,
        as_json=as_json, region=region, number=number, signer=named, valid_to=until, replaced=replaced,
    )  # fmt: skip
    next_step("run the region's nodes with this key; it pays the fees of its reports in SOL", as_json=as_json)


@signer.command()
@click.option("--region", "number", type=REGION_NUMBER, required=True, help="The region's number.")
@session_command
@json_option
async def revoke(session: Session, number: int, as_json: bool) -> None:
    """End the right of a region's usage signer now."""
    region, _ = await own_region(session, number)
    present = await session.marketplace.account(usage_signer_address(region)[0], UsageSigner)
    if present is None:
        raise NotPossible(f"region {number} has no usage signer")
    confirmation = await session.marketplace.send(
        [program.revoke_usage_signer(session.keypair.pubkey(), number)], session.keypair
    )
    show_transaction(
        f"{present.signer} no longer reports the usage of region {number}", confirmation, as_json=as_json,
        region=region, number=number, signer=present.signer,
    )  # fmt: skip
    next_step(
        f"nothing is charged until there is another: `mu provider signer create --region {number} KEY`",
        as_json=as_json,
    )


def parse_time(text: str, field: str) -> int:
    """Seconds since 1970 of a day's beginning, or of a time, in UTC. Raises `InvalidInput`."""
    try:
        if _TIME.fullmatch(text):
            return int(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp())
    except ValueError:
        pass
    raise InvalidInput(field, f"{text!r} is not a time such as 2027-01-31 or 2027-01-31T12:00:00Z")
