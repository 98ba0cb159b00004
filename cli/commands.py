"""How a command that talks to a cluster runs, and how it ends."""

import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
import trio
from solders.instruction import Instruction

from cli.cluster import ClusterOptions, Session, cluster_options, open_session
from cli.output import step, to_plain
from contract import tokens
from contract.errors import DecodeError, MuError
from contract.tokens import TokenAccount
from events.chain.rpc import ChainUnavailable
from mu.marketplace import Confirmation
from mu.refusals import InsufficientTokens

P = ParamSpec("P")
E = TypeVar("E")


class OutcomeUnknown(MuError):
    """A transaction is confirmed, but what it did cannot be told."""


def session_command(command: Callable[Concatenate[Session, P], Awaitable[None]]) -> Callable[..., None]:
    """Make an async function one that click can call: it gets an open session first, and the cluster's options.

    Below `@group.command()` and the command's own options.
    """

    @cluster_options
    @functools.wraps(command)
    def run(*arguments: Any, cluster: ClusterOptions, **options: Any) -> None:
        async def in_session() -> None:
            async with open_session(cluster) as session:
                await command(session, *arguments, **options)

        trio.run(in_session)

    return run


def show_document(document: Any) -> None:
    """One JSON document, of public keys, structs and enums too. Amounts are texts in whole tokens."""
    click.echo(json.dumps(to_plain(document)))


def next_step(text: str, *, as_json: bool) -> None:
    """Say what to do next, to a person."""
    if not as_json:
        step("next", text)


async def outcome(session: Session, confirmation: Confirmation, kind: type[E]) -> E:
    """The one event of a kind in a confirmed transaction: what it did, whatever was true before it was sent.

    Raises `OutcomeUnknown`.
    """
    try:
        events = await session.marketplace.events(confirmation.signature)
        found = [event for event in events if isinstance(event, kind)]
        if len(found) == 1:
            return found[0]
        problem = f"it has {len(found)} events {kind.__name__}"
    except (ChainUnavailable, DecodeError) as error:
        problem = str(error)
    raise OutcomeUnknown(
        f"the transaction {confirmation.signature} is confirmed, but what it did cannot be told: {problem}"
    )


async def own_token_account(session: Session) -> TokenAccount | None:
    """The associated token account of who acts, None where there is none."""
    return await session.marketplace.token_account(await session.own_tokens())


async def open_own_tokens(session: Session) -> list[Instruction]:
    """What creates the associated token account of who acts: nothing where there is one."""
    if await own_token_account(session) is not None:
        return []
    own, mint = session.keypair.pubkey(), (await session.state()).mint
    return [tokens.create_associated_token_account(own, own, mint)]


async def require_tokens(session: Session, base_units: int, purpose: str) -> None:
    """Raises `InsufficientTokens` unless who acts has so much; `purpose` as in `the deposit is 100`.

    Only for a better sentence: the chain has the last word.
    """
    account = await own_token_account(session)
    held = 0 if account is None else account.amount
    if held < base_units:
        missing = await session.tokens(base_units - held)
        mint, own = (await session.state()).mint, await session.own_tokens()
        place = f"the token account {own}" if account is not None else str(session.keypair.pubkey())
        raise InsufficientTokens(
            f"you have {await session.tokens(held)} tokens, {purpose}: "
            f"get {missing} more of the mint {mint} into {place}"
        )
