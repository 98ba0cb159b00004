"""`mu provider`: what one who sells regions does, and sees."""

import click

from cli.cluster import Session, show_transaction
from cli.commands import (
    next_step,
    open_own_tokens,
    outcome,
    require_tokens,
    session_command,
    show_document,
)
from cli.eviction import evict
from cli.lookups import NotPossible, find_provider, regions_of
from cli.money import confirm, yes_option
from cli.output import json_option, printable, step
from cli.own_provider import own_provider, require_open
from cli.provider_region import region
from cli.region_text import region_document, region_lines
from cli.tables import counted
from cli.usage_signer import signer
from contract import client as program
from contract.accounts import Provider, ProviderStatus, RegionStatus
from contract.addresses import provider_address
from contract.arguments import require_name
from events.catalogue import ProviderClosed, ProviderCreated


@click.group()
def provider() -> None:
    """Sell regions in the Marketplace."""


provider.add_command(region)
provider.add_command(signer)
provider.add_command(evict)


@provider.command()
@click.option("--name", required=True, help="What it is called; 1 to 32 bytes.")
@yes_option
@session_command
@json_option
async def create(session: Session, name: str, yes: bool, as_json: bool) -> None:
    """Become a provider, and pay the Marketplace's deposit.

    There is one provider for each keypair, ever. It sells nothing before an authorizer authorizes it.
    """
    require_name(name)
    own = session.keypair.pubkey()
    state = await session.state()
    address, _ = provider_address(own)
    present = await session.marketplace.account(address, Provider)
    if present is not None:
        require_open(present)
        raise NotPossible(f"you have a provider already, {printable(present.name)}: {address}")
    shown = await session.tokens(state.deposit)
    await require_tokens(session, state.deposit, f"the deposit is {shown}")
    own_tokens = await session.own_tokens()
    if state.deposit:
        question = f"Pay the deposit of {shown} tokens from {own_tokens} to the provider {address}?"
        confirm(question, yes)
    confirmation = await session.marketplace.send(
        [
            *await open_own_tokens(session),
            program.create_provider(
                own, name, mint=state.mint, owner_tokens=own_tokens, max_deposit=state.deposit
            ),
        ],
        session.keypair,
    )
    deposit = await session.tokens((await outcome(session, confirmation, ProviderCreated)).deposit)
    show_transaction(
        f"provider {printable(name)} created, {deposit} tokens deposited", confirmation, as_json=as_json,
        provider=address, name=name, deposit=deposit, status="disabled",
    )  # fmt: skip
    next_step(
        f"it is disabled until an authorizer authorizes it: `mu admin authorize {address}`; "
        "then: `mu provider region create`",
        as_json=as_json,
    )


@provider.command()
@click.argument("named", metavar="[PROVIDER]", required=False)
@session_command
@json_option
async def info(session: Session, named: str | None, as_json: bool) -> None:
    """Show PROVIDER, or one's own, its regions and their terms.

    PROVIDER is an address, or a name that no other provider has.
    """
    address, shown = await own_provider(session) if named is None else await find_provider(session, named)
    regions = [found for _, found in sorted((await regions_of(session, address)).items())]
    decimals, now = await session.decimals(), await session.marketplace.unix_time()
    deposit, status = await session.tokens(shown.deposit), shown.status.value.lower()
    if as_json:
        listed = [region_document(*found, now, decimals) for found in regions]
        document = {"provider": address, "name": shown.name, "owner": shown.owner, "status": status}
        show_document(document | {"deposit": deposit, "regions": listed})
        return
    live = sum(found.status is RegionStatus.LIVE for _, found in regions)
    stacks = sum(found.stack_count for _, found in regions)
    step("provider", printable(shown.name))
    step("address", str(address))
    step("owner", str(shown.owner))
    step("status", status)
    step("deposit", f"{deposit} tokens")
    step("regions", f"{live} live, {len(regions) - live} closed, {counted(stacks, 'live stack')}")
    for found in regions:
        click.echo()
        click.echo("\n".join(region_lines(*found, now, decimals)))


@provider.command()
@yes_option
@session_command
@json_option
async def close(session: Session, yes: bool, as_json: bool) -> None:
    """Close one's provider for ever, and get its deposit back."""
    address, closing = await own_provider(session)
    require_open(closing)
    if closing.region_count:
        live = [
            number
            for number, (_, found) in sorted((await regions_of(session, address)).items())
            if found.status is RegionStatus.LIVE
        ]
        numbers = ", ".join(map(str, live))
        raise NotPossible(
            f"your provider has live regions ({numbers}); close each by `mu provider region close NUMBER`"
        )
    vault = await session.marketplace.token_account(closing.vault)
    expected = await session.tokens(closing.deposit if vault is None else vault.amount)
    own_tokens = await session.own_tokens()
    confirm(
        f"Close the provider {closing.name} for ever, and get {expected} tokens back to {own_tokens}?", yes
    )
    confirmation = await session.marketplace.send(
        [*await open_own_tokens(session), program.close_provider(session.keypair.pubkey(), own_tokens)],
        session.keypair,
    )
    refund = await session.tokens((await outcome(session, confirmation, ProviderClosed)).refund)
    show_transaction(
        f"provider {printable(closing.name)} closed, {refund} tokens refunded", confirmation, as_json=as_json,
        provider=address, refund=refund, refunded_to=own_tokens, status=ProviderStatus.CLOSED.value.lower(),
    )  # fmt: skip
    next_step("nothing: to sell again, use another keypair", as_json=as_json)
