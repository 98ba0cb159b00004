"""Where an engine's keys are in the cluster.

    length of the prefix (1 byte) + prefix + d + key                                  a pair of the engine
    length of the prefix (1 byte) + prefix + m + engine (8 bytes) + slot (4 bytes)    a commit marker

The length keeps the spaces of two prefixes apart even where one prefix begins with the other.
"""

import struct

from contract.errors import InvalidInput
from events.engine import MAX_KEY_BYTES

MAX_PREFIX_BYTES = 64

_MARKER = struct.Struct(">QI")


class Keyspace:
    """The keys under one prefix. Raises `InvalidInput` for a prefix that is too long."""

    def __init__(self, prefix: bytes) -> None:
        if len(prefix) > MAX_PREFIX_BYTES:
            raise InvalidInput("prefix", f"has up to {MAX_PREFIX_BYTES} bytes, this one {len(prefix)}")
        base = bytes([len(prefix)]) + prefix
        self._pairs = base + b"d"
        self._pairs_end = base + b"e"
        self._markers = base + b"m"
        self._markers_end = base + b"n"

    def inner(self, key: bytes) -> bytes:
        """The cluster's key for the engine's `key`."""
        return self._pairs + key

    def outer(self, key: bytes) -> bytes:
        """The engine's key for the cluster's `key`."""
        return key[len(self._pairs) :]

    def bounds(self, start: bytes, end: bytes | None) -> tuple[bytes, bytes]:
        """The same range in the cluster. A bound longer than any key is cut to where it separates the same keys."""
        return self._pairs + _cut(start), self._pairs_end if end is None else self._pairs + _cut(end)

    def marker(self, engine: int, slot: int) -> bytes:
        """The commit marker of one slot of an engine."""
        return self._markers + _MARKER.pack(engine, slot)

    def markers(self, engine: int | None = None) -> tuple[bytes, bytes]:
        """The range of all commit markers, or of those of one engine."""
        if engine is None:
            return self._markers, self._markers_end
        return self.marker(engine, 0), self.marker(engine + 1, 0)

    def marker_engine(self, key: bytes) -> int:
        """Whose marker `key` is; 0 for one that is none of ours."""
        name = key[len(self._markers) :]
        return _MARKER.unpack(name)[0] if len(name) == _MARKER.size else 0


def _cut(bound: bytes) -> bytes:
    return bound if len(bound) <= MAX_KEY_BYTES else bound[:MAX_KEY_BYTES] + b"\0"
