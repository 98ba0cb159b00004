"""What a node says of itself in the log: it joins, it appends its own events, it leaves."""

import logging
from collections.abc import Sequence
from itertools import islice

import trio

from events.catalogue import Event, NodeEvent, NodeJoined, NodeLeft, NodeLost, NodeSource, Source
from events.entries import EngineFailure, InsertOutcomeUnknown
from events.log import Log
from events.node import node_hash
from events.streams import node_stream
from projections.membership import Membership

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 2.0

logger = logging.getLogger(__name__)


class NodeJournal:
    """One generation of a node, as the writer of the node's stream.

    Its appends wait out an engine that fails. They raise `StreamConflict` when another has written to the stream: peers
    that took this node for lost, or a later generation of it. The node must stop then.
    """

    def __init__(self, log: Log, public_key: str, node: str, generation: int, version: int) -> None:
        self._log = log
        self._stream = node_stream(public_key)
        self._version = version
        self._lock = trio.Lock()
        self._doubtful: Sequence[tuple[NodeSource, Event]] = ()
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
        # beyond all, not only this key's: another key may have been at this address, and the hash has no key in it
        generation = max(state.generations.values(), default=0) + 1
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
        retry_seconds = FIRST_RETRY_SECONDS
        async with self._lock:
            while True:
                try:
                    # those of an append before this one too, which was cancelled before it knew
                    if self._doubtful and await self._ends_with(self._doubtful):
                        written, self._doubtful = self._doubtful, ()
                        self._version += len(written)
                        if written is stamped:
                            return
                    await self._log.append_from_task(self._stream, self._version, stamped)
                except EngineFailure as error:
                    if isinstance(error, InsertOutcomeUnknown):
                        self._doubtful = stamped
                    if retry_seconds == FIRST_RETRY_SECONDS:
                        logger.warning("the node's events cannot be appended, and wait: %s", error)
                    await trio.sleep(retry_seconds)
                    retry_seconds = min(2 * retry_seconds, LONGEST_RETRY_SECONDS)
                else:
                    self._version += len(events)
                    self._doubtful = ()
                    return

    async def _ends_with(self, stamped: Sequence[tuple[NodeSource, Event]]) -> bool:
        """Whether an append whose outcome was not known has written all the same: appends are whole or not at all."""

        def last() -> list[tuple[Source, Event]]:
            newest = islice(self._log.newest_first(self._stream), len(stamped))
            return [(entry.source, entry.event) for entry in newest][::-1]

        version = await trio.to_thread.run_sync(self._log.version, self._stream)
        return version == self._version + len(stamped) and await trio.to_thread.run_sync(last) == stamped

    async def leave(self) -> None:
        """Say goodbye: the last event of this generation."""
        await self.append(NodeLeft(node=self.node, generation=self.generation))
