"""Checkpoints: a projection's state in the engine, with the position it has come to.

Keys: `projection/NAME/` and a number from 0 (u32, big-endian): a header, then the state in pieces, as a state may be
larger than an engine's value.
"""

import struct
from itertools import count
from typing import Any, TypeVar

import msgspec

from contract.errors import DecodeError
from events.engine import Engine
from projections.projection import Projection

PIECE_BYTES = 512 * 1024

P = TypeVar("P", bound=Projection[Any])


class Header(msgspec.Struct, frozen=True):
    """The version of the projection, the last position folded and its entry's hash, and the size of the state."""

    version: int
    position: int
    hash: bytes
    state_bytes: int


def save(engine: Engine, projection: Projection[Any], position: int, entry_hash: bytes) -> None:
    """Replace the checkpoint of `projection`, all of it or nothing. Raises what an engine's commit does."""
    state = projection.encode()
    header = Header(projection.version, position, entry_hash, len(state))
    with engine.begin() as transaction:
        transaction.delete_range(_key(projection.name, 0), _end(projection.name))
        transaction.put(_key(projection.name, 0), msgspec.msgpack.encode(header))
        for number, start in zip(count(1), range(0, len(state), PIECE_BYTES), strict=False):
            transaction.put(_key(projection.name, number), state[start : start + PIECE_BYTES])
        transaction.commit()


def load(engine: Engine, kind: type[P]) -> tuple[P, Header] | None:
    """The projection as last saved, or None where there is no checkpoint, or one of another version or damaged."""
    with engine.snapshot() as snapshot:
        pieces = [value for _, value in snapshot.scan(_key(kind.name, 0), _end(kind.name))]
    if not pieces:
        return None
    try:
        header = msgspec.msgpack.decode(pieces[0], type=Header)
        state = b"".join(pieces[1:])
        if header.version != kind.version or len(state) != header.state_bytes:
            return None
        return kind.decode(state), header
    except (msgspec.DecodeError, DecodeError):
        return None


def _key(name: str, number: int) -> bytes:
    return b"projection/" + name.encode() + b"/" + struct.pack(">I", number)


def _end(name: str) -> bytes:
    return b"projection/" + name.encode() + b"0"
