"""Commit markers: one key for each commit that an engine has under way, used again by the commits that follow.

A marker's value is the number of the transaction that wrote it (8 bytes, big-endian: the timestamp of its
snapshot, which the cluster gives to nobody else), or empty where a commit was ruled out.
"""

import asyncio
import struct
from collections import deque
from contextlib import suppress

from events.engine import EngineError
from events.engine.tikv.client import ClientTransaction
from events.engine.tikv.connection import Connection
from events.engine.tikv.keyspace import Keyspace
from events.engine.tikv.limits import TikvLimits
from events.engine.tikv.reading import View
from events.engine.tikv.transactions import transact

MARKER_LIFETIME_MILLISECONDS = 24 * 3600 * 1000
"""A marker is needed for seconds; one this old was left behind by a process that was killed."""

MARKER_NUMBER = struct.Struct(">Q")
_COUNTER_BITS = 18
_MAX_MARKERS_PER_SWEEP = 900


class Markers:
    """The slots of one engine, which is named by the timestamp at which it was opened. For the client's loop only."""

    def __init__(
        self, connection: Connection, keyspace: Keyspace, limits: TikvLimits, opened_at: int
    ) -> None:
        self._connection = connection
        self._keyspace = keyspace
        self._limits = limits
        self._opened_at = opened_at
        self._free: deque[int] = deque()
        self._slots = 0

    def take(self) -> int:
        """A slot that no commit uses; the one that rested longest, whose last locks are surely gone."""
        if self._free:
            return self._free.popleft()
        self._slots += 1
        return self._slots - 1

    def give_back(self, slot: int) -> None:
        """The slot's commit is settled."""
        self._free.append(slot)

    def key(self, slot: int) -> bytes:
        return self._keyspace.marker(self._opened_at, slot)

    async def sweep(self) -> None:
        """Delete what killed processes left behind, as far as that is possible now."""
        low, high = self._keyspace.markers()
        with suppress(EngineError):
            found = await View(self._connection, self._opened_at, self._limits).scan(
                low, high, _MAX_MARKERS_PER_SWEEP
            )
            now = self._opened_at >> _COUNTER_BITS
            await self._delete(
                [
                    key
                    for key, value in found
                    if now - self._used_at(key, value) > MARKER_LIFETIME_MILLISECONDS
                ]
            )

    async def close(self) -> None:
        """Delete this engine's markers, as far as that is possible now."""
        with suppress(EngineError):
            await self._delete([self.key(slot) for slot in range(self._slots)])

    def _used_at(self, key: bytes, value: bytes) -> int:
        """When the marker was last used, in the cluster's milliseconds."""
        number = MARKER_NUMBER.unpack(value)[0] if len(value) == MARKER_NUMBER.size else 0
        return max(number, self._keyspace.marker_engine(key)) >> _COUNTER_BITS

    async def _delete(self, keys: list[bytes]) -> None:
        async def delete(transaction: ClientTransaction) -> bool:
            for key in keys:
                await transaction.delete(key)
            return True

        if keys:
            deadline = asyncio.get_running_loop().time() + self._limits.connect_seconds
            await transact(self._connection, delete, deadline)
