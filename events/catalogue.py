"""The event catalogue: every kind of thing that can have happened in a region.

Additive only: a field is added at the end with a default; a changed meaning is a new kind. Addresses, signatures and
hashes of nodes are base58 text. Chain events mirror the program's (`contract/idl.json`); the others are the nodes' own.
"""

from enum import StrEnum

import msgspec


class Finality(StrEnum):
    """How settled the slot of a chain event was when the event was recorded."""

    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


class ChainSource(msgspec.Struct, frozen=True, tag="chain"):
    """Where on chain an event came from: its transaction, and which of the transaction's events it is (from 0)."""

    slot: int
    signature: str
    index: int
    finality: Finality


class NodeSource(msgspec.Struct, frozen=True, tag="node"):
    """Which node recorded an event, in which of its generations."""

    node: str
    generation: int


Source = ChainSource | NodeSource


class ChainEvent(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What every event of the program carries.

    `scope` is the account the event belongs to, `sequence` its number there (from 1, gapless), `previous_hash` the
    SHA-256 of the scope's previous event's bytes on chain (zeros for the first), `event_hash` that of this one's.
    """

    scope: str
    sequence: int
    previous_hash: bytes
    event_hash: bytes


class Initialized(ChainEvent, frozen=True):
    """The Marketplace was set up."""

    admin: str


class ProviderCreated(ChainEvent, frozen=True):
    """A provider registered; its account is the scope."""

    owner: str
    name: str


class RegionCreated(ChainEvent, frozen=True):
    """A provider opened a region; the region is the scope."""

    provider: str
    number: int
    name: str
    base_url: str


class StackDeployed(ChainEvent, frozen=True):
    """A developer deployed a stack to the region. `manifest` is in the form of `events.manifest`, unchecked."""

    stack: str
    owner: str
    seed: int
    revision: int
    manifest: bytes


class StackUpdated(ChainEvent, frozen=True):
    """The stack's owner replaced its manifest."""

    stack: str
    owner: str
    revision: int
    manifest: bytes


class StackDeleted(ChainEvent, frozen=True):
    """The stack's owner deleted it; its address is never used again."""

    stack: str
    owner: str
    revision: int


class NodeJoined(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A node began to serve the region. `node` is `events.node.node_hash` of the rest."""

    node: str
    address: str
    port: int
    generation: int
    public_key: str


class NodeLeft(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A node said goodbye."""

    node: str
    generation: int


class NodeLost(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A node was found gone without having said goodbye."""

    node: str
    generation: int


class StackStarted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A node is ready to answer requests for a revision of a stack."""

    stack: str
    revision: int
    node: str


class StackStopped(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A node no longer answers for a stack."""

    stack: str
    revision: int
    node: str


class StackFailed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A node could not start a revision of a stack, and why."""

    stack: str
    revision: int
    node: str
    reason: str


NodeEvent = NodeJoined | NodeLeft | NodeLost | StackStarted | StackStopped | StackFailed
Event = (
    Initialized | ProviderCreated | RegionCreated | StackDeployed | StackUpdated | StackDeleted | NodeEvent
)


def kind(event: Event) -> str:
    """The name of the event's kind, which is its tag in the log."""
    return type(event).__name__
