"""Projections as they stood at a moment: a position of the log, a slot of the chain, or a time.

The state at a position is the one that a node had when it had folded the entry there: of what died later with a fork
it still knows.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from contract.errors import InvalidInput
from events.catalogue import ChainEvent, ChainSource, Finality, Finalized, Retracted
from events.engine import Engine
from events.log import FIRST_POSITION, READ_BATCH_ENTRIES, Entry, Log
from projections.parking import Parked
from projections.projection import Projection
from projections.retraction import Unfinalized
from projections.runner import Runner, RunnerLimits

P = TypeVar("P", bound=Projection[Any])

FIRST_READ_ENTRIES = 8

_POSITION = re.compile(r"[0-9]{1,19}")
_SLOT = re.compile(r"slot:([0-9]{1,19})")


class Position(msgspec.Struct, frozen=True):
    """After the entry at `position`; 0 is before the first."""

    position: int


class Slot(msgspec.Struct, frozen=True):
    """Before the first chain event of a later slot, of those that no dead fork has taken with it.

    The slots of one scope rise in a log. Where those of several do not, it is before one such event.
    """

    slot: int


class Time(msgspec.Struct, frozen=True):
    """Before the first entry that was recorded later (milliseconds since 1970, UTC).

    Where the clocks of nodes differ, and so the times in the log do not rise, it is before one such entry.
    """

    milliseconds: int


class Settled(msgspec.Struct, frozen=True):
    """Before the first entry that a fork of the chain may still undo."""


Moment = Position | Slot | Time | Settled


class Past(msgspec.Struct, Generic[P], frozen=True):
    """A projection as it stood at `position`, and what it was stopped at, if it was."""

    projection: P
    position: int
    parked: Parked | None


def parse_moment(text: str, field: str) -> Moment:
    """The moment that a person means by `120`, `slot:345`, `2026-11-24T10:00:00Z`, or `finalized`.

    Raises `InvalidInput`.
    """
    if text == Finality.FINALIZED:
        return Settled()
    if _POSITION.fullmatch(text):
        return Position(int(text))
    if slot := _SLOT.fullmatch(text):
        return Slot(int(slot[1]))
    try:
        time = datetime.fromisoformat(text)
        # a time without an offset is UTC, as everywhere in the log
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return Time(int(aware.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise InvalidInput(
            field, f"{text} is no position (120), slot (slot:345), time (2026-11-24T10:00:00Z), or finalized"
        ) from None


def position_of(log: Log, moment: Moment, field: str, unfinalized: Callable[[], Unfinalized]) -> int:
    """The last position of the log at a moment; `unfinalized` gives what of the whole log may still be retracted.

    Raises `InvalidInput` for a position after its end.
    """
    match moment:
        case Position(position=position):
            if position > (head := log.head().position):
                raise InvalidInput(field, f"the log ends at position {head}")
            return position
        case Slot(slot=slot):
            return _first_live(log, _search(log, lambda entry: _is_later(entry, slot)), slot) - 1
        case Time(milliseconds=milliseconds):
            return _search(log, lambda entry: entry.recorded_at > milliseconds) - 1
        case Settled():
            first = unfinalized().first_position()
            return log.head().position if first is None else first - 1


def _is_later(entry: Entry, slot: int) -> bool | None:
    return entry.source.slot > slot if isinstance(entry.source, ChainSource) else None


def _search(log: Log, is_later: Callable[[Entry], bool | None]) -> int:
    """A position that is later while the one before it is not; the end of the log if none is. None: it does not tell.

    By halves, as a log is long.
    """
    before, after = FIRST_POSITION - 1, log.head().position + 1
    while after - before > 1:
        middle = (before + after) // 2
        found = next(
            (entry for entry in _backwards(log, middle, before) if is_later(entry) is not None), None
        )
        if found is not None and is_later(found):
            after = found.position
        else:
            before = middle
    return after


def _backwards(log: Log, last: int, before: int) -> Iterator[Entry]:
    """The entries from the position `last` back to that after `before`, in batches that grow."""
    count = FIRST_READ_ENTRIES
    while last > before:
        first = max(before + 1, last - count + 1)
        yield from reversed(log.read(first, last - first + 1))
        last, count = first - 1, min(2 * count, READ_BATCH_ENTRIES)


def _first_live(log: Log, position: int, slot: int) -> int:
    """The first position from `position` on that is of a later slot and has not died; the end of the log if none is."""
    for entry in log.replay(position):
        if _is_later(entry, slot) and not _has_died(log, entry):
            return entry.position
        position = entry.position + 1
    return position


def _has_died(log: Log, entry: Entry) -> bool:
    if not isinstance(entry.event, ChainEvent) or not isinstance(entry.source, ChainSource):
        return False
    if entry.source.finality is Finality.FINALIZED:
        return False
    for later in log.replay(entry.position + 1):
        match later.event:
            case Retracted(positions=positions) if entry.position in positions:
                return True
            case Finalized(scope=scope, sequence=sequence) if scope == entry.event.scope:
                if sequence >= entry.event.sequence:
                    return False
            case _:
                pass
    return False


def state_at(log: Log, engine: Engine, kind: type[P], position: int) -> Past[P]:
    """The projection of this kind as it stood when it had folded the entry at `position`."""
    runner = Runner(log, engine, RunnerLimits(), (kind,))
    runner.begin_before(position)
    runner.catch_up(position)
    progress = runner.progress[kind.name]
    return Past(runner.get(kind), progress.position, progress.parked)
