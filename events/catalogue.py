"""The event catalogue: every kind of thing that can have happened in a region.

A kind whose fields change gets a new version as its tag, and a function from the old one (`events.upcast`). Addresses,
signatures and hashes of nodes are base58 text. Chain events are the program's (`events.chain_events`); the others are
the nodes' own.
"""

from enum import StrEnum

import msgspec

from events.chain_events import (
    AuthorizerCreated,
    AuthorizerRemoved,
    ChainEvent,
    CommissionUpdated,
    DepositUpdated,
    EscrowCreated,
    EscrowDeposited,
    EscrowSynced,
    Initialized,
    MarketplaceEvent,
    ProviderAuthorized,
    ProviderClosed,
    ProviderCreated,
    ProviderRevoked,
    RegionClosed,
    RegionCreated,
    RegionUpdated,
    RequestSignerActivated,
    RequestSignerCreated,
    RequestSignerDeactivated,
    StackDeleted,
    StackDeployed,
    StackUpdated,
    UsageReportClosed,
    UsageReported,
    UsageSignerCreated,
    UsageSignerRevoked,
    WithdrawalClaimed,
    WithdrawalRequested,
)

__all__ = [
    "AuthorizerCreated",
    "AuthorizerRemoved",
    "ChainEvent",
    "ChainSource",
    "CheckpointSigned",
    "CommissionUpdated",
    "DepositUpdated",
    "EscrowCreated",
    "EscrowDeposited",
    "EscrowSynced",
    "Event",
    "Finality",
    "FinalityEvent",
    "Finalized",
    "Initialized",
    "MarketplaceEvent",
    "NodeEvent",
    "NodeJoined",
    "NodeLeft",
    "NodeLost",
    "NodeSource",
    "ProjectionEventSkipped",
    "ProjectionRetried",
    "ProviderAuthorized",
    "ProviderClosed",
    "ProviderCreated",
    "ProviderRevoked",
    "RegionClosed",
    "RegionCreated",
    "RegionUpdated",
    "RequestSignerActivated",
    "RequestSignerCreated",
    "RequestSignerDeactivated",
    "Retracted",
    "Source",
    "StackDeleted",
    "StackDeployed",
    "StackFailed",
    "StackStarted",
    "StackStopped",
    "StackUpdated",
    "UsageReportClosed",
    "UsageReported",
    "UsageSignerCreated",
    "UsageSignerRevoked",
    "WithdrawalClaimed",
    "WithdrawalRequested",
    "kind",
]


class Finality(StrEnum):
    """How settled the slot of a chain event was when the event was recorded."""

    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


class ChainSource(msgspec.Struct, frozen=True, gc=False, tag="chain"):
    """Where on chain an event came from: its transaction, and which of the transaction's events it is (from 0)."""

    slot: int
    signature: str
    index: int
    finality: Finality


class NodeSource(msgspec.Struct, frozen=True, gc=False, tag="node"):
    """Which node recorded an event, in which of its generations."""

    node: str
    generation: int


Source = ChainSource | NodeSource


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


class CheckpointSigned(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A node vouches for the log up to `position`, whose entry has `hash` (`events.checkpoints` has what is signed)."""

    position: int
    hash: bytes
    node: str
    public_key: str
    signature: str


class Retracted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The fork with the scope's events `first_sequence` to `last_sequence` died: they never happened.

    `positions` are theirs in the log, in order. The same numbers may come again afterwards, with other events. A node
    records it, in the scope's stream.
    """

    scope: str
    first_sequence: int
    last_sequence: int
    positions: tuple[int, ...]


class Finalized(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The chain has finalized the scope's events up to `sequence`. A node records it, in the scope's stream."""

    scope: str
    sequence: int


class ProjectionRetried(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A person had the projection `name`, which had stopped at `position`, try the event there again, and why."""

    name: str
    position: int
    reason: str


class ProjectionEventSkipped(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A person had the projection `name` leave out the event at `position`, in every replay of the log, and why."""

    name: str
    position: int
    reason: str


NodeEvent = (
    NodeJoined
    | NodeLeft
    | NodeLost
    | StackStarted
    | StackStopped
    | StackFailed
    | CheckpointSigned
    | ProjectionRetried
    | ProjectionEventSkipped
)
FinalityEvent = Retracted | Finalized
Event = MarketplaceEvent | NodeEvent | FinalityEvent


def kind(event: Event) -> str:
    """The name of the event's kind."""
    return type(event).__name__
