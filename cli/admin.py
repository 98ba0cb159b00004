"""`mu admin`: the Marketplace itself, and who may sell in it."""

import re
from typing import Final

import click
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from cli.cluster import Session, show_transaction
from cli.commands import next_step, session_command, show_document
from cli.lookups import NotPossible, find_provider, parse_address
from cli.output import json_option, printable, step
from cli.tables import table
from contract import client as program
from contract import tokens
from contract.accounts import Authorizer, Provider, ProviderStatus, State
from contract.addresses import associated_token_address, authorizer_address, state_address
from contract.arguments import MAX_COMMISSION_MILLIONTHS, MAX_NOTICE_SECONDS
from contract.errors import DecodeError, InvalidInput
from contract.tokens import Mint, TokenAccountState
from mu.marketplace import WrongAccount
from mu.terms_file import format_notice
from mu.token_amount import format_tokens, parse_tokens

PERCENT_DECIMALS: Final = 4
"""A commission is counted in millionths, which are ten-thousandths of a percent."""
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%", re.ASCII)


@click.group()
def admin() -> None:
    """Run the Marketplace, and say who may sell in it."""


@admin.command()
@click.option("--mint", required=True, metavar="KEY", help="The SPL token of all money, for ever.")
@click.option("--deposit", required=True, metavar="AMOUNT", help="What a provider deposits, in whole tokens.")
@click.option("--commission", required=True, metavar="PERCENT", help="Of each charge, such as 2.5%.")
@click.option(
    "--commission-account",
    metavar="KEY",
    help="The token account that it goes to.  [default: the admin's own, created if need be]",
)
@click.option(
    "--notice-seconds",
    required=True,
    type=click.IntRange(1, MAX_NOTICE_SECONDS),
    help="How long withdrawals wait, and deleted stacks can be charged; for ever.",
)
@session_command
@json_option
async def initialize(
    session: Session,
    mint: str,
    deposit: str,
    commission: str,
    commission_account: str | None,
    notice_seconds: int,
    as_json: bool,
) -> None:
    """Open the Marketplace.

    A cluster has one; who opens it is its admin.
    """
    millionths = parse_percent(commission, "--commission")
    mint_address = parse_address(mint, "--mint")
    own = session.keypair.pubkey()
    present = await session.marketplace.account(state_address()[0], State)
    if present is not None:
        raise NotPossible(f"the Marketplace is there already; its admin is {present.admin}")
    decimals = (await _find_mint(session, mint_address)).decimals
    base_units = parse_tokens(deposit, decimals, "--deposit")
    before: list[Instruction] = []
    if commission_account is None:
        to = associated_token_address(own, mint_address)
        before.append(tokens.create_associated_token_account(own, own, mint_address))
    else:
        to = await _find_commission_tokens(session, commission_account, mint_address)
    instruction = program.initialize(
        own, mint=mint_address, commission_tokens=to, deposit=base_units,
        commission_millionths=millionths, notice_seconds=notice_seconds,
    )  # fmt: skip
    confirmation = await session.marketplace.send([*before, instruction], session.keypair)
    shown_deposit, shown_percent = format_tokens(base_units, decimals), format_percent(millionths)
    show_transaction(
        f"Marketplace open: deposit {shown_deposit} tokens, commission {shown_percent} to {to}, "
        f"notice {format_notice(notice_seconds)}",
        confirmation, as_json=as_json, admin=own, mint=mint_address, deposit=shown_deposit,
        commission=shown_percent, commission_account=to, notice_seconds=notice_seconds,
    )  # fmt: skip
    next_step("say who authorizes providers: `mu admin authorizer create KEY`", as_json=as_json)


@admin.command()
@session_command
@json_option
async def info(session: Session, as_json: bool) -> None:
    """Show the Marketplace: its admin, its money and its notice."""
    state = await session.state()
    deposit, commission = await session.tokens(state.deposit), format_percent(state.commission_millionths)
    if as_json:
        show_document(
            {
                "admin": state.admin,
                "mint": state.mint,
                "deposit": deposit,
                "commission": commission,
                "commission_account": state.commission_tokens,
                "notice_seconds": state.notice_seconds,
            }
        )
        return
    step("admin", str(state.admin))
    step("mint", str(state.mint))
    step("deposit", f"{deposit} tokens, of each new provider")
    step("commission", f"{commission} of each charge, to {state.commission_tokens}")
    step("notice", f"{format_notice(state.notice_seconds)}, for withdrawals and last usage reports")


