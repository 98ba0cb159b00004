"""Which nodes serve the region.

Reads `NodeJoined`, `NodeLeft`, `NodeLost`.
"""

import msgspec

from events.catalogue import NodeJoined, NodeLeft, NodeLost
from events.log import Entry
from projections.projection import Projection


class Member(msgspec.Struct, frozen=True):
    """A node that has joined and not gone."""

    address: str
    port: int
    generation: int
    public_key: str


class MembershipState(msgspec.Struct):
    """The members by node hash; and the last generation of each public key, gone or not."""

    members: dict[str, Member] = {}
    generations: dict[str, int] = {}


class Membership(Projection[MembershipState]):
    """Members by node hash."""

    name = "membership"
    version = 1
    state_type = MembershipState
    reads = (NodeJoined, NodeLeft, NodeLost)

    def apply(self, entry: Entry) -> None:
        """See `Projection.apply`."""
        match entry.event:
            case NodeJoined() as joined:
                member = Member(joined.address, joined.port, joined.generation, joined.public_key)
                self.state.members[joined.node] = member
                self.state.generations[joined.public_key] = joined.generation
            case NodeLeft(node=node) | NodeLost(node=node):
                self.state.members.pop(node, None)
            case _:
                pass
