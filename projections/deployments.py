"""Which nodes a stack belongs to: the nearest runs it, the next is its standby.

The distance of a node to a stack is the XOR of the node's hash and the stack's public key, as big-endian integers.
Reads `StackDeployed`, `StackUpdated`, `StackDeleted`, `NodeJoined`, `NodeLeft`, `NodeLost`.
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from solders.pubkey import Pubkey

from events.catalogue import NodeJoined, NodeLeft, NodeLost, StackDeleted, StackDeployed, StackUpdated
from events.log import Entry
from projections.projection import Projection
from projections.stacks import Status, deployed

OWNERS_PER_STACK = 2

MAX_REMEMBERED_KEYS = 65_536
"""Nodes and stacks whose numbers are remembered: each joining node is compared with every stack."""


class Deployment(msgspec.Struct, frozen=True):
    """The revision of a stack that is to run, and its owners by rising distance."""

    revision: int
    owners: tuple[str, ...]


class DeploymentsState(msgspec.Struct):
    """The deployments of live stacks, and the members they are dealt to."""

    deployments: dict[str, Deployment] = {}
    members: set[str] = set()


class Deployments(Projection[DeploymentsState]):
    """Deployments by stack address."""

    name = "deployments"
    version = 1
    state_type = DeploymentsState
    reads = (StackDeployed, StackUpdated, StackDeleted, NodeJoined, NodeLeft, NodeLost)

    def apply(self, entry: Entry) -> None:
        """See `Projection.apply`."""
        state = self.state
        match entry.event:
            case StackDeployed() | StackUpdated() as event:
                if deployed(event.owner, event.revision, event.manifest).status is Status.LIVE:
                    present = state.deployments.get(event.stack)
                    owners = self._deal(event.stack) if present is None else present.owners
                    state.deployments[event.stack] = Deployment(event.revision, owners)
                else:
                    state.deployments.pop(event.stack, None)
            case StackDeleted(stack=stack):
                state.deployments.pop(stack, None)
            case NodeJoined(node=node):
                state.members.add(node)
                self._join(node)
            case NodeLeft(node=node) | NodeLost(node=node):
                state.members.discard(node)
                self._leave(node)
            case _:
                pass

    def _join(self, node: str) -> None:
        """A new node can only take the place of a stack's present owners, and does of few."""
        number = _number(node)
        for stack, deployment in self.state.deployments.items():
            owners, key = deployment.owners, _number(stack)
            if len(owners) < OWNERS_PER_STACK or number ^ key < _number(owners[-1]) ^ key:
                owners = nearest(stack, {node, *owners})[:OWNERS_PER_STACK]
                self.state.deployments[stack] = Deployment(deployment.revision, owners)

    def _leave(self, node: str) -> None:
        """Only what belonged to the node gets other owners."""
        for stack, deployment in self.state.deployments.items():
            if node in deployment.owners:
                self.state.deployments[stack] = Deployment(deployment.revision, self._deal(stack))

    def _deal(self, stack: str) -> tuple[str, ...]:
        return nearest(stack, self.state.members)[:OWNERS_PER_STACK]


def distance(node: str, stack: str) -> int:
    """The distance between a node's hash and a stack's public key (both base58 of 32 bytes)."""
    return _number(node) ^ _number(stack)


@lru_cache(maxsize=MAX_REMEMBERED_KEYS)
def _number(key: str) -> int:
    return int.from_bytes(bytes(Pubkey.from_string(key)))


def nearest(stack: str, nodes: Iterable[str]) -> tuple[str, ...]:
    """The nodes by rising distance to the stack."""
    key = _number(stack)
    return tuple(sorted(nodes, key=lambda node: _number(node) ^ key))
