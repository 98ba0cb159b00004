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

    def apply(self, entry: Entry) -> None:
        """See `Projection.apply`."""
        state = self.state
        match entry.event:
            case StackDeployed() | StackUpdated() as event:
                if deployed(event.owner, event.revision, event.manifest).status is Status.LIVE:
                    state.deployments[event.stack] = self._deal(event.stack, event.revision)
                else:
                    state.deployments.pop(event.stack, None)
            case StackDeleted(stack=stack):
                state.deployments.pop(stack, None)
            case NodeJoined(node=node):
                state.members.add(node)
                self._deal_again()
            case NodeLeft(node=node) | NodeLost(node=node):
                state.members.discard(node)
                self._deal_again()
            case _:
                pass

    def _deal_again(self) -> None:
        for stack, deployment in self.state.deployments.items():
            self.state.deployments[stack] = self._deal(stack, deployment.revision)

    def _deal(self, stack: str, revision: int) -> Deployment:
        return Deployment(revision, nearest(stack, self.state.members)[:OWNERS_PER_STACK])


def distance(node: str, stack: str) -> int:
    """The distance between a node's hash and a stack's public key (both base58 of 32 bytes)."""
    return _number(node) ^ _number(stack)


@lru_cache(maxsize=MAX_REMEMBERED_KEYS)
def _number(key: str) -> int:
    return int.from_bytes(bytes(Pubkey.from_string(key)))


def nearest(stack: str, nodes: Iterable[str]) -> tuple[str, ...]:
    """The nodes by rising distance to the stack."""
    return tuple(sorted(nodes, key=lambda node: distance(node, stack)))
