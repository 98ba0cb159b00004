"""What the events of the State, of providers and of escrows change."""

from collections.abc import Callable
from typing import Final

from contract import addresses
from contract.accounts import (
    Authorizer,
    Escrow,
    Provider,
    ProviderStatus,
    State,
)
from contract.rebuild.step import Step
from contract.terms import MAX_LOCKS, NO_LOCK


def _initialized(step: Step) -> None:
    state = State(
        bump=step.bump(addresses.state_address(), step.scope),
        admin=step.key("admin"),
        mint=step.key("mint"),
        commission_tokens=step.key("commission_tokens"),
        deposit=step["deposit"],
        commission_millionths=step["commission_millionths"],
        notice_seconds=step["notice_seconds"],
        sequence=0,
        event_hash=bytes(32),
    )
    step.create(step.scope, state)


def _deposit_updated(step: Step) -> None:
    step.change(State, step.scope, deposit=step["deposit"])


def _commission_updated(step: Step) -> None:
    step.change(
        State,
        step.scope,
        commission_millionths=step["commission_millionths"],
        commission_tokens=step.key("commission_tokens"),
    )


def _authorizer_created(step: Step) -> None:
    address, bump = addresses.authorizer_address(step.key("authority"))
    step.create(address, Authorizer(bump=bump, authority=step.key("authority")))


def _authorizer_removed(step: Step) -> None:
    step.close(Authorizer, addresses.authorizer_address(step.key("authority"))[0])


def _provider_created(step: Step) -> None:
    provider = Provider(
        bump=step.bump(addresses.provider_address(step.key("owner")), step.scope),
        owner=step.key("owner"),
        vault=step.key("vault"),
        deposit=step["deposit"],
        region_count=0,
        status=ProviderStatus.DISABLED,
        name=step["name"],
        sequence=0,
        event_hash=bytes(32),
    )
    step.create(step.scope, provider)


def _provider_authorized(step: Step) -> None:
    step.change(Provider, step.scope, status=ProviderStatus.AUTHORIZED)


def _provider_revoked(step: Step) -> None:
    step.change(Provider, step.scope, status=ProviderStatus.DISABLED)


def _provider_closed(step: Step) -> None:
    step.change(Provider, step.scope, status=ProviderStatus.CLOSED, deposit=0)


def _escrow_created(step: Step) -> None:
    provider, client = step.key("provider"), step.key("client")
    escrow = Escrow(
        bump=step.bump(addresses.escrow_address(provider, client), step.scope),
        provider=provider,
        client=client,
        vault=step.key("vault"),
        balance=0,
        withdrawal=0,
        withdrawal_from=0,
        locks=(NO_LOCK,) * MAX_LOCKS,
        sequence=0,
        event_hash=bytes(32),
    )
    step.create(step.scope, escrow)


def _escrow_received(step: Step) -> None:
    before = step.get(Escrow, step.scope)
    # what comes in is no part of a withdrawal asked for before
    withdrawal = min(before.withdrawal, before.balance)
    withdrawal_from = before.withdrawal_from if withdrawal else 0
    step.change(
        Escrow,
        step.scope,
        balance=step["balance"],
        withdrawal=withdrawal,
        withdrawal_from=withdrawal_from,
    )


def _withdrawal_requested(step: Step) -> None:
    step.change(Escrow, step.scope, withdrawal=step["amount"], withdrawal_from=step["claimable_from"])


def _withdrawal_claimed(step: Step) -> None:
    step.change(Escrow, step.scope, balance=step["balance"], withdrawal=0, withdrawal_from=0)


CHANGES: Final[dict[str, Callable[[Step], None]]] = {
    "Initialized": _initialized,
    "DepositUpdated": _deposit_updated,
    "CommissionUpdated": _commission_updated,
    "AuthorizerCreated": _authorizer_created,
    "AuthorizerRemoved": _authorizer_removed,
    "ProviderCreated": _provider_created,
    "ProviderAuthorized": _provider_authorized,
    "ProviderRevoked": _provider_revoked,
    "ProviderClosed": _provider_closed,
    "EscrowCreated": _escrow_created,
    "EscrowDeposited": _escrow_received,
    "EscrowSynced": _escrow_received,
    "WithdrawalRequested": _withdrawal_requested,
    "WithdrawalClaimed": _withdrawal_claimed,
}
