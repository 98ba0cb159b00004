"""Why things stand as they do: the entries that the present state of a stack or a node follows from. Pure.

An entry that a later one made void is none of them: an earlier revision, a start before the last one, a node that has
gone and whose place another one has taken.
"""

from collections.abc import Iterable

from events.catalogue import (
    NodeJoined,
    NodeLeft,
    NodeLost,
    RegionClosed,
    RegionCreated,
    StackDeleted,
    StackDeployed,
    StackFailed,
    StackStarted,
    StackStopped,
    StackUpdated,
)
from events.log import Entry
from projections.deployments import OWNERS_PER_STACK, nearest


class StackCauses:
    """Why a stack is where it is: its region, its revision, the nodes it belongs to, and what they said of it last."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._scope: str | None = None
        self._regions: dict[str, list[Entry]] = {}
        self._revisions: list[Entry] = []
        self._joined: dict[str, Entry] = {}
        self._gone: dict[str, Entry] = {}
        self._said: dict[str, Entry] = {}

    def apply(self, entry: Entry) -> None:
        """Take the next entry that no fork has taken back."""
        match entry.event:
            case RegionCreated(scope=scope) | RegionClosed(scope=scope):
                self._regions.setdefault(scope, []).append(entry)
            case StackDeployed(stack=stack, scope=scope) if stack == self._stack:
                self._scope, self._revisions = scope, [entry]
            case StackUpdated(stack=stack, scope=scope) if stack == self._stack:
                self._scope, self._revisions = scope, [*self._revisions[:1], entry]
            case StackDeleted(stack=stack, scope=scope) if stack == self._stack:
                self._scope, self._revisions = scope, [*self._revisions[:1], entry]
            case StackStarted() | StackStopped() | StackFailed() as event if event.stack == self._stack:
                self._said[event.node] = entry
            case NodeJoined(node=node):
                self._joined[node] = entry
            case NodeLeft(node=node) | NodeLost(node=node):
                self._gone[node] = entry
            case _:
                pass

    def entries(self) -> list[Entry]:
        """The causes, by position; none if the log does not know the stack."""
        if not self._revisions:
            return []
        found = [*self._regions.get(self._scope or "", ()), *self._revisions]
        members = self._joined.keys() - self._gone.keys()
        last_start = max(
            (entry.position for entry in self._said.values() if isinstance(entry.event, StackStarted)),
            default=0,
        )
        for node in {*self._said, *nearest(self._stack, members)[:OWNERS_PER_STACK]}:
            gone = self._gone.get(node)
            if gone is not None and gone.position < last_start:
                continue
            found += [
                entry for entry in (self._joined.get(node), self._said.get(node), gone) if entry is not None
            ]
        return sorted(found, key=lambda entry: entry.position)


class NodeCauses:
    """Why a node is where it is: `name` is its hash, or its public key for all of its generations."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: set[str] = set()
        self._life: list[Entry] = []
        self._revisions: dict[str, Entry] = {}
        self._said: dict[str, Entry] = {}

    def apply(self, entry: Entry) -> None:
        """Take the next entry that no fork has taken back."""
        match entry.event:
            case NodeJoined(node=node, public_key=public_key) if self._name in (node, public_key):
                # a new generation begins with nothing
                self._nodes.add(node)
                self._life, self._said = [entry], {}
            case NodeLeft(node=node) | NodeLost(node=node) if node in self._nodes:
                self._life.append(entry)
            case StackDeployed(stack=stack) | StackUpdated(stack=stack) | StackDeleted(stack=stack):
                self._revisions[stack] = entry
            case StackStarted() | StackStopped() | StackFailed() as event if event.node in self._nodes:
                self._said[event.stack] = entry
            case _:
                pass

    def entries(self) -> list[Entry]:
        """The causes, by position; none if the log does not know the node."""
        if not self._life:
            return []
        asked = [self._revisions[stack] for stack in self._said if stack in self._revisions]
        return sorted([*self._life, *asked, *self._said.values()], key=lambda entry: entry.position)


def causes(
    entries: Iterable[Entry], retracted: frozenset[int], subject: StackCauses | NodeCauses
) -> list[Entry]:
    """What the present state of a subject follows from, of `entries` without those at the positions `retracted`."""
    for entry in entries:
        if entry.position not in retracted:
            subject.apply(entry)
    return subject.entries()
