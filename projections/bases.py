"""States of a projection to go back to when a fork dies: one that no fork can undo, and one that will be such. Pure."""

import msgspec

from projections.retraction import Unfinalized

STATE_BYTES_PER_ENTRY = 100
"""A base is taken anew after as many entries as bring its cost down to so many bytes an entry."""


class Base(msgspec.Struct, frozen=True):
    """A projection as it once stood: the last position folded, that entry's hash, and the encoded state."""

    position: int
    hash: bytes
    state: bytes


class Bases(msgspec.Struct):
    """The bases of one projection. `saved_position` is that of the last `final` one that was kept durably."""

    final: Base | None = None
    next: Base | None = None
    saved_position: int = 0

    def wants(self, position: int, unfinalized: Unfinalized, *, least_entries: int) -> bool:
        """Whether a new base is worth its cost at `position`, and there is a place for it."""
        latest = self.next or self.final
        if latest is None:
            return position >= least_entries
        entries = max(least_entries, len(latest.state) // STATE_BYTES_PER_ENTRY)
        return position - latest.position >= entries and (
            self.next is None or unfinalized.is_final(self.next.position)
        )

    def take(self, base: Base) -> None:
        """Take a new base, as `wants` allowed."""
        if self.next is not None:
            self.final = self.next
        self.next = base

    def drop_from(self, position: int) -> None:
        """Forget the next base if it has folded `position`, which was retracted."""
        if self.next is not None and self.next.position >= position:
            self.next = None
