"""What the events of regions change: regions, their stacks, their signers, and usage reports."""

from collections.abc import Callable
from typing import Final

import msgspec
from solders.pubkey import Pubkey

from contract import addresses
from contract.accounts import (
    Escrow,
    Provider,
    Region,
    RegionStatus,
    RequestSigner,
    Stack,
    StackStatus,
    UsageReport,
    UsageSigner,
)
from contract.rebuild.step import Step
from contract.terms import NO_LOCK, NO_TERMS, Lock, Prices, Terms


def _region_created(step: Step) -> None:
    provider, number = step.key("provider"), step["number"]
    region = Region(
        bump=step.bump(addresses.region_address(provider, number), step.scope),
        provider=provider,
        number=number,
        stack_count=0,
        status=RegionStatus.LIVE,
        terms=_terms(step, "terms"),
        next_from=0,
        next_terms=NO_TERMS,
        name=step["name"],
        base_url=step["base_url"],
        sequence=0,
        event_hash=bytes(32),
    )
    step.create(step.scope, region)
    step.change(Provider, provider, region_count=step.get(Provider, provider).region_count + 1)


def _region_updated(step: Step) -> None:
    step.change(
        Region,
        step.scope,
        base_url=step["base_url"],
        terms=_terms(step, "terms"),
        next_from=step["next_from"],
        next_terms=_terms(step, "next_terms"),
    )


def _region_closed(step: Step) -> None:
    provider = step.get(Region, step.scope).provider
    step.change(Region, step.scope, status=RegionStatus.CLOSED)
    step.change(Provider, provider, region_count=step.get(Provider, provider).region_count - 1)


def _stack_deployed(step: Step) -> None:
    address, owner, seed = step.key("stack"), step.key("owner"), step["seed"]
    region = step.get(Region, step.scope)
    stack = Stack(
        bump=step.bump(addresses.stack_address(step.scope, owner, seed), address),
        region=step.scope,
        owner=owner,
        seed=seed,
        revision=step["revision"],
        status=StackStatus.ACTIVE,
        reported_position=0,
        deleted_at=0,
        final_prices=Prices(),
        manifest=step["manifest"],
    )
    step.create(address, stack)
    step.change(Region, step.scope, stack_count=region.stack_count + 1)
    _change_lock(step, 1, step["minimum"])


def _stack_updated(step: Step) -> None:
    address = _stack_of_the_region(step)
    step.change(Stack, address, revision=step["revision"], manifest=step["manifest"])
    _change_lock(step, 0, step["minimum"])


def _stack_deleted(step: Step) -> None:
    address = _stack_of_the_region(step)
    step.change(
        Stack,
        address,
        revision=step["revision"],
        status=StackStatus.DELETED,
        deleted_at=step["deleted_at"],
        final_prices=step.get(Region, step.scope).terms_at(step["deleted_at"]).prices,
        manifest=b"",
    )
    step.change(Region, step.scope, stack_count=step.get(Region, step.scope).stack_count - 1)
    _change_lock(step, -1, None)
    step.change(Escrow, step.key("escrow"), withdrawal_from=step["withdrawal_from"])


def _usage_signer_created(step: Step) -> None:
    address, bump = addresses.usage_signer_address(step.scope)
    # It takes the place of the one before, if there is one.
    step.changes[address] = UsageSigner(
        bump=bump,
        region=step.scope,
        signer=step.key("signer"),
        valid_from=step["valid_from"],
        valid_to=step["valid_to"],
    )


def _usage_signer_revoked(step: Step) -> None:
    step.close(UsageSigner, addresses.usage_signer_address(step.scope)[0])


def _request_signer_created(step: Step) -> None:
    client, signer = step.key("client"), step.key("signer")
    address, bump = addresses.request_signer_address(step.scope, client, signer)
    step.create(
        address, RequestSigner(bump=bump, region=step.scope, client=client, signer=signer, active=True)
    )


def _request_signer_activated(step: Step) -> None:
    step.change(RequestSigner, _request_signer(step), active=True)


def _request_signer_deactivated(step: Step) -> None:
    step.change(RequestSigner, _request_signer(step), active=False)


def _usage_reported(step: Step) -> None:
    stack = _stack_of_the_region(step)
    first, last = step["first_position"], step["last_position"]
    address, bump = addresses.usage_report_address(stack, first, last)
    report = UsageReport(
        bump=bump,
        region=step.scope,
        stack=stack,
        first_position=first,
        last_position=last,
        payer=step.key("signer"),
        reported_at=step["reported_at"],
        digest=step["digest"],
        cost=step["cost"],
        charge=step["charge"],
        commission=step["commission"],
    )
    step.create(address, report)
    deleted = step.get(Stack, stack).status is not StackStatus.ACTIVE
    status = StackStatus.SETTLED if deleted else StackStatus.ACTIVE
    step.change(Stack, stack, reported_position=last, status=status)
    step.change(Escrow, step.key("escrow"), balance=step["balance"])


def _usage_report_closed(step: Step) -> None:
    report = step.key("stack"), step["first_position"], step["last_position"]
    step.close(UsageReport, addresses.usage_report_address(*report)[0])


CHANGES: Final[dict[str, Callable[[Step], None]]] = {
    "RegionCreated": _region_created,
    "RegionUpdated": _region_updated,
    "RegionClosed": _region_closed,
    "StackDeployed": _stack_deployed,
    "StackUpdated": _stack_updated,
    "StackDeleted": _stack_deleted,
    "UsageSignerCreated": _usage_signer_created,
    "UsageSignerRevoked": _usage_signer_revoked,
    "RequestSignerCreated": _request_signer_created,
    "RequestSignerActivated": _request_signer_activated,
    "RequestSignerDeactivated": _request_signer_deactivated,
    "UsageReported": _usage_reported,
    "UsageReportClosed": _usage_report_closed,
}


def _terms(step: Step, field: str) -> Terms:
    return msgspec.convert(step[field], Terms)


def _stack_of_the_region(step: Step) -> Pubkey:
    address = step.key("stack")
    if step.get(Stack, address).region != step.scope:
        raise step.misfit(f"the stack {address} is of another region")
    return address


def _request_signer(step: Step) -> Pubkey:
    return addresses.request_signer_address(step.scope, step.key("client"), step.key("signer"))[0]


def _change_lock(step: Step, stacks: int, minimum: int | None) -> None:
    """Adds to the count of stacks in the escrow's lock for the region, and sets its minimum unless None.

    A new lock takes the first empty place; one without stacks leaves an empty place.
    """
    region, address = step.get(Region, step.scope), step.key("escrow")
    locks = list(step.get(Escrow, address).locks)
    own = [
        place for place, lock in enumerate(locks) if lock.stack_count and lock.region_number == region.number
    ]
    empty = [place for place, lock in enumerate(locks) if not lock.stack_count]
    places = own or (empty if stacks > 0 else [])
    if not places:
        raise step.misfit(f"the escrow {address} has no lock, or no place for one, for the region")
    [place, *_] = places
    count = locks[place].stack_count + stacks
    lock = Lock(
        region_number=region.number,
        stack_count=count,
        minimum=locks[place].minimum if minimum is None else minimum,
    )
    locks[place] = lock if count else NO_LOCK
    step.change(Escrow, address, locks=tuple(locks))
