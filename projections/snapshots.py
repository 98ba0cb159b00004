"""Snapshots: states of a projection at many positions, kept in the engine, so that its past opens without a replay.

They are kept in full while they are small together. Where they are not, those go first that leave the smallest gap for
their age, so that what stays lies the closer, the younger it is.

Keys: `past-projection/NAME/`, the position (u64, big-endian), and what `projections.checkpoint` puts there; the list of
them is at `past-projections/NAME`. A list that is damaged is none.
"""

import struct
from bisect import bisect_right
from typing import Any, TypeVar

import msgspec

from events.engine import MAX_KEYS_PER_TRANSACTION, Engine, Snapshot, Transaction
from projections import checkpoint
from projections.checkpoint import Header
from projections.projection import Projection

DEFAULT_MAX_BYTES = 256 * 1024 * 1024
"""The most that all snapshots of one projection may have together."""

MAX_SNAPSHOTS = 4096
"""The most snapshots of one projection; a million entries make 200."""

MAX_KEYS_REMOVED_AT_ONCE = MAX_KEYS_PER_TRANSACTION // 2

P = TypeVar("P", bound=Projection[Any])


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot in the list: after which position, and the size of its state."""

    position: int
    state_bytes: int


def save(
    engine: Engine,
    projection: Projection[Any],
    position: int,
    entry_hash: bytes,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    rebuilds: int = 0,
) -> None:
    """Keep `projection` as it is after `position`, in the place of one there. Raises what an engine's commit does.

    Nothing is kept where the projection was rebuilt more than `rebuilds` times.
    """
    name = projection.name
    with engine.begin() as transaction:
        if checkpoint.is_rebuilt(transaction, projection, rebuilds):
            return
        transaction.lock([_list_key(name)])
        state_bytes = checkpoint.put(transaction, _prefix(name, position), projection, position, entry_hash)
        kept = [one for one in _list(transaction, name) if one.position != position]
        kept = sorted([*kept, Kept(position, state_bytes)], key=lambda one: one.position)
        stay = thinned(kept, max_bytes, MAX_SNAPSHOTS)
        for one in kept:
            if one not in stay:
                checkpoint.remove(transaction, _prefix(name, one.position))
        transaction.put(_list_key(name), msgspec.msgpack.encode(stay))
        transaction.commit()


def positions(engine: Engine, name: str) -> list[int]:
    """The positions of a projection's snapshots, rising."""
    with engine.snapshot() as snapshot:
        return [one.position for one in _list(snapshot, name)]


def newest(engine: Engine, kind: type[P], last: int) -> tuple[P, Header] | None:
    """The newest snapshot after a position up to `last`; None where there is none of this version and whole."""
    with engine.snapshot() as snapshot:
        kept = [one.position for one in _list(snapshot, kind.name)]
        for position in reversed(kept[: bisect_right(kept, last)]):
            found = checkpoint.get(snapshot, _prefix(kind.name, position), kind)
            if found is not None and found[1].position == position:
                return found
    return None


def remove_some(transaction: Transaction, name: str) -> bool:
    """Remove snapshots of a projection, no more than a transaction takes; returns whether there are more."""
    kept = _list(transaction, name)
    keys, count = 0, 0
    for one in kept:
        keys += checkpoint.key_count(one.state_bytes)
        if count and keys > MAX_KEYS_REMOVED_AT_ONCE:
            break
        checkpoint.remove(transaction, _prefix(name, one.position))
        count += 1
    if more := kept[count:]:
        transaction.put(_list_key(name), msgspec.msgpack.encode(more))
    else:
        transaction.delete(_list_key(name))
    return bool(more)


def thinned(kept: list[Kept], max_bytes: int, max_count: int) -> list[Kept]:
    """What stays of snapshots, which are by position. The newest always does."""
    stay, total = list(kept), sum(one.state_bytes for one in kept)
    while len(stay) > 1 and (total > max_bytes or len(stay) > max_count):
        newest_position = stay[-1].position
        before = [0, *(one.position for one in stay)]
        gaps = [
            (stay[place + 1].position - before[place]) / (newest_position - stay[place].position)
            for place in range(len(stay) - 1)
        ]
        gone = stay.pop(min(range(len(gaps)), key=gaps.__getitem__))
        total -= gone.state_bytes
    return stay


def _list(snapshot: Snapshot, name: str) -> list[Kept]:
    data = snapshot.get(_list_key(name))
    if data is None:
        return []
    try:
        return msgspec.msgpack.decode(data, type=list[Kept])
    except msgspec.DecodeError:
        return []


def _prefix(name: str, position: int) -> bytes:
    return b"past-projection/" + name.encode() + b"/" + struct.pack(">Q", position)


def _list_key(name: str) -> bytes:
    return b"past-projections/" + name.encode()
