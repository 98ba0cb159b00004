"""Recomputes a usage report's charge from its usage and the region's terms; checks what it says of the log. Pure."""

from collections.abc import Iterator

from contract.accounts import Region, Stack, StackStatus
from contract.pricing import cost, split_charge
from events.catalogue import UsageReported


def wrong_charge(
    event: UsageReported, region: Region, stack: Stack, commission_millionths: int | None
) -> Iterator[str]:
    """What is wrong with the charge. Without `commission_millionths`, the commission is not looked at."""
    is_live = stack.status is StackStatus.ACTIVE
    prices = region.terms_at(event.reported_at).prices if is_live else stack.final_prices
    expected = cost(event.usage, prices)
    if event.cost != expected:
        yield f"the cost is {event.cost}, but the usage at the region's prices comes to {expected}"
    split = split_charge(event.cost, event.balance + event.charge, commission_millionths or 0)
    if event.charge != split.charge:
        yield f"the charge is {event.charge}, but of the cost {event.cost} the escrow can pay {split.charge}"
    elif event.shortfall != split.shortfall:
        yield f"the shortfall is {event.shortfall}, but should be {split.shortfall}"
    if commission_millionths is not None and event.commission != split.commission:
        yield f"the commission is {event.commission}, but should be {split.commission}"


def wrong_span(event: UsageReported, stack: Stack, position: int, digest: bytes | None) -> Iterator[str]:
    """What is wrong with the positions that the report, which is at `position`, was made for.

    `digest` is the hash of the log's entry at the last of them.
    """
    if event.first_position != stack.reported_position + 1:
        yield (
            f"the report begins at position {event.first_position}, "
            f"but the last one ended at {stack.reported_position}"
        )
    if event.last_position >= position:
        yield f"the report goes up to position {event.last_position}, which comes after it"
    elif event.digest != digest:
        yield f"the report is of another log: it differs at position {event.last_position}"
