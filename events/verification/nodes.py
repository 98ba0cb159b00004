"""What is checked of the nodes: that they have joined, recorded what is theirs where it belongs, and signed. Pure."""

import msgspec

from events.catalogue import (
    ChainEvent,
    ChainSource,
    CheckpointSigned,
    Event,
    Finalized,
    NodeJoined,
    NodeLeft,
    NodeLost,
    NodeSource,
    ProjectionEventSkipped,
    ProjectionRetried,
    Retracted,
    Source,
    UsageSignerCreated,
    kind,
)
from events.checkpoints import is_signed
from events.log import FIRST_POSITION
from events.node import node_hash
from events.streams import stream_of
from events.verification.findings import Findings


class Signer(msgspec.Struct, frozen=True):
    """A key that has signed checkpoints; and the region whose usage signer it was on chain, None if it was none's."""

    public_key: str
    checkpoints: int
    region: str | None


class NodesVerification:
    """A fold over all events of a log."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._keys: dict[str, str] = {}
        """Of the nodes that have joined, by their hashes."""
        self._generations: dict[str, int] = {}
        self._announced: dict[str, str] = {}
        """Who has called another node lost, in a stream in which it is to join next."""
        self._checkpoints: dict[str, int] = {}
        self._usage_signers: dict[bytes, tuple[str, str]] = {}
        """Their keys and regions, by the hashes of the events that made them that."""

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Who has signed checkpoints."""
        regions = dict(self._usage_signers.values())
        return tuple(Signer(key, count, regions.get(key)) for key, count in sorted(self._checkpoints.items()))

    def add(self, stream: str, source: Source, event: Event) -> None:
        """Check the event at the present position."""
        self._announcement(stream, source, event)
        match event:
            case NodeJoined():
                self._joined(event)
            case CheckpointSigned():
                self._checkpoint(event)
            case ProjectionRetried() | ProjectionEventSkipped():
                if not FIRST_POSITION <= event.position < self._findings.position:
                    self._findings.disagree(
                        f"a {kind(event)} of position {event.position}, which is not before it"
                    )
            case UsageSignerCreated():
                self._usage_signers[event.event_hash] = (event.signer, event.scope)
            case Retracted():
                for position in event.positions:
                    if (gone := self._findings.chain_event_before(position)) is not None:
                        self._usage_signers.pop(gone.event_hash, None)
            case _:
                pass
        self._source(source, event)
        self._place(stream, event)

    def _joined(self, event: NodeJoined) -> None:
        if self._keys.setdefault(event.node, event.public_key) != event.public_key:
            self._findings.disagree(f"{event.node} has joined before, with another key")
        self._generations[event.node] = event.generation
        try:
            is_named = event.node == node_hash(event.address, event.port, event.generation)
        except (ValueError, OverflowError):
            is_named = False
        if not is_named:
            self._findings.disagree(
                f"{event.node} is not the hash of the node's address, port and generation"
            )

    def _announcement(self, stream: str, source: Source, event: Event) -> None:
        """A node that is about to join calls its key's earlier ones lost, in the same append."""
        announced = self._announced.get(stream)
        if isinstance(event, NodeLost) and isinstance(source, NodeSource):
            self._announced[stream] = source.node
            return
        if announced is not None:
            del self._announced[stream]
            joins = isinstance(event, NodeJoined) and event.node == announced
            if not joins and not self._findings.has_lost():
                self._findings.disagree(f"{announced} has called another node lost, and does not join next")

    def _checkpoint(self, event: CheckpointSigned) -> None:
        findings = self._findings
        self._checkpoints[event.public_key] = self._checkpoints.get(event.public_key, 0) + 1
        if not is_signed(event):
            findings.disagree(f"the checkpoint of {event.node} is not signed by its key")
        if self._keys.get(event.node, event.public_key) != event.public_key:
            findings.disagree(f"the checkpoint's key is not the one with which {event.node} joined")
        record = findings.record_before(event.position)
        if (record is None or record.hash != event.hash) and not findings.is_lost(event.position):
            findings.disagree(f"the checkpoint is of another log: it differs at position {event.position}")

    def _source(self, source: Source, event: Event) -> None:
        match event:
            case ChainEvent():
                if not isinstance(source, ChainSource):
                    self._findings.disagree(f"a {kind(event)} does not come from the chain")
                return
            case _ if not isinstance(source, NodeSource):
                self._findings.disagree(f"a {kind(event)} does not come from a node")
                return
            case NodeLost():
                # said by a node that is about to join
                return
            case Finalized() | Retracted() | ProjectionRetried() | ProjectionEventSkipped():
                pass
            case _ if source.node != event.node:
                self._findings.disagree(f"a {kind(event)} of {event.node} was recorded by {source.node}")
                return
            case _:
                pass
        joined = self._generations.get(source.node)
        if joined is None:
            if not self._findings.has_lost():
                self._findings.disagree(f"a {kind(event)} by {source.node}, which has not joined")
        elif joined != source.generation or (isinstance(event, NodeLeft) and joined != event.generation):
            self._findings.disagree(f"a {kind(event)} of another generation than {joined} of {source.node}")

    def _place(self, stream: str, event: Event) -> None:
        expected = stream_of(event, self._keys.get)
        if isinstance(event, NodeLost):
            joined = self._generations.get(event.node)
            if joined != event.generation and not (joined is None and self._findings.has_lost()):
                self._findings.disagree(f"{event.node} is called lost, and has not joined in this generation")
        if expected is not None and stream != expected:
            self._findings.disagree(f"a {kind(event)} in the stream {stream} belongs in {expected}")