@admin.command()
@click.argument("amount")
@session_command
@json_option
async def update_deposit(session: Session, amount: str, as_json: bool) -> None:
    """Set the deposit of new providers.

    AMOUNT is in whole tokens.
    """
    state = await _require_admin(session)
    base_units = await session.base_units(amount, "AMOUNT")
    shown, before = await session.tokens(base_units), await session.tokens(state.deposit)
    if base_units == state.deposit:
        raise NotPossible(f"the deposit is {shown} tokens already; nothing was sent")
    confirmation = await session.marketplace.send(
        [program.update_deposit(session.keypair.pubkey(), base_units)], session.keypair
    )
    what = f"deposit: {before} -> {shown} tokens"
    show_transaction(what, confirmation, as_json=as_json, deposit=shown, before=before)
    next_step("nothing: providers to come pay it, those there are keep theirs", as_json=as_json)


@admin.command()
@click.argument("percent")
@click.option(
    "--commission-account", metavar="KEY", help="The token account it goes to.  [default: as before]"
)
@session_command
@json_option
async def update_commission(
    session: Session, percent: str, commission_account: str | None, as_json: bool
) -> None:
    """Set the commission on charges.

    PERCENT is such as 2.5%.
    """
    millionths = parse_percent(percent, "PERCENT")
    state = await _require_admin(session)
    to = state.commission_tokens
    if commission_account is not None:
        to = await _find_commission_tokens(session, commission_account, state.mint)
    shown, before = format_percent(millionths), format_percent(state.commission_millionths)
    if (millionths, to) == (state.commission_millionths, state.commission_tokens):
        raise NotPossible(f"the commission is {shown} to {to} already; nothing was sent")
    confirmation = await session.marketplace.send(
        [program.update_commission(session.keypair.pubkey(), millionths, to)], session.keypair
    )
    show_transaction(
        f"commission: {before} -> {shown}, to {to}", confirmation, as_json=as_json,
        commission=shown, before=before, commission_account=to,
    )  # fmt: skip
    next_step("nothing: it is taken of charges to come", as_json=as_json)


@admin.group()
def authorizer() -> None:
    """Say who authorizes providers."""


@authorizer.command()
@click.argument("key")
@session_command
@json_option
async def create(session: Session, key: str, as_json: bool) -> None:
    """Let KEY authorize and revoke providers."""
    authority = parse_address(key, "KEY")
    await _require_admin(session)
    if await _is_authorizer(session, authority):
        raise NotPossible(f"{authority} is an authorizer already; nothing was sent")
    confirmation = await session.marketplace.send(
        [program.create_provider_authorizer(session.keypair.pubkey(), authority)], session.keypair
    )
    show_transaction(f"{authority} is an authorizer", confirmation, as_json=as_json, authorizer=authority)
    next_step("with its keypair: `mu admin pending`, `mu admin authorize PROVIDER`", as_json=as_json)


@authorizer.command()
@click.argument("key")
@session_command
@json_option
async def remove(session: Session, key: str, as_json: bool) -> None:
    """Take that right back from KEY."""
    authority = parse_address(key, "KEY")
    await _require_admin(session)
    if not await _is_authorizer(session, authority):
        raise NotPossible(f"{authority} is no authorizer; `mu admin authorizer list` shows them")
    confirmation = await session.marketplace.send(
        [program.remove_provider_authorizer(session.keypair.pubkey(), authority)], session.keypair
    )
    what = f"{authority} is no longer an authorizer"
    show_transaction(what, confirmation, as_json=as_json, authorizer=authority)
    next_step("nothing: providers that it authorized stay so", as_json=as_json)


@authorizer.command(name="list")
@session_command
@json_option
async def list_authorizers(session: Session, as_json: bool) -> None:
    """List who may authorize providers."""
    await session.state()
    found = await session.marketplace.accounts(Authorizer)
    keys = sorted(str(account.authority) for _, account in found)
    if as_json:
        show_document({"authorizers": keys})
    else:
        click.echo("\n".join(keys or ["there are no authorizers"]))


@admin.command()
@click.argument("provider")
@session_command
@json_option
async def authorize(session: Session, provider: str, as_json: bool) -> None:
    """Let PROVIDER sell.

    It is an address, or a name that no other provider has.
    """
    address, found = await _find_for_authorizer(session, provider, ProviderStatus.DISABLED)
    instruction = program.authorize_provider(session.keypair.pubkey(), address)
    await _set_status(session, instruction, address, found, "authorized", as_json=as_json)
    next_step(f"its owner {found.owner} opens regions: `mu provider region create`", as_json=as_json)


