"""Which stacks the region has been asked to run, at which revision, and with what manifest.

Reads `StackDeployed`, `StackUpdated`, `StackDeleted`.
"""

from enum import StrEnum
from functools import lru_cache

import msgspec

from contract.errors import DecodeError
from events.catalogue import StackDeleted, StackDeployed, StackUpdated
from events.log import Entry
from events.manifest import Manifest
from events.manifest_codec import decode
from projections.projection import Projection

MAX_REMEMBERED_MANIFESTS = 1024


class Status(StrEnum):
    """Whether a stack is to run. An invalid one has a manifest that no node can run."""

    LIVE = "live"
    INVALID = "invalid"
    DELETED = "deleted"


class Stack(msgspec.Struct, frozen=True):
    """A stack as last deployed. `problem` says what is wrong with the manifest of an invalid one."""

    owner: str
    revision: int
    status: Status
    manifest: Manifest | None = None
    problem: str | None = None


class StacksState(msgspec.Struct):
    """Every stack ever deployed, by its address."""

    stacks: dict[str, Stack] = {}


class Stacks(Projection[StacksState]):
    """Stacks by address."""

    name = "stacks"
    version = 1
    state_type = StacksState
    reads = (StackDeployed, StackUpdated, StackDeleted)

    def apply(self, entry: Entry) -> None:
        """See `Projection.apply`."""
        match entry.event:
            case StackDeployed(stack=stack) | StackUpdated(stack=stack) as event:
                self.state.stacks[stack] = deployed(event.owner, event.revision, event.manifest)
            case StackDeleted(stack=stack) as event:
                self.state.stacks[stack] = Stack(event.owner, event.revision, Status.DELETED)
            case _:
                pass


@lru_cache(maxsize=MAX_REMEMBERED_MANIFESTS)
def deployed(owner: str, revision: int, manifest: bytes) -> Stack:
    """The stack that an owner asks for with the bytes of a manifest, which may be anything.

    Remembered, as several projections read each deployment, and decoding is most of their work.
    """
    try:
        return Stack(owner, revision, Status.LIVE, decode(manifest))
    except DecodeError as error:
        return Stack(owner, revision, Status.INVALID, problem=str(error))
