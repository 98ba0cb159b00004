"""`mu request-signer`: keys that may make requests to a region on a client's behalf."""

import click
from solders.pubkey import Pubkey

from cli.cluster import Session, show_transaction
from cli.commands import next_step, session_command, show_document
from cli.lookups import ADDRESS_BYTES, FIRST_FIELD_AT, NotPossible, find_account, parse_address
from cli.output import json_option, printable
from cli.tables import table
from contract import client as program
from contract.accounts import Region, RegionStatus, RequestSigner
from contract.addresses import request_signer_address
from mu.marketplace import Confirmation, MemoryFilter


@click.group("request-signer")
def request_signer() -> None:
    """Keys that may make requests to a region on your behalf."""


@request_signer.command()
@click.argument("region")
@click.argument("key")
@json_option
@session_command
async def create(session: Session, region: str, key: str, as_json: bool) -> None:
    """Let KEY make requests to REGION on your behalf.

    It costs the rent of an account, in SOL.
    """
    address, found = await find_account(session, region, Region, "REGION")
    signer = parse_address(key, "KEY")
    if found.status is not RegionStatus.LIVE:
        raise NotPossible(f"the region {printable(found.name)} is closed: it takes no request signers")
    present = await _present(session, address, signer)
    if present is not None:
        activate_it = (
            "" if present.active else f"; `mu request-signer activate {address} {signer}` activates it"
        )
        raise NotPossible(f"the key is a request signer of yours there already{activate_it}")
    instruction = program.create_request_signer(session.keypair.pubkey(), address, signer)
    confirmation = await session.marketplace.send([instruction], session.keypair)
    _show(session, confirmation, found.name, address, signer, active=True, as_json=as_json)
    next_step(f"`mu request-signer deactivate {address} {signer}` takes the right back", as_json=as_json)


@request_signer.command()
@click.argument("region")
@click.argument("key")
@json_option
@session_command
async def activate(session: Session, region: str, key: str, as_json: bool) -> None:
    """Give KEY its right in REGION again."""
    await _set(session, region, key, active=True, as_json=as_json)


@request_signer.command()
@click.argument("region")
@click.argument("key")
@json_option
@session_command
async def deactivate(session: Session, region: str, key: str, as_json: bool) -> None:
    """Take the right of KEY in REGION back."""
    await _set(session, region, key, active=False, as_json=as_json)


async def _set(session: Session, region: str, key: str, *, active: bool, as_json: bool) -> None:
    address, found = await find_account(session, region, Region, "REGION")
    signer = parse_address(key, "KEY")
    present = await _present(session, address, signer)
    if present is None:
        raise NotPossible(
            f"the key is no request signer of yours in {printable(found.name)}; "
            f"`mu request-signer list {address}` shows those that are"
        )
    if present.active is active:
        raise NotPossible(f"the request signer is {_state(active)} already")
    build = program.activate_request_signer if active else program.deactivate_request_signer
    instruction = build(session.keypair.pubkey(), address, signer)
    confirmation = await session.marketplace.send([instruction], session.keypair)
    _show(session, confirmation, found.name, address, signer, active=active, as_json=as_json)
    opposite = "deactivate" if active else "activate"
    next_step(f"`mu request-signer {opposite} {address} {signer}` undoes it", as_json=as_json)


@request_signer.command("list")
@click.argument("region")
@json_option
@session_command
async def list_signers(session: Session, region: str, as_json: bool) -> None:
    """List your request signers in REGION, the active ones first."""
    address, found = await find_account(session, region, Region, "REGION")
    filters = [
        MemoryFilter(FIRST_FIELD_AT, bytes(address)),
        MemoryFilter(FIRST_FIELD_AT + ADDRESS_BYTES, bytes(session.keypair.pubkey())),
    ]
    signers = [one for _, one in await session.marketplace.accounts(RequestSigner, filters)]
    signers.sort(key=lambda one: (not one.active, str(one.signer)))
    if as_json:
        listed = [{"key": one.signer, "active": one.active} for one in signers]
        show_document({"region": address, "request_signers": listed})
    elif not signers:
        click.echo(
            f"you have no request signers in {printable(found.name)}; "
            f"`mu request-signer create {address} KEY` makes one"
        )
    else:
        rows = [(str(one.signer), _state(one.active)) for one in signers]
        for line in table(("key", "status"), rows):
            click.echo(line)


def _show(
    session: Session,
    confirmation: Confirmation,
    region_name: str,
    region: Pubkey,
    signer: Pubkey,
    *,
    active: bool,
    as_json: bool,
) -> None:
    show_transaction(
        f"request signer {signer} of region {printable(region_name)}, {_state(active)}",
        confirmation,
        as_json=as_json,
        request_signer=request_signer_address(region, session.keypair.pubkey(), signer)[0],
        region=region,
        key=signer,
        active=active,
    )


def _state(active: bool) -> str:
    return "active" if active else "inactive"


async def _present(session: Session, region: Pubkey, signer: Pubkey) -> RequestSigner | None:
    address = request_signer_address(region, session.keypair.pubkey(), signer)[0]
    return await session.marketplace.account(address, RequestSigner)
