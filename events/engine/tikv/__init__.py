"""The engine on TiKV: a cluster that many machines share, under a prefix that keeps its pairs apart from others'."""

from collections.abc import Sequence
from contextlib import suppress

from events.engine import Unavailable
from events.engine.tikv.committing import Change, Committer
from events.engine.tikv.connection import Connection
from events.engine.tikv.keyspace import Keyspace
from events.engine.tikv.limits import TikvLimits
from events.engine.tikv.loop import run, shared_connection
from events.engine.tikv.markers import Markers
from events.engine.tikv.reading import TikvSnapshot, View, current_timestamp
from events.engine.transaction import BufferedTransaction

_DEFAULT_LIMITS = TikvLimits()


class TikvEngine:
    """The engine port on a TiKV cluster, through `tikv-client`; safe to use from any number of threads.

    A process has one connection to a cluster, whatever the number of engines. It must not be forked off a process
    that has one.
    """

    def __init__(
        self, connection: Connection, keyspace: Keyspace, limits: TikvLimits, opened_at: int
    ) -> None:
        """Use `open`."""
        self._connection = connection
        self._keyspace = keyspace
        self._limits = limits
        self._markers = Markers(connection, keyspace, limits, opened_at)
        self._committer = Committer(connection, keyspace, limits, self._markers)
        self._closed = False

    @classmethod
    def open(
        cls, pd_addresses: Sequence[str], prefix: bytes = b"", limits: TikvLimits = _DEFAULT_LIMITS
    ) -> "TikvEngine":
        """Connect to the cluster whose placement drivers listen there, each `host:port`.

        Raises `Unavailable`, and `InvalidInput` for a prefix that is too long.
        """
        return run(cls._open(pd_addresses, Keyspace(prefix), limits))

    @classmethod
    async def _open(cls, pd_addresses: Sequence[str], keyspace: Keyspace, limits: TikvLimits) -> "TikvEngine":
        connection = await shared_connection(pd_addresses, limits.connect_seconds)
        opened_at = await current_timestamp(connection, limits)
        engine = cls(connection, keyspace, limits, opened_at)
        await engine._markers.sweep()
        return engine

    def snapshot(self) -> TikvSnapshot:
        return self._snapshot(self._timestamp(), None)

    def begin(self) -> BufferedTransaction:
        timestamp = self._timestamp()
        read: dict[bytes, bytes | None] = {}

        def commit(writes: dict[bytes, bytes | None], inserted: set[bytes], locked: set[bytes]) -> None:
            self._check_open()
            run(self._committer.commit(Change(timestamp, writes, inserted, locked, read)))

        return BufferedTransaction(self._snapshot(timestamp, read), commit)

    def changes(self) -> int | None:
        return None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            # A process that was forked off cannot, and need not.
            with suppress(Unavailable):
                run(self._markers.close())

    def _timestamp(self) -> int:
        self._check_open()
        return run(current_timestamp(self._connection, self._limits))

    def _snapshot(self, timestamp: int, read: dict[bytes, bytes | None] | None) -> TikvSnapshot:
        view = View(self._connection, timestamp, self._limits)
        return TikvSnapshot(view, self._keyspace, self._limits, lambda: self._closed, read)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the engine is closed")
