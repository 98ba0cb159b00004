"""The cluster at one timestamp: reads bounded by bytes and by time, and the port's `Snapshot` made of them."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from events.engine import MAX_KEY_BYTES, Unavailable
from events.engine.closing import ClosedAtExit
from events.engine.tikv.client import Client, ClientSnapshot
from events.engine.tikv.connection import Connection, ResponseTooLarge
from events.engine.tikv.keyspace import Keyspace
from events.engine.tikv.limits import TikvLimits
from events.engine.tikv.loop import run
from events.engine.tikv.windows import Ascent, descend

_SAFE_PAIRS = 3
"""As many of the largest pairs fit into a response of 4 MiB, whatever their sizes."""

_GROWTH = 8

_KEYS_PER_WINDOW = 1024
"""More than the keys that differ only in the number of zeros at their end, which no window can part."""

Pair = tuple[bytes, bytes]
_Result = TypeVar("_Result")


class PageSize:
    """How many pairs to ask for: few, as long as nothing is known of their sizes; then as many as fit."""

    def __init__(self, limits: TikvLimits) -> None:
        self._limits = limits
        self.pairs = _SAFE_PAIRS

    def learn(self, page: Sequence[Pair]) -> None:
        """The largest of the pairs seen last stands for those that come."""
        largest = max((len(key) + len(value) for key, value in page), default=1)
        fitting = max(_SAFE_PAIRS, self._limits.max_page_bytes // largest)
        self.pairs = min(fitting, self.pairs * _GROWTH, self._limits.max_page_keys)

    def was_too_large(self) -> None:
        self.pairs = _SAFE_PAIRS


class View:
    """Reads at one timestamp, by the cluster's keys."""

    def __init__(self, connection: Connection, timestamp: int, limits: TikvLimits) -> None:
        self._connection = connection
        self._timestamp = timestamp
        self._seconds = limits.read_seconds

    async def get_many(self, keys: Sequence[bytes], size: PageSize) -> dict[bytes, bytes]:
        return await get_many(lambda part: self._ask(lambda snapshot: snapshot.batch_get(part)), keys, size)

    async def scan(self, low: bytes, high: bytes, limit: int) -> list[Pair]:
        return await self._ask(lambda snapshot: snapshot.scan(low, high, limit))

    async def scan_keys(self, low: bytes, high: bytes, limit: int) -> list[bytes]:
        return await self._ask(lambda snapshot: snapshot.scan_keys(low, high, limit))

    async def _ask(self, call: Callable[[ClientSnapshot], Coroutine[Any, Any, _Result]]) -> _Result:
        def ask(client: Client) -> Coroutine[Any, Any, _Result]:
            # The library's snapshots keep all they have read, and answer one call at a time.
            return call(client.snapshot(self._timestamp, False))

        return await self._connection.ask(ask, self._seconds)


async def current_timestamp(connection: Connection, limits: TikvLimits) -> int:
    """The cluster's time: what committed before is seen at it, what commits later is not."""
    return await connection.ask(lambda client: client.current_timestamp(), limits.read_seconds)


async def get_many(
    batch_get: Callable[[Sequence[bytes]], Coroutine[Any, Any, list[Pair]]],
    keys: Sequence[bytes],
    size: PageSize,
) -> dict[bytes, bytes]:
    """The values of those of `keys` that are present, in as many calls as `size` asks for."""
    found: dict[bytes, bytes] = {}
    done = 0
    while done < len(keys):
        part = keys[done : done + size.pairs]
        try:
            page = await batch_get(part)
        except ResponseTooLarge:
            size.was_too_large()
            continue
        found.update(page)
        size.learn(page)
        done += len(part)
    return found


class TikvSnapshot(ClosedAtExit):
    """The port's `Snapshot`: a timestamp of the cluster, which nothing has to release.

    `remembered`, if given, receives what keys were found to hold (but for scans): a transaction compares it at commit.
    """

    def __init__(
        self,
        view: View,
        keyspace: Keyspace,
        limits: TikvLimits,
        engine_closed: Callable[[], bool],
        remembered: dict[bytes, bytes | None] | None = None,
    ) -> None:
        self._view = view
        self._keyspace = keyspace
        self._limits = limits
        self._engine_closed = engine_closed
        self._remembered = remembered
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        return self.get_many((key,)).get(key)

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        self._check_open()
        wanted = [key for key in dict.fromkeys(keys) if 0 < len(key) <= MAX_KEY_BYTES]
        if self._remembered is None:
            return self._read(wanted)
        unread = [key for key in wanted if key not in self._remembered]
        found = self._read(unread)
        self._remembered.update((key, found.get(key)) for key in unread)
        return {key: value for key in wanted if (value := self._remembered[key]) is not None}

    def _read(self, keys: list[bytes]) -> dict[bytes, bytes]:
        if not keys:
            return {}
        inner = [self._keyspace.inner(key) for key in keys]
        found = run(self._view.get_many(inner, PageSize(self._limits)))
        return {self._keyspace.outer(key): value for key, value in found.items()}

    def scan(
        self, start: bytes, end: bytes | None, *, limit: int | None = None, reverse: bool = False
    ) -> Iterator[Pair]:
        self._check_open()
        low, high = self._keyspace.bounds(start, end)
        if low >= high or (limit is not None and limit <= 0):
            return
        pages = self._pages_down(low, high, limit) if reverse else self._pages_up(low, high)
        left = limit
        for page in pages:
            for key, value in page if left is None else page[:left]:
                # A transaction that has ended, or an engine that was closed, between two pairs.
                self._check_open()
                yield self._keyspace.outer(key), value
            if left is not None:
                left -= len(page)
                if left <= 0:
                    return

    def _pages_up(self, low: bytes, high: bytes) -> Iterator[list[Pair]]:
        windows, size = Ascent(low, high), PageSize(self._limits)
        while not windows.done:
            asked = size.pairs
            try:
                page = run(self._view.scan(windows.low, windows.high, asked))
            except ResponseTooLarge:
                size.was_too_large()
                continue
            yield page
            self._check_open()
            windows.learn([key for key, _ in page], full=len(page) == asked)
            size.learn(page)

    def _pages_down(self, low: bytes, high: bytes, limit: int | None) -> Iterator[list[Pair]]:
        windows, size = descend(low, high, _KEYS_PER_WINDOW), PageSize(self._limits)
        window = next(windows)
        while True:
            keys = run(self._view.scan_keys(*window, _KEYS_PER_WINDOW))
            full = len(keys) == _KEYS_PER_WINDOW
            unread = [] if full else keys[::-1]
            while unread:
                count = size.pairs if limit is None else min(size.pairs, limit)
                values = run(self._view.get_many(unread[:count], size))
                yield [(key, values[key]) for key in unread[:count]]
                self._check_open()
                unread = unread[count:]
            try:
                window = windows.send((keys, full))
            except StopIteration:
                return

    def close(self) -> None:
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("the snapshot is closed")
        if self._engine_closed():
            raise Unavailable("the engine is closed")
