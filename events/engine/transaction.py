"""A transaction's own writes, kept over the snapshot it began with: what every optimistic adapter shares."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping

from events.engine import (
    MAX_KEY_BYTES,
    MAX_KEYS_PER_TRANSACTION,
    MAX_VALUE_BYTES,
    Conflict,
    KeyExists,
    Snapshot,
    TooLarge,
    Unavailable,
)
from events.engine.closing import ClosedAtExit

Commit = Callable[[dict[bytes, bytes | None], set[bytes], set[bytes]], None]
"""Check and apply, all or nothing: the values to write (None: remove), the keys inserted, the keys locked."""


def check_pair(key: bytes, value: bytes) -> None:
    """Raise `TooLarge` unless the pair fits every adapter."""
    if not 0 < len(key) <= MAX_KEY_BYTES:
        raise TooLarge(f"a key has 1 to {MAX_KEY_BYTES} bytes, this one {len(key)}")
    if len(value) > MAX_VALUE_BYTES:
        raise TooLarge(f"a value has up to {MAX_VALUE_BYTES} bytes, this one {len(value)}")


def check_unchanged(
    keys: Iterable[bytes],
    inserted: set[bytes],
    *,
    before: Callable[[bytes], bytes | None],
    now: Callable[[bytes], bytes | None],
) -> None:
    """Raise `Conflict`, or `KeyExists` for an insert, if a key's value is not what it was in the snapshot.

    Comparing values, not versions, is enough: if a key was changed and changed back, all that the transaction
    concluded from it holds at this moment too, and this moment is where it stands in the order of commits.
    """
    for key in keys:
        value = now(key)
        if value != before(key):
            if key in inserted and value is not None:
                raise KeyExists(key)
            raise Conflict(f"the key {key!r} was changed by another transaction")


class BufferedTransaction(ClosedAtExit):
    """The port's `Transaction`: reads `base` through a buffer of writes, and hands that to `commit_writes`.

    `commit_writes` runs while `base` is still open, so that it can compare against the snapshot. Whatever its
    outcome, the transaction is over then and `base` is closed.
    """

    def __init__(self, base: Snapshot, commit_writes: Commit) -> None:
        self._base = base
        self._commit_writes = commit_writes
        self._writes: dict[bytes, bytes | None] = {}
        self._inserted: set[bytes] = set()
        self._locked: set[bytes] = set()
        self._over = False

    def get(self, key: bytes) -> bytes | None:
        if key in self._writes and not self._over:
            return self._writes[key]
        return self._base.get(key)

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        own = {} if self._over else self._writes
        wanted = list(keys)
        # One question for all of them: on a cluster each takes a round trip.
        found = self._base.get_many([key for key in wanted if key not in own])
        return found | {key: value for key in wanted if (value := own.get(key)) is not None}

    def scan(
        self, start: bytes, end: bytes | None, *, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        own = [key for key in self._writes if start <= key and (end is None or key < end)]
        if not own:
            yield from self._base.scan(start, end, limit=limit, reverse=reverse)
            return
        own.sort(reverse=reverse)
        # The buffer comes first among equal keys, so that it hides what the snapshot holds there.
        merged = heapq.merge(
            ((key, 0, self._writes[key]) for key in own),
            ((key, 1, value) for key, value in self._base.scan(start, end, reverse=reverse)),
            key=lambda entry: entry[0],
            reverse=reverse,
        )
        left = limit
        previous: bytes | None = None
        for key, _, value in merged:
            if left is not None and left <= 0:
                return
            if key == previous:
                continue
            previous = key
            if value is not None:
                if left is not None:
                    left -= 1
                yield key, value

    def put(self, key: bytes, value: bytes) -> None:
        self._check_open()
        check_pair(key, value)
        self._writes[key] = value

    def put_many(self, pairs: Mapping[bytes, bytes]) -> None:
        self._check_open()
        for key, value in pairs.items():
            # as `check_pair`, which this is spared for each of thousands
            if not 0 < len(key) <= MAX_KEY_BYTES or len(value) > MAX_VALUE_BYTES:
                check_pair(key, value)
        self._writes.update(pairs)

    def insert(self, key: bytes, value: bytes) -> None:
        self._check_open()
        check_pair(key, value)
        if self.get(key) is not None:
            raise KeyExists(key)
        if key not in self._writes:
            self._inserted.add(key)
        self._writes[key] = value

    def delete(self, key: bytes) -> None:
        self._check_open()
        if 0 < len(key) <= MAX_KEY_BYTES:
            self._writes[key] = None

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._check_open()
        for key, _ in list(self.scan(start, end)):
            self._writes[key] = None

    def lock(self, keys: Iterable[bytes]) -> None:
        self._check_open()
        self._locked.update(key for key in keys if 0 < len(key) <= MAX_KEY_BYTES)

    def commit(self) -> None:
        self._check_open()
        try:
            keys = len(self._writes.keys() | self._locked) if self._locked else len(self._writes)
            if keys > MAX_KEYS_PER_TRANSACTION:
                raise TooLarge(f"a transaction has up to {MAX_KEYS_PER_TRANSACTION} keys, this one {keys}")
            if keys:
                self._commit_writes(self._writes, self._inserted, self._locked)
        finally:
            self.close()

    def close(self) -> None:
        self._over = True
        self._base.close()

    def _check_open(self) -> None:
        if self._over:
            raise Unavailable("the transaction is over")
