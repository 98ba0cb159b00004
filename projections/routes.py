"""What answers a request: per stack, the nodes that are ready, and the gateways of the revision each is ready for.

Reads `StackDeployed`, `StackUpdated`, `StackDeleted`, `StackStarted`, `StackStopped`, `StackFailed`, `NodeLeft`,
`NodeLost`.
"""

import msgspec

from events.catalogue import (
    NodeLeft,
    NodeLost,
    StackDeleted,
    StackDeployed,
    StackFailed,
    StackStarted,
    StackStopped,
    StackUpdated,
)
from events.log import Entry
from events.manifest import Manifest
from projections.projection import Projection
from projections.stacks import deployed


class Revision(msgspec.Struct, frozen=True):
    """The manifest of one revision of a stack."""

    revision: int
    manifest: Manifest


class StackRoutes(msgspec.Struct):
    """The routes of a stack.

    `revision` is the one to be run; `ready` has the revision that each ready node answers for, by node hash;
    `revisions` has the manifests of `revision` (unless it is invalid) and of those in `ready`, oldest first;
    `failures` why a node could not start `revision`.
    """

    revision: int
    revisions: tuple[Revision, ...] = ()
    ready: dict[str, int] = {}
    failures: dict[str, str] = {}

    def manifest(self, revision: int) -> Manifest | None:
        """The manifest of `revision`, if it is kept."""
        for kept in self.revisions:
            if kept.revision == revision:
                return kept.manifest
        return None


class RoutesState(msgspec.Struct):
    """Routes by stack address, for stacks that are not deleted."""

    stacks: dict[str, StackRoutes] = {}


class Routes(Projection[RoutesState]):
    """Routes by stack address."""

    name = "routes"
    version = 1
    state_type = RoutesState
    reads = (
        StackDeployed,
        StackUpdated,
        StackDeleted,
        StackStarted,
        StackStopped,
        StackFailed,
        NodeLeft,
        NodeLost,
    )

    def apply(self, entry: Entry) -> None:
        """See `Projection.apply`."""
        stacks = self.state.stacks
        match entry.event:
            # the most frequent first
            case StackStarted() as started:
                if (routes := stacks.get(started.stack)) and routes.manifest(started.revision):
                    routes.ready[started.node] = started.revision
                    if started.revision == routes.revision:
                        routes.failures.pop(started.node, None)
                    _forget_manifests(routes)
            case StackStopped() as stopped:
                if routes := stacks.get(stopped.stack):
                    routes.ready.pop(stopped.node, None)
                    _forget_manifests(routes)
            case StackDeployed() | StackUpdated() as event:
                routes = stacks.setdefault(event.stack, StackRoutes(event.revision))
                routes.revision = event.revision
                routes.failures.clear()
                manifest = deployed(event.owner, event.revision, event.manifest).manifest
                if manifest is not None:
                    routes.revisions += (Revision(event.revision, manifest),)
                _forget_manifests(routes)
            case StackDeleted(stack=stack):
                stacks.pop(stack, None)
            case StackFailed() as failed:
                if (routes := stacks.get(failed.stack)) and failed.revision == routes.revision:
                    routes.failures[failed.node] = failed.reason
            case NodeLeft(node=node) | NodeLost(node=node):
                for routes in stacks.values():
                    routes.ready.pop(node, None)
                    routes.failures.pop(node, None)
                    _forget_manifests(routes)
            case _:
                pass


def _forget_manifests(routes: StackRoutes) -> None:
    kept = routes.revisions
    if len(kept) == 1 and kept[0].revision == routes.revision:
        return
    needed = {routes.revision, *routes.ready.values()}
    routes.revisions = tuple(kept for kept in routes.revisions if kept.revision in needed)
