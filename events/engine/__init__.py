"""The engine port: an ordered, transactional map from byte strings to byte strings, under everything durable.

Adapters stand beside it: `lmdb` (embedded, the default), `tikv` (a cluster), `memory` (tests, with fault injection).
All pass one conformance suite. The port is synchronous; trio code reaches it through `trio.to_thread`.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self

from contract.errors import MuError

MAX_KEY_BYTES = 511
"""What LMDB's default page size allows; the other adapters keep it too, so that no key fits one only."""

MAX_VALUE_BYTES = 1024 * 1024
"""Keeps a page of a scan well under the 4 MiB at which a TiKV response fails."""


MAX_KEYS_PER_TRANSACTION = 2048
"""Written or locked. TiKV's library sends each part of a commit with the names of all its keys: a quarter of a second
for so many.
"""


class EngineError(MuError):
    """Base of what an engine raises."""


class Conflict(EngineError):
    """Another transaction has changed a key that this one wrote or locked; nothing was written, try again."""


class KeyExists(EngineError):
    """`insert` met a key that is already there; nothing was written."""

    def __init__(self, key: bytes) -> None:
        super().__init__(f"the key {key!r} exists already")
        self.key = key


class TooLarge(EngineError):
    """A key or a value is above its limit (or a key is empty), or a transaction has too many keys or bytes."""


class Unavailable(EngineError):
    """The engine cannot be reached, or is closed; nothing was written."""


class OutcomeUnknown(EngineError):
    """The engine did not say whether the commit took place: read back before trying again."""


class Snapshot(Protocol):
    """The map as it stood at one moment. Use it as a context manager, or close it."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None where there is none."""
        ...

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those of `keys` that are present."""
        ...

    def scan(
        self, start: bytes, end: bytes | None, *, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The pairs with `start <= key < end` (`end` None: no bound), in key order, or backwards; lazily.

        A transaction must not write while a scan of its own is being iterated.
        """
        ...

    def close(self) -> None:
        """Let the snapshot go (for a transaction: roll back). Closing twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Transaction(Snapshot, Protocol):
    """A snapshot that sees its own writes, and commits them all or not at all.

    Optimistic: `commit` raises `Conflict` if a key written or locked here was changed by another commit since
    the transaction began. A key that was only read is not guarded unless it is locked. Leaving the context
    manager without `commit` rolls back.
    """

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of `key`. Raises `TooLarge`."""
        ...

    def put_many(self, pairs: Mapping[bytes, bytes]) -> None:
        """Set the values of many keys. Raises `TooLarge`, and then none is set."""
        ...

    def insert(self, key: bytes, value: bytes) -> None:
        """Set the value of a new `key`; `KeyExists` here or at `commit` if it is there. Raises `TooLarge`."""
        ...

    def delete(self, key: bytes) -> None:
        """Remove `key`; harmless where there is none."""
        ...

    def delete_range(self, start: bytes, end: bytes) -> None:
        """Remove every pair with `start <= key < end` that this transaction sees."""
        ...

    def lock(self, keys: Iterable[bytes]) -> None:
        """Guard reads: `commit` raises `Conflict` if another commit changed one of `keys`, present or not."""
        ...

    def commit(self) -> None:
        """Make the writes durable, all together.

        Raises `Conflict`, `KeyExists`, `Unavailable`, `OutcomeUnknown`, and `TooLarge` for more than
        `MAX_KEYS_PER_TRANSACTION` keys, or for more bytes than a cluster takes. The transaction is over in any case.
        """
        ...


class Engine(Protocol):
    """Opens snapshots and transactions; safe to use from several threads (a snapshot from one at a time)."""

    def snapshot(self) -> Snapshot:
        """The map as it stands now. Raises `Unavailable` when closed."""
        ...

    def begin(self) -> Transaction:
        """A new transaction on the map as it stands now. Raises `Unavailable` when closed."""
        ...

    def changes(self) -> int | None:
        """A number that is another one after every commit, whichever process it was in; it can be asked all the time,
        as it reads neither disk nor network. None where only reading tells whether there was one.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections. Closing twice is harmless."""
        ...
