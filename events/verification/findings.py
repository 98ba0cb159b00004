"""How far a log has been checked, what of it could not be read, and all that disagrees."""

from collections.abc import Callable

import msgspec

from contract.errors import DecodeError
from events import codec
from events.catalogue import ChainEvent
from events.log import FIRST_POSITION
from events.record import Record

RecordAt = Callable[[int], Record | None]
"""The record at a position of the same log."""


MAX_DISAGREEMENTS = 1000
"""A log with more is damaged, and not read on to find them."""


class Disagreement(msgspec.Struct, frozen=True):
    """Something in the log that does not fit the rest, and where."""

    position: int
    problem: str


class Findings:
    """Of a log that is being checked: `position` is the last that was looked at."""

    def __init__(self, record_at: RecordAt) -> None:
        self.position = FIRST_POSITION - 1
        self.disagreements: list[Disagreement] = []
        self._record_at = record_at
        self.lost: list[tuple[int, int]] = []
        """First and last positions of what could not be read, in order."""

    def disagree(self, problem: str, position: int | None = None) -> None:
        """Something does not fit, at the present position unless another is named."""
        if not self.is_full:
            self.disagreements.append(Disagreement(self.position if position is None else position, problem))

    @property
    def is_full(self) -> bool:
        """Whether so much disagrees that no more is told."""
        return len(self.disagreements) >= MAX_DISAGREEMENTS

    def lose(self, first: int, last: int) -> None:
        """What comes next could not be read."""
        self.lost.append((first, last))
        self.position = last

    def has_lost(self, *, since: int = FIRST_POSITION - 1) -> bool:
        """Whether anything after a position could not be read."""
        return bool(self.lost) and self.lost[-1][1] > since

    def is_lost(self, position: int) -> bool:
        """Whether the record at a position could not be read."""
        return any(first <= position <= last for first, last in self.lost)

    def record_before(self, position: int) -> Record | None:
        """The record at a position before the present one; None if there is none, or that is no such position."""
        if position >= self.position or self.is_lost(position):
            return None
        return self._record_at(position)

    def chain_event_before(self, position: int) -> ChainEvent | None:
        """The chain event in such a record."""
        record = self.record_before(position)
        if record is None:
            return None
        try:
            event = codec.decode(record.state).event
        except DecodeError:
            return None
        return event if isinstance(event, ChainEvent) else None
