"""Signs checkpoints of the log with a node's key: after so many new entries, or so many seconds if there is any."""

import logging

import msgspec
import trio
from solders.keypair import Keypair

from events.catalogue import CheckpointSigned
from events.checkpoints import sign
from events.entries import EngineFailure
from events.log import FIRST_POSITION, Log
from mu.node_journal import NodeJournal

logger = logging.getLogger(__name__)


class CheckpointLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often a node signs the log's head, and looks whether it should."""

    max_entries: int = 10_000
    max_seconds: float = 300.0
    poll_seconds: float = 5.0


class Checkpointer:
    """Signs for one generation of a node. Entries that are checkpoints themselves are no reason for another one.

    `signed_position` is the last position that needs no signature any more: it, and all before it, has one of this
    node's, or is one of some node's.
    """

    def __init__(self, log: Log, journal: NodeJournal, keypair: Keypair, limits: CheckpointLimits) -> None:
        self._log = log
        self._journal = journal
        self._keypair = keypair
        self._limits = limits
        self._signed_at = 0.0
        self.signed_position = FIRST_POSITION - 1

    async def run(self) -> None:
        """Sign for ever, waiting out an engine that fails. Raises `StreamConflict` when the node was declared lost."""
        self._signed_at = trio.current_time()
        while True:
            await trio.sleep(self._limits.poll_seconds)
            try:
                await self.sign_if_due()
            except EngineFailure as error:
                logger.warning("no checkpoint of the log was signed: %s", error)

    async def sign_if_due(self) -> bool:
        """Sign the head of the log if it is time to; whether it was."""
        head = await trio.to_thread.run_sync(self._log.head)
        late = trio.current_time() - self._signed_at >= self._limits.max_seconds
        if head.position - self.signed_position < (1 if late else self._limits.max_entries):
            return False
        if not await trio.to_thread.run_sync(self._skip_checkpoints, head.position):
            return False
        checkpoint = sign(head.position, head.hash, node=self._journal.node, keypair=self._keypair)
        await self._journal.append(checkpoint)
        self.signed_position, self._signed_at = head.position, trio.current_time()
        return True

    def _skip_checkpoints(self, last: int) -> bool:
        """Go past checkpoints up to the position `last`; whether anything else comes before that."""
        for entry in self._log.replay(self.signed_position + 1):
            if entry.position > last:
                break
            if not isinstance(entry.event, CheckpointSigned):
                return True
            self.signed_position = entry.position
        return False
