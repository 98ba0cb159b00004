"""Which of several RPC nodes to ask: how each has answered, and the choice that follows from it. Pure."""

from collections.abc import Collection, Mapping

import msgspec

from events.catalogue import Finality

MAX_SLOTS_BEHIND = 150
"""A minute: a node that is further behind another is not asked while there is a choice."""


class EndpointLimits(msgspec.Struct, frozen=True, kw_only=True):
    """A node that has failed is asked last for `rest_seconds`, one that asks to be left alone not at all for as long
    as it says, up to `longest_wait_seconds`. A node whose slot has not changed for `stalled_seconds` has failed.

    `answer_seconds` bounds the wait for an answer, however many nodes are asked; one that has not answered for
    `hedge_seconds` has failed if another answers first, and all others are asked then.
    """

    answer_seconds: float = 3.0
    hedge_seconds: float = 1.0
    rest_seconds: float = 10.0
    stalled_seconds: float = 2.5
    longest_wait_seconds: float = 60.0


class ToldSlot(msgspec.Struct, frozen=True):
    """The slot that a node has told last, 0 before any answer, and since when it is that one."""

    slot: int = 0
    changed_at: float = 0.0


class Endpoint(msgspec.Struct, frozen=True):
    """What is known of a node. Times are those of the clock by which `now` is told."""

    confirmed: ToldSlot = ToldSlot()
    finalized: ToldSlot = ToldSlot()
    failed_at: float | None = None
    blocked_until: float = 0.0
    problem: str | None = None
    failures: int = 0

    @property
    def slot(self) -> int:
        """The last slot that it is known to have come to."""
        return max(self.confirmed.slot, self.finalized.slot)

    def told(self, finality: Finality) -> ToldSlot:
        """The slot that it has told last at a finality."""
        return self.confirmed if finality is Finality.CONFIRMED else self.finalized

    def is_resting(self, now: float, limits: EndpointLimits) -> bool:
        """Whether it has failed a short time ago."""
        return self.failed_at is not None and now < self.failed_at + limits.rest_seconds


def answered(endpoint: Endpoint) -> Endpoint:
    """It has answered a question."""
    return msgspec.structs.replace(endpoint, failed_at=None, problem=None)


def failed(
    endpoint: Endpoint,
    now: float,
    problem: str,
    limits: EndpointLimits,
    *,
    retry_after_seconds: float | None = None,
) -> Endpoint:
    """It has not answered, or not usably."""
    wait_seconds = min(retry_after_seconds or 0.0, limits.longest_wait_seconds)
    return msgspec.structs.replace(
        endpoint,
        failed_at=now,
        problem=problem,
        failures=endpoint.failures + 1,
        blocked_until=max(endpoint.blocked_until, now + wait_seconds),
    )


def told_slot(endpoint: Endpoint, finality: Finality, now: float, slot: int) -> Endpoint:
    """It has told the slot that it is at."""
    # one that is lower counts as well: else a slot that was too high, told once in error, would stand for ever
    if slot == endpoint.told(finality).slot:
        return endpoint
    told = ToldSlot(slot, now)
    if finality is Finality.CONFIRMED:
        return msgspec.structs.replace(endpoint, confirmed=told)
    return msgspec.structs.replace(endpoint, finalized=told)


def best_slot(endpoints: Mapping[str, Endpoint], finality: Finality) -> int:
    """The highest slot that a node is at with which nothing is wrong."""
    return max((one.told(finality).slot for one in endpoints.values() if one.problem is None), default=0)


def staleness(
    endpoint: Endpoint, finality: Finality, now: float, best: int, limits: EndpointLimits
) -> str | None:
    """What is wrong with the slot that it has just told; None if nothing is."""
    told = endpoint.told(finality)
    if told.slot + MAX_SLOTS_BEHIND < best:
        return f"it is {best - told.slot} slots behind"
    # a chain that has just begun has finalized nothing for a while
    if told.slot and now - told.changed_at >= limits.stalled_seconds:
        return f"it has stood at {finality.value} slot {told.slot}"
    return None


def choose(
    endpoints: Mapping[str, Endpoint],
    current: str | None,
    now: float,
    limits: EndpointLimits,
    tried: Collection[str] = (),
) -> str | None:
    """The node to ask: the current one while it is well, then the first that is, then the one whose failure is longest
    ago; None where all others have been tried or are to be left alone.
    """
    candidates = [name for name, one in endpoints.items() if name not in tried and now >= one.blocked_until]

    def rank(name: str) -> tuple[float, bool]:
        one = endpoints[name]
        ago = one.failed_at if one.failed_at is not None and one.is_resting(now, limits) else float("-inf")
        return ago, name != current

    return min(candidates, key=rank, default=None)


def blocked_seconds(endpoints: Mapping[str, Endpoint], now: float) -> float | None:
    """How long all of them are to be left alone; None where one is not."""
    waits = [one.blocked_until - now for one in endpoints.values()]
    return min(waits) if waits and min(waits) > 0 else None
