"""The port of what keeps archived segments: whole files, which are never changed, under a location.

Adapters stand beside it: `folder`, and `s3` (any service with S3's interface). Both pass one conformance suite.
The port is synchronous, as the engine's is.
"""

import re
from collections.abc import Iterable
from typing import Protocol

from contract.errors import InvalidInput
from events.engine import Unavailable

MAX_NAME_CHARACTERS = 200

_NAME = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{MAX_NAME_CHARACTERS - 1}}}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class SegmentUnavailable(Unavailable):
    """An archived segment is not where it was put, or cannot be read or written there."""


class SegmentStore(Protocol):
    """Where segments are kept; safe in many threads. Methods raise `SegmentUnavailable`.

    A name has letters and digits of ASCII, `.`, `_` and `-`, up to `MAX_NAME_CHARACTERS`, and does not begin with a
    dot.
    """

    @property
    def location(self) -> str:
        """What finds the store again, from any machine that can reach it; it has no credentials."""
        ...

    @property
    def block_bytes(self) -> int:
        """What a read asks for at once where more than that is wanted: fewer bytes cost no less."""
        ...

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Keep the file, all of it and durably, or nothing; one of the same name is replaced.

        What `pieces` raises goes through; nothing was kept then.
        """
        ...

    def size_bytes(self, name: str) -> int:
        """The size of a file."""
        ...

    def read(self, name: str, start: int, count: int) -> bytes:
        """Up to `count` bytes of a file, from the byte `start` on; fewer only at its end."""
        ...


def check_name(name: str) -> str:
    """The name, if it can be a file's. Raises `SegmentUnavailable`."""
    if not _NAME.fullmatch(name):
        raise SegmentUnavailable(f"{name[:MAX_NAME_CHARACTERS]!r} cannot be the name of a segment")
    return name


def open_store(location: str, field: str) -> SegmentStore:
    """The store at a location: a folder's path, or `s3://BUCKET/PREFIX` (`events.segment_store.s3.location`).

    Nothing is read or made yet. Raises `InvalidInput`, for what `field` names.
    """
    # The adapters import this port; and aioboto3 takes a third of a second, which only those that use S3 should wait.
    scheme = _SCHEME.match(location)
    if scheme is None:
        from events.segment_store.folder import FolderStore

        return FolderStore.open(location, field)
    if scheme[1].lower() != "s3":
        raise InvalidInput(field, f"{scheme[0]} leads to no store: name a folder, or s3://BUCKET/PREFIX")
    from events.segment_store.s3 import S3Store
    from events.segment_store.s3.location import parse_location

    return S3Store(parse_location(location, field))
