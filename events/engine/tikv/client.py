"""The parts of `tikv-client` that the engine uses, with the types that the library lacks."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, cast

from tikv_client import asynchronous, tikv_client  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType, reportAttributeAccessIssue] — untyped


class ClientSnapshot(Protocol):
    """The cluster at one timestamp. It keeps everything it has read: make one for each call."""

    async def batch_get(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]: ...

    async def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Asks every region of the range for `limit` pairs, and gives the first `limit` of them all."""
        ...

    async def scan_keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]: ...


class ClientTransaction(Protocol):
    """Must see `commit` or `rollback`: dropped before either, it panics in one of the library's threads."""

    async def get(self, key: bytes) -> bytes | None: ...

    async def batch_get(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]: ...

    async def put(self, key: bytes, value: bytes) -> None:
        """The first key that is put, deleted or locked becomes the primary."""
        ...

    async def delete(self, key: bytes) -> None: ...

    async def lock_keys(self, keys: Sequence[bytes]) -> None: ...

    async def commit(self) -> None:
        """Returns when the primary is committed; the other keys follow in the background."""
        ...

    async def rollback(self) -> None:
        """Rolls back each key by itself, so it may be called only where `commit` cannot have succeeded."""
        ...


class Client(Protocol):
    """One connection to a cluster; it reconnects by itself and cannot be closed."""

    async def begin(self) -> ClientTransaction: ...

    async def current_timestamp(self) -> int:
        """Unique and growing: milliseconds since 1970 in the upper 46 bits, a counter in the lower 18."""
        ...

    def snapshot(self, timestamp: int, pessimistic: bool) -> ClientSnapshot: ...


async def connect(pd_addresses: Sequence[str]) -> Client:
    """Connect to the cluster whose placement drivers listen there, each `host:port`."""
    client: object = await asynchronous.TransactionClient.connect(list(pd_addresses))  # pyright: ignore[reportUnknownMemberType] — untyped
    return cast(Client, client)


def release_dropped() -> None:
    """Make the library release the objects that its threads have dropped: it does so only when it is called."""
    with suppress(TypeError):
        tikv_client.TransactionClient()  # pyright: ignore[reportUnknownMemberType] — it has no constructor, and says so
