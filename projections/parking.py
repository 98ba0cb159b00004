"""Projections that stopped at an event, and what of a log is read differently later. Pure.

A `Retracted` takes chain events back, for all projections. A person has one projection leave out an event
(`ProjectionEventSkipped`), or try the one again at which it stopped (`ProjectionRetried`). Both are in the log, so that
every node and every replay does the same.
"""

import msgspec

from events.catalogue import ProjectionEventSkipped, ProjectionRetried, Retracted
from events.log import Entry

REVISIONS = (Retracted, ProjectionRetried, ProjectionEventSkipped)
"""The kinds of events that say how those before them are read, and that no projection reads."""


class Parked(msgspec.Struct, frozen=True):
    """The event that a projection failed on: its position, and the traceback."""

    position: int
    traceback: str


class Revision(msgspec.Struct, frozen=True):
    """What the entry at `position` says of entries before it: `gone` are left out from then on.

    `name` is the one projection that it is about, None for all. With `again`, an event is only tried again.
    """

    position: int
    gone: tuple[int, ...] = ()
    name: str | None = None
    again: int | None = None

    def left_out(self, name: str) -> tuple[int, ...]:
        """The positions that this projection leaves out."""
        return self.gone if self.name in (None, name) else ()

    def first(self, name: str, parked: Parked | None) -> int | None:
        """The first position from which this projection, which may have stopped, must fold again, if it has seen it."""
        if self.name not in (None, name):
            return None
        if self.again is not None:
            return self.again if parked is not None and parked.position == self.again else None
        return min(self.gone, default=None)


def revision_of(entry: Entry) -> Revision | None:
    """What `entry` says of those before it, None if it is like most entries."""
    match entry.event:
        case Retracted(positions=positions):
            return Revision(entry.position, tuple(gone for gone in positions if 0 < gone < entry.position))
        case ProjectionEventSkipped(name=name, position=position) if 0 < position < entry.position:
            return Revision(entry.position, (position,), name)
        case ProjectionRetried(name=name, position=position) if 0 < position < entry.position:
            return Revision(entry.position, (), name, position)
        case _:
            return None
