"""Where a scope stands in the log: its last events that count, and how far the chain has finalized them. Pure.

A scope's stream holds its chain events, and what nodes have recorded about them (`Retracted`, `Finalized`).
"""

from collections.abc import Iterable, Iterator

import msgspec

from events.catalogue import ChainEvent, ChainSource, Finality, Finalized, Retracted
from events.log import Entry
from events.record import ZERO_HASH


class RecordedEvent(msgspec.Struct, frozen=True):
    """A chain event in the log: its sequence and hash, where it was seen, as `ChainSource` has it, and its position."""

    sequence: int
    hash: bytes
    slot: int
    signature: str
    index: int
    position: int


class Cursor(msgspec.Struct, frozen=True):
    """An event of a scope that others are to follow: its sequence, its hash, and where it was seen: the slot, the
    transaction, and which of its events that is (from 0).
    """

    sequence: int
    hash: bytes
    slot: int
    signature: str
    index: int


BEGINNING = Cursor(0, ZERO_HASH, 0, "", 0)


class Standing(msgspec.Struct):
    """What a scope's stream says up to its `version`.

    `final` is the last event that the chain is known to have finalized, `pending` are those after it, in order. Of an
    old log, in which nobody has recorded what is final, all are pending.
    """

    version: int = 0
    final: Cursor = BEGINNING
    pending: list[RecordedEvent] = []

    @property
    def tip(self) -> Cursor:
        """The last event."""
        return cursor(self.pending[-1]) if self.pending else self.final

    def event(self, sequence: int) -> Cursor | None:
        """The event of this sequence, from `final` on; None for one that is not (or no longer) known."""
        if sequence == self.final.sequence:
            return self.final
        place = sequence - self.final.sequence - 1
        return cursor(self.pending[place]) if 0 <= place < len(self.pending) else None

    def apply(self, entry: Entry) -> None:
        """Take note of the stream's next entry."""
        self.version = entry.version
        match entry.event:
            case ChainEvent(sequence=sequence, event_hash=event_hash):
                assert isinstance(entry.source, ChainSource)
                source = entry.source
                self.pending.append(
                    RecordedEvent(
                        sequence, event_hash, source.slot, source.signature, source.index, entry.position
                    )
                )
                if source.finality is Finality.FINALIZED:
                    self._finalize(sequence)
            case Finalized(sequence=sequence):
                self._finalize(sequence)
            case Retracted(positions=positions):
                retracted = set(positions)
                self.pending = [event for event in self.pending if event.position not in retracted]
            case _:
                pass

    def catch_up(self, newest_first: Iterable[Entry]) -> None:
        """Take note of what is new in the stream, whose entries come backwards; no more are read than are needed."""
        entries = list(_needed(newest_first, self.version))
        if entries and entries[-1].version > self.version + 1:
            self.final, self.pending = BEGINNING, []
        for entry in reversed(entries):
            self.apply(entry)

    def _finalize(self, sequence: int) -> None:
        settled = [event for event in self.pending if event.sequence <= sequence]
        if settled:
            self.final = cursor(settled[-1])
            del self.pending[: len(settled)]


def cursor(event: RecordedEvent) -> Cursor:
    """The cursor at an event."""
    return Cursor(event.sequence, event.hash, event.slot, event.signature, event.index)


def cursor_at(source: ChainSource, event: ChainEvent) -> Cursor:
    """The cursor at an event that is not in the log yet."""
    return Cursor(event.sequence, event.event_hash, source.slot, source.signature, source.index)


def _needed(newest_first: Iterable[Entry], version: int) -> Iterator[Entry]:
    """The entries after `version`; at the most those from the last event on that is final."""
    finalized, retracted = 0, set[int]()
    for entry in newest_first:
        if entry.version <= version:
            return
        yield entry
        match entry.event:
            case Finalized(sequence=sequence):
                finalized = max(finalized, sequence)
            case Retracted(positions=positions):
                retracted.update(positions)
            case ChainEvent(sequence=sequence) if entry.position not in retracted:
                assert isinstance(entry.source, ChainSource)
                if sequence <= finalized or entry.source.finality is Finality.FINALIZED:
                    return
            case _:
                pass