@admin.command()
@click.argument("provider")
@session_command
@json_option
async def revoke(session: Session, provider: str, as_json: bool) -> None:
    """Disable PROVIDER.

    Nothing is deployed to it then, and it charges nobody.
    """
    address, found = await _find_for_authorizer(session, provider, ProviderStatus.AUTHORIZED)
    instruction = program.revoke_provider(session.keypair.pubkey(), address)
    await _set_status(session, instruction, address, found, "disabled", as_json=as_json)
    next_step(f"`mu admin authorize {address}` lets it sell again", as_json=as_json)


@admin.command()
@session_command
@json_option
async def pending(session: Session, as_json: bool) -> None:
    """List the providers that are disabled, by name."""
    decimals = await session.decimals()
    found = sorted(
        (provider.name, str(address), str(provider.owner), format_tokens(provider.deposit, decimals))
        for address, provider in await session.marketplace.accounts(Provider)
        if provider.status is ProviderStatus.DISABLED
    )
    header = ("name", "provider", "owner", "deposit")
    if as_json:
        show_document({"providers": [dict(zip(header, row, strict=True)) for row in found]})
    elif not found:
        click.echo("no provider is disabled")
    else:
        rows = [(printable(name), *others) for name, *others in found]
        click.echo("\n".join(table(header, rows, right=("deposit",))))


def parse_percent(text: str, field: str) -> int:
    """Millionths of a percentage such as `2.5%`. Raises `InvalidInput`."""
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise InvalidInput(field, f"{text!r} is not a percentage such as 5% or 2.5%, of at most 4 decimals")
    millionths = parse_tokens(found[1], PERCENT_DECIMALS, field)
    if millionths > MAX_COMMISSION_MILLIONTHS:
        raise InvalidInput(field, f"{text} is more than 100%")
    return millionths


def format_percent(millionths: int) -> str:
    """Millionths as a percentage, exactly: `2.5%`."""
    return f"{format_tokens(millionths, PERCENT_DECIMALS)}%"


async def _require_admin(session: Session) -> State:
    own, state = session.keypair.pubkey(), await session.state()
    if state.admin != own:
        raise NotPossible(f"only the admin {state.admin} may do this, and you are {own}; choose by --keypair")
    return state


async def _is_authorizer(session: Session, authority: Pubkey) -> bool:
    return await session.marketplace.account(authorizer_address(authority)[0], Authorizer) is not None


async def _set_status(
    session: Session,
    instruction: Instruction,
    address: Pubkey,
    found: Provider,
    status: str,
    *,
    as_json: bool,
) -> None:
    confirmation = await session.marketplace.send([instruction], session.keypair)
    show_transaction(
        f"provider {printable(found.name)} ({address}) {status}", confirmation, as_json=as_json,
        provider=address, name=found.name, owner=found.owner, status=status,
    )  # fmt: skip


async def _find_for_authorizer(
    session: Session, text: str, before: ProviderStatus
) -> tuple[Pubkey, Provider]:
    """A provider that who acts may authorize or revoke. Raises `NotPossible` unless its status is `before`."""
    own = session.keypair.pubkey()
    await session.state()
    address, found = await find_provider(session, text)
    if not await _is_authorizer(session, own):
        raise NotPossible(
            f"you ({own}) are no authorizer; the admin makes you one by `mu admin authorizer create {own}`"
        )
    if found.status is not before:
        status = found.status.value.lower()
        raise NotPossible(f"the provider {printable(found.name)} is {status}; nothing was sent")
    return address, found


async def _find_mint(session: Session, address: Pubkey) -> Mint:
    try:
        mint = await session.marketplace.mint(address)
    except (WrongAccount, DecodeError):
        mint = None
    if mint is None:
        raise InvalidInput("--mint", f"there is no mint of the SPL token program at {address}")
    return mint


async def _find_commission_tokens(session: Session, text: str, mint: Pubkey) -> Pubkey:
    field = "--commission-account"
    address = parse_address(text, field)
    try:
        account = await session.marketplace.token_account(address)
    except (WrongAccount, DecodeError):
        account = None
    if account is None or account.mint != mint:
        raise InvalidInput(field, f"there is no token account of the mint {mint} at {address}")
    if account.state is not TokenAccountState.OPEN:
        raise InvalidInput(field, f"the token account {address} is frozen; name another")
    return address
