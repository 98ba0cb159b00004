"""What a node says of itself in the log: it joins, it appends its own events, it leaves."""

from collections.abc import Sequence

import trio

from events.catalogue import Event, NodeEvent, NodeJoined, NodeLeft, NodeLost, NodeSource
from events.log import Log
from events.node import node_hash
from projections.membership import Membership


def node_stream(public_key: str) -> str:
    """The stream of a node's events, over all of its generations."""
    return f"node/{public_key}"


class NodeJournal:
    """One generation of a node, as the writer of the node's stream.

    Its appends raise `StreamConflict` when another has written to the stream: peers that took this node for lost, or
    a later generation of it. The node must stop then.
    """

    def __init__(self, log: Log, public_key: str, node: str, generation: int, version: int) -> None:
        self._log = log
        self._stream = node_stream(public_key)
        self._version = version
        self._lock = trio.Lock()
        self.node = node
        self.generation = generation

    @classmethod
    async def join(
        cls, log: Log, membership: Membership, *, public_key: str, address: str, port: int
    ) -> "NodeJournal":
        """Begin a new generation of the node with this key; earlier ones that did not leave are declared lost.

        `membership` must have seen the whole log.
        """
        state = membership.state
        generation = state.generations.get(public_key, 0) + 1
        node = node_hash(address, port, generation)
        version = await trio.to_thread.run_sync(log.version, node_stream(public_key))
        journal = cls(log, public_key, node, generation, version)
        lost = [
            NodeLost(node=earlier, generation=member.generation)
            for earlier, member in state.members.items()
            if member.public_key == public_key
        ]
        joined = NodeJoined(
            node=node, address=address, port=port, generation=generation, public_key=public_key
        )
        await journal.append(*lost, joined)
        return journal

    async def append(self, *events: NodeEvent) -> None:
        """Append events of this node, durably."""
        source = NodeSource(self.node, self.generation)
        stamped: Sequence[tuple[NodeSource, Event]] = [(source, event) for event in events]
        async with self._lock:
            await self._log.append_from_task(self._stream, self._version, stamped)
            self._version += len(events)

    async def leave(self) -> None:
        """Say goodbye: the last event of this generation."""
        await self.append(NodeLeft(node=self.node, generation=self.generation))
