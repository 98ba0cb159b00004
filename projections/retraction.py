"""What a log says when forks of the chain have died: its entries without the retracted ones. Pure.

A `Retracted` takes entries back that stand before it in the log. Whoever folds entries as they come meets them first,
and it later: then the fold has to begin again, from a state of before the first of them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, get_args

import msgspec

from events.catalogue import ChainEvent, ChainSource, Finality, Finalized, MarketplaceEvent, Retracted
from events.log import Entry
from projections.projection import Projection


def retracted_positions(entries: Iterable[Entry]) -> frozenset[int]:
    """The positions that the `Retracted` among `entries` name, each of them before its own."""
    return frozenset(
        position
        for entry in entries
        if isinstance(entry.event, Retracted)
        for position in entry.event.positions
        if position < entry.position
    )


def live_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without those that a later `Retracted` names."""
    retracted = retracted_positions(entries)
    return [entry for entry in entries if entry.position not in retracted]


SETTLING: frozenset[type[Any]] = frozenset((*get_args(MarketplaceEvent), Finalized, Retracted))
"""The kinds of events that change what may still be retracted."""


class Unfinalized(msgspec.Struct):
    """The chain events that a `Retracted` may still name: by scope, their positions by sequence, both rising."""

    scopes: dict[str, dict[int, int]] = {}

    def apply(self, entry: Entry) -> None:
        """Take note of a further entry."""
        match entry.event:
            case ChainEvent(scope=scope, sequence=sequence):
                if isinstance(entry.source, ChainSource) and entry.source.finality is Finality.FINALIZED:
                    # what comes before something final is final too
                    self._finalize(scope, sequence)
                else:
                    positions = self.scopes.setdefault(scope, {})
                    # where a `Retracted` is missing, the later event of a number is the one that counts
                    positions.pop(sequence, None)
                    positions[sequence] = entry.position
            case Finalized(scope=scope, sequence=sequence):
                self._finalize(scope, sequence)
            case Retracted(scope=scope, positions=retracted):
                self._keep(scope, {n: p for n, p in self.scopes.get(scope, {}).items() if p not in retracted})
            case _:
                pass

    def first_position(self) -> int | None:
        """The first position that may still be retracted; None where there is none."""
        # the first of each scope's, as they rise: there may be very many where nothing is ever finalized
        return min((next(iter(positions.values())) for positions in self.scopes.values()), default=None)

    def is_final(self, position: int) -> bool:
        """Whether nothing up to `position` may still be retracted."""
        first = self.first_position()
        return first is None or first > position

    def _finalize(self, scope: str, sequence: int) -> None:
        if scope in self.scopes:
            self._keep(scope, {n: p for n, p in self.scopes[scope].items() if n > sequence})

    def _keep(self, scope: str, positions: dict[int, int]) -> None:
        if positions:
            self.scopes[scope] = positions
        else:
            self.scopes.pop(scope, None)


class UnfinalizedEvents(Projection[Unfinalized]):
    """What of the log may still be retracted: kept as a projection is, but folded from every entry once, the dead ones
    too, so that it never goes back.
    """

    name = "unfinalized"
    version = 1
    state_type = Unfinalized
    reads = tuple(SETTLING)

    def apply(self, entry: Entry) -> None:
        """Take note of a further entry."""
        self.state.apply(entry)

    def encode(self) -> bytes:
        """The state's bytes: MessagePack, whose keys are in the order of the log, as numbers cannot be sorted there."""
        return msgspec.msgpack.encode(self.state)
