"""A history for the follower, and what of it is in a log."""

from contract.addresses import PROGRAM_ID
from events.catalogue import ChainEvent, Event, Finality, Source
from events.chain.decode import chain_events
from events.chain.follower import Follower, FollowerLimits
from events.log import Log
from tests.events.chain.histories import (
    SCOPE,
    Executed,
    HistoryReader,
    make_history,
)

LIMITS = FollowerLimits()
HISTORY = make_history()
ALL = list(range(1, len(HISTORY) + 1))


def follower(log: Log, reader: HistoryReader) -> Follower:
    return Follower(log, reader, SCOPE, LIMITS)


def truth(history: list[Executed]) -> list[tuple[Source, Event]]:
    """The region's events of a history, in order."""
    return [
        (source, event)
        for executed in history
        for source, event in chain_events(
            executed.logs, program=str(PROGRAM_ID), slot=executed.slot, signature=executed.signature,
            finality=Finality.CONFIRMED)
        if isinstance(event, ChainEvent) and event.scope == SCOPE
    ]  # fmt: skip


def recorded(log: Log) -> list[tuple[Source, Event]]:
    """What is in the log, whose sequence and chain of hashes are checked on the way."""
    previous, found = bytes(32), list[tuple[Source, Event]]()
    for entry in log.replay():
        assert isinstance(entry.event, ChainEvent)
        assert (entry.stream, entry.version) == (SCOPE, entry.event.sequence)
        assert (entry.event.sequence, entry.event.previous_hash) == (len(found) + 1, previous)
        previous = entry.event.event_hash
        found.append((entry.source, entry.event))
    return found


def sequences(log: Log) -> list[int]:
    return [event.sequence for _, event in recorded(log) if isinstance(event, ChainEvent)]
