"""Commits on TiKV: all or nothing, with an outcome that is known wherever the cluster can still be asked.

The cluster's transaction lives only inside `commit`. It begins there, compares the guarded keys with what the
engine's transaction saw, and takes them all, written or locked, through its two phases: so none of them can
change between the comparison and the commit point.

Each commit also writes a marker (`events.engine.tikv.markers`). A commit that failed before its commit point is
rolled back. Of one that was not answered nothing is known: its requests may still be under way, and a rollback,
which works key by key, could undo half of what was committed. Then another transaction reads the marker, which
settles the lock it meets there, and overwrites it unless it holds the commit's number. Once that is done, no late
request of the first can succeed: its write of the marker would meet a newer one.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from events.engine import Conflict, EngineError, OutcomeUnknown, TooLarge, Unavailable
from events.engine.tikv.client import ClientTransaction
from events.engine.tikv.connection import Connection, answered
from events.engine.tikv.errors import Failure
from events.engine.tikv.keyspace import Keyspace
from events.engine.tikv.limits import TikvLimits
from events.engine.tikv.markers import MARKER_NUMBER, Markers
from events.engine.tikv.reading import PageSize, View, current_timestamp, get_many
from events.engine.tikv.transactions import Refused, transact
from events.engine.transaction import check_unchanged

MAX_CONFLICTS = 16
"""How often a commit begins anew after a conflict over keys that hold what they held: locked ones, mostly."""

_SETTLED = b""
_PAUSE_SECONDS = 0.1
_SMALL_COMMIT_BYTES = 16 * 1024


@dataclass(frozen=True)
class Change:
    """What a transaction wants to become true, by the engine's keys, and what it has read so far."""

    timestamp: int
    writes: dict[bytes, bytes | None]
    inserted: set[bytes]
    locked: set[bytes]
    read: dict[bytes, bytes | None]

    @property
    def size_bytes(self) -> int:
        return sum(len(key) + len(value or b"") for key, value in self.writes.items())


class Committer:
    """Commits the changes of one engine. For the client's loop only."""

    def __init__(
        self, connection: Connection, keyspace: Keyspace, limits: TikvLimits, markers: Markers
    ) -> None:
        self._connection = connection
        self._keyspace = keyspace
        self._limits = limits
        self._markers = markers

    async def commit(self, change: Change) -> None:
        """Raises `Conflict`, `KeyExists`, `TooLarge`, `Unavailable` (nothing was written), `OutcomeUnknown`."""
        self._check_size(change)
        guarded = [*change.writes, *(change.locked - change.writes.keys())]
        unread = [key for key in guarded if key not in change.read]
        then = View(self._connection, change.timestamp, self._limits)
        seen = change.read | dict.fromkeys(unread) | await self._values(then, unread)
        if not change.writes:
            timestamp = await current_timestamp(self._connection, self._limits)
            now = await self._values(View(self._connection, timestamp, self._limits), guarded)
            check_unchanged(guarded, change.inserted, before=seen.get, now=now.get)
            return
        slot = self._markers.take()
        try:
            await self._write(change, guarded, seen, self._markers.key(slot))
        except OutcomeUnknown:
            raise
        except EngineError:
            self._markers.give_back(slot)
            raise
        self._markers.give_back(slot)

    async def _write(
        self, change: Change, guarded: list[bytes], seen: dict[bytes, bytes | None], marker: bytes
    ) -> None:
        number = MARKER_NUMBER.pack(change.timestamp)
        inner = {self._keyspace.inner(key): value for key, value in change.writes.items()}
        inner_locked = [self._keyspace.inner(key) for key in guarded if key not in change.writes]
        # Others wait for a key that is changed again and again. When a commit returns, the lock of the primary
        # is gone, and the rest follow a little later.
        primary = next((key for key in change.writes if seen[key] is not None), None)

        async def fill(transaction: ClientTransaction) -> bool:
            async def batch_get(keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
                return await answered(lambda: transaction.batch_get(keys), self._limits.read_seconds)

            keys = [self._keyspace.inner(key) for key in guarded]
            found = await get_many(batch_get, keys, PageSize(self._limits))
            now = {self._keyspace.outer(key): value for key, value in found.items()}
            check_unchanged(guarded, change.inserted, before=seen.get, now=now.get)
            if primary is not None:
                await _write_pair(transaction, self._keyspace.inner(primary), change.writes[primary])
            await transaction.put(marker, number)
            for key, value in inner.items():
                await _write_pair(transaction, key, value)
            if inner_locked:
                await transaction.lock_keys(inner_locked)
            return True

        deadline = asyncio.get_running_loop().time() + self._limits.commit_seconds
        conflicts = 0
        while True:
            try:
                await transact(self._connection, fill, deadline)
            except Refused as error:
                if error.why is Failure.CONFLICT:
                    conflicts += 1
                    if conflicts == MAX_CONFLICTS:
                        raise Conflict("other transactions were faster") from error
            except OutcomeUnknown as error:
                if not await self._settle(marker, number, change.size_bytes):
                    raise Unavailable(f"nothing was written: {error}") from error
                return
            else:
                return

    async def _settle(self, marker: bytes, number: bytes, size_bytes: int) -> bool:
        """Whether that commit took place; if not, it cannot any more. Raises `OutcomeUnknown`."""
        loop = asyncio.get_running_loop()
        seconds = _lock_seconds(size_bytes) + self._limits.resolve_seconds
        deadline = loop.time() + seconds
        found: set[bytes | None] = set()

        async def settle(transaction: ClientTransaction) -> bool:
            value = await answered(lambda: transaction.get(marker), deadline - loop.time())
            found.add(value)
            if value != number:
                await transaction.put(marker, _SETTLED)
            return value != number

        while loop.time() < deadline:
            try:
                await transact(self._connection, settle, deadline)
            except EngineError:
                # Not even an unknown outcome of this matters: it is asked again.
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return number in found
        raise OutcomeUnknown(
            f"a commit was not answered, nor was the question about it for {seconds:g} seconds"
        )

    async def _values(self, view: View, keys: list[bytes]) -> dict[bytes, bytes]:
        if not keys:
            return {}
        found = await view.get_many([self._keyspace.inner(key) for key in keys], PageSize(self._limits))
        return {self._keyspace.outer(key): value for key, value in found.items()}

    def _check_size(self, change: Change) -> None:
        if change.size_bytes > self._limits.max_bytes_per_transaction:
            raise TooLarge(
                f"a transaction writes up to {self._limits.max_bytes_per_transaction} bytes, "
                f"this one {change.size_bytes}"
            )


async def _write_pair(transaction: ClientTransaction, key: bytes, value: bytes | None) -> None:
    if value is None:
        await transaction.delete(key)
    else:
        await transaction.put(key, value)


def _lock_seconds(size_bytes: int) -> float:
    """How long the library lets the locks of a commit of that size hold when its writer is gone."""
    if size_bytes <= _SMALL_COMMIT_BYTES:
        return 3.0
    return min(max(6.0 * math.sqrt(size_bytes / 2**20), 3.0), 20.0)
