"""Checkpoints: a projection's state in the engine, with the position it has come to.

Keys: a place (`projection/`, the last state; `final-projection/`, one that no fork can undo), `NAME/`, and a number
from 0 (u32, big-endian): a header, then the state in pieces, as it may be larger than an engine's value.
"""

import struct
from enum import Enum
from itertools import count
from typing import Any, TypeVar

import msgspec

from contract.errors import DecodeError
from events.engine import Engine, Snapshot, Transaction
from projections.projection import Projection

PIECE_BYTES = 512 * 1024

P = TypeVar("P", bound=Projection[Any])


class Place(Enum):
    """Which of a projection's two checkpoints: the newest, or one up to which all chain events are finalized."""

    LAST = b"projection/"
    FINAL = b"final-projection/"


class Header(msgspec.Struct, frozen=True):
    """The version of the projection, the last position folded, and its entry's hash."""

    version: int
    position: int
    hash: bytes
    rebuilds: int = 0
    """How often the projection has been rebuilt beside the live one, and swapped."""


def save(
    engine: Engine,
    projection: Projection[Any],
    position: int,
    entry_hash: bytes,
    place: Place = Place.LAST,
    rebuilds: int = 0,
) -> bool:
    """Replace the checkpoint of `projection`, all of it or nothing. Raises what an engine's commit does.

    Where the projection was rebuilt more than `rebuilds` times, nothing is; whether it was replaced.
    """
    with engine.begin() as transaction:
        if is_rebuilt(transaction, projection, rebuilds):
            return False
        put(transaction, prefix(place, projection.name), projection, position, entry_hash, rebuilds)
        transaction.commit()
    return True


def load(engine: Engine, kind: type[P], place: Place = Place.LAST) -> tuple[P, Header] | None:
    """The projection as last saved, or None where there is no checkpoint, or one of another version or damaged."""
    with engine.snapshot() as snapshot:
        return get(snapshot, prefix(place, kind.name), kind)


def put(
    transaction: Transaction,
    under: bytes,
    projection: Projection[Any],
    position: int,
    entry_hash: bytes,
    rebuilds: int = 0,
) -> int:
    """Put a projection's state `under` a prefix, in the place of what is there; returns its size in bytes."""
    state = projection.encode()
    header = Header(projection.version, position, entry_hash, rebuilds)
    remove(transaction, under)
    transaction.put(_key(under, 0), msgspec.msgpack.encode(header))
    for number, start in zip(count(1), range(0, len(state), PIECE_BYTES), strict=False):
        transaction.put(_key(under, number), state[start : start + PIECE_BYTES])
    return len(state)


def key_count(state_bytes: int) -> int:
    """How many keys a state of that size, as `put` gives it, has at the most."""
    return 2 + state_bytes // PIECE_BYTES


def get(snapshot: Snapshot, under: bytes, kind: type[P]) -> tuple[P, Header] | None:
    """The projection whose state is `under` a prefix, or None as for `load`."""
    pieces = [value for _, value in snapshot.scan(*_range(under))]
    if not pieces:
        return None
    try:
        header = msgspec.msgpack.decode(pieces[0], type=Header)
        if header.version != kind.version:
            return None
        return kind.decode(b"".join(pieces[1:])), header
    except (msgspec.DecodeError, DecodeError):
        return None


def is_rebuilt(transaction: Transaction, projection: Projection[Any], rebuilds: int) -> bool:
    """Whether a projection was rebuilt more than `rebuilds` times. The commit conflicts where it is meanwhile."""
    last = prefix(Place.LAST, projection.name)
    transaction.lock([_key(last, 0)])
    return rebuilds_at(transaction, last, projection.version) > rebuilds


def rebuilds_at(snapshot: Snapshot, under: bytes, version: int) -> int:
    """How often the projection whose state is `under` a prefix was rebuilt; 0 for one of another version."""
    data = snapshot.get(_key(under, 0))
    try:
        header = msgspec.msgpack.decode(data or b"", type=Header)
    except msgspec.DecodeError:
        return 0
    return header.rebuilds if header.version == version else 0


def remove(transaction: Transaction, under: bytes) -> None:
    """Remove the state `under` a prefix, if there is one."""
    transaction.delete_range(*_range(under))


def prefix(place: Place, name: str) -> bytes:
    """What the keys of a projection's checkpoint begin with; the number of the piece follows."""
    return place.value + name.encode() + b"/"


def _range(under: bytes) -> tuple[bytes, bytes]:
    return under, under + bytes([0xFF]) * (struct.calcsize(">I") + 1)


def _key(under: bytes, number: int) -> bytes:
    return under + struct.pack(">I", number)
