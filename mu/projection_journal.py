"""What a person says of projections in a region's log, in the name of the region's node."""

from contract.errors import InvalidInput
from events.catalogue import NodeJoined, NodeSource, ProjectionEventSkipped, ProjectionRetried
from events.log import Log
from events.streams import PROJECTIONS_STREAM, node_stream

MAX_REASON_CHARACTERS = 500


def say(log: Log, public_key: str, event: ProjectionRetried | ProjectionEventSkipped) -> int:
    """Append `event` for the node with this key, in its last generation; returns the position.

    Raises `InvalidInput` where the node never joined, and `StreamConflict` when another has said something meanwhile.
    """
    joined = next(
        (e.event for e in log.newest_first(node_stream(public_key)) if isinstance(e.event, NodeJoined)), None
    )
    if joined is None:
        raise InvalidInput("--folder", "its node never joined the region, so it cannot say anything there")
    source = NodeSource(joined.node, joined.generation)
    [position] = log.append(PROJECTIONS_STREAM, log.version(PROJECTIONS_STREAM), [(source, event)])
    return position


def check_reason(text: str) -> str:
    """The reason that a person gave, without blanks around it. Raises `InvalidInput`."""
    reason = text.strip()
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
        raise InvalidInput("--reason", f"must have 1 to {MAX_REASON_CHARACTERS} characters")
    return reason
