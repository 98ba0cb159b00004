"""An engine in memory with real snapshots, for tests: it can be told to fail as a distributed one does."""

import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator

from events.engine import EngineError, OutcomeUnknown, Unavailable
from events.engine.closing import ClosedAtExit
from events.engine.transaction import BufferedTransaction, check_unchanged

_SCAN_CHUNK_PAIRS = 64


class MemoryEngine:
    """The engine port on a dictionary of versions: a key holds its values with the commits that set them.

    A snapshot is the number of a commit and copies nothing. Versions that no open snapshot can see are
    dropped by the commits that follow.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._versions: dict[bytes, list[tuple[int, bytes | None]]] = {}
        self._keys: list[bytes] = []
        self._commit_number = 0
        self._open_snapshots: dict[int, int] = {}
        self._superseded: deque[tuple[int, bytes]] = deque()
        self._faults: deque[tuple[EngineError, bool]] = deque()
        self._closed = False

    def snapshot(self) -> "MemorySnapshot":
        with self._lock:
            self._check_open()
            snapshot = MemorySnapshot(self, self._commit_number)
            self._open_snapshots[id(snapshot)] = self._commit_number
            return snapshot

    def begin(self) -> BufferedTransaction:
        snapshot = self.snapshot()

        def commit(writes: dict[bytes, bytes | None], inserted: set[bytes], locked: set[bytes]) -> None:
            self._commit(snapshot.commit_number, writes, inserted, locked)

        return BufferedTransaction(snapshot, commit)

    def changes(self) -> int | None:
        return None

    def close(self) -> None:
        self._closed = True

    def fail_next_commit(self, error: EngineError, *, applied: bool = False) -> None:
        """Make the next commit with writes or locks raise `error`; calls queue up, one for each commit.

        `applied`: the commit takes place all the same, as happens when only the answer is lost. Only
        `OutcomeUnknown` may say so: the other errors promise that nothing was written.
        """
        if applied and not isinstance(error, OutcomeUnknown):
            raise ValueError("only an OutcomeUnknown leaves open whether the commit took place")
        self._faults.append((error, applied))

    def read(self, key: bytes, commit_number: int) -> bytes | None:
        """The value that `key` had after that commit. Raises `Unavailable` when closed."""
        with self._lock:
            self._check_open()
            return self._value(key, commit_number)

    def read_chunk(
        self, start: bytes, end: bytes | None, commit_number: int, *, past: bytes | None, reverse: bool
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """Some pairs of the range beyond the key `past`, and the last key looked at (None: no more)."""
        with self._lock:
            self._check_open()
            low = bisect_left(self._keys, start)
            high = len(self._keys) if end is None else bisect_left(self._keys, end)
            if reverse:
                if past is not None:
                    high = min(high, bisect_left(self._keys, past))
                looked_at = self._keys[max(low, high - _SCAN_CHUNK_PAIRS) : high][::-1]
            else:
                if past is not None:
                    low = max(low, bisect_left(self._keys, past + b"\0"))
                looked_at = self._keys[low : min(high, low + _SCAN_CHUNK_PAIRS)]
            pairs = [
                (key, value) for key in looked_at if (value := self._value(key, commit_number)) is not None
            ]
            return pairs, looked_at[-1] if looked_at else None

    def release(self, snapshot: "MemorySnapshot") -> None:
        """Forget a snapshot; in one step, since garbage collection may call this amid anything."""
        self._open_snapshots.pop(id(snapshot), None)

    def _value(self, key: bytes, commit_number: int) -> bytes | None:
        for number, value in reversed(self._versions.get(key, ())):
            if number <= commit_number:
                return value
        return None

    def _commit(
        self,
        began_at: int,
        writes: dict[bytes, bytes | None],
        inserted: set[bytes],
        locked: set[bytes],
    ) -> None:
        with self._lock:
            self._check_open()
            fault, applied = self._faults.popleft() if self._faults else (None, True)
            if applied:
                check_unchanged(
                    writes.keys() | locked,
                    inserted,
                    before=lambda key: self._value(key, began_at),
                    now=lambda key: self._value(key, self._commit_number),
                )
                self._apply(writes)
            if fault is not None:
                raise fault

    def _apply(self, writes: dict[bytes, bytes | None]) -> None:
        self._commit_number += 1
        for key, value in writes.items():
            versions = self._versions.get(key)
            if versions is None:
                if value is None:
                    continue
                self._versions[key] = versions = []
                insort(self._keys, key)
            versions.append((self._commit_number, value))
            self._superseded.append((self._commit_number, key))
        self._drop_unseen()

    def _drop_unseen(self) -> None:
        oldest_seen = min(list(self._open_snapshots.values()), default=self._commit_number)
        while self._superseded and self._superseded[0][0] <= oldest_seen:
            _, key = self._superseded.popleft()
            versions = self._versions.get(key, [])
            while len(versions) > 1 and versions[1][0] <= oldest_seen:
                del versions[0]
            if len(versions) == 1 and versions[0][1] is None and versions[0][0] <= oldest_seen:
                del self._versions[key]
                del self._keys[bisect_left(self._keys, key)]

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the engine is closed")


class MemorySnapshot(ClosedAtExit):
    """The port's `Snapshot`: the map after one commit."""

    def __init__(self, engine: MemoryEngine, commit_number: int) -> None:
        self._engine = engine
        self.commit_number = commit_number
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        return self._engine.read(key, self.commit_number)

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        return {key: value for key in keys if (value := self.get(key)) is not None}

    def scan(
        self, start: bytes, end: bytes | None, *, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        left = limit
        past: bytes | None = None
        while left is None or left > 0:
            self._check_open()
            pairs, past = self._engine.read_chunk(start, end, self.commit_number, past=past, reverse=reverse)
            if past is None:
                return
            if left is not None:
                pairs = pairs[:left]
                left -= len(pairs)
            yield from pairs

    def close(self) -> None:
        if self._open:
            self._open = False
            self._engine.release(self)

    def __del__(self) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("the snapshot is closed")
