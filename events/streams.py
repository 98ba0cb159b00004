"""Which stream each event belongs in: one rule for those who append and those who verify. Pure.

A scope's events, and what the chain has made of them, are in the stream of its address, whose version lets one of
several nodes record each. A node's own events are in a stream of its public key, over all of its generations. What a
person says of a projection is in a stream of its own: a running node takes a stranger's entry in its stream for its
own end.
"""

from collections.abc import Callable

from events.catalogue import (
    ChainEvent,
    Event,
    Finalized,
    NodeJoined,
    ProjectionEventSkipped,
    ProjectionRetried,
    Retracted,
)

PROJECTIONS_STREAM = "projections"


def node_stream(public_key: str) -> str:
    """The stream of a node's events."""
    return f"node/{public_key}"


def stream_of(event: Event, key_of: Callable[[str], str | None]) -> str | None:
    """Where an event belongs; None if that is the stream of a node of which `key_of` knows no public key."""
    match event:
        case ChainEvent() | Finalized() | Retracted():
            return event.scope
        case ProjectionRetried() | ProjectionEventSkipped():
            return PROJECTIONS_STREAM
        case NodeJoined():
            return node_stream(event.public_key)
        case _:
            public_key = key_of(event.node)
            return None if public_key is None else node_stream(public_key)
