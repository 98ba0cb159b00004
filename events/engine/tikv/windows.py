"""Which windows of keys to ask for when a range is read, upwards and downwards, in pages.

Positions are numbers: the 8 bytes that follow what all keys of a range begin with.
"""

from collections.abc import Generator, Sequence

Window = tuple[bytes, bytes]
"""From the first key, included, to the last, excluded."""

_POSITION_BYTES = 8
_GROWTH = 16


class Ascent:
    """Windows that cover a range upwards, one page of keys each.

    Only the first, and one after an empty one, ask for all that is left: the client puts a question to every
    region that a window touches. The others are as wide as the last page makes it seem enough.
    """

    def __init__(self, start: bytes, end: bytes) -> None:
        self.low, self.high = start, end
        self._end = end
        self._shared = len(_beginning(start, end))
        self._width = 0

    @property
    def done(self) -> bool:
        return self.low >= self._end

    def learn(self, keys: Sequence[bytes], *, full: bool) -> None:
        """Take in the window's first keys, all there are unless the page is `full`, and move on."""
        if full:
            self._width = 2 * (self._position(keys[-1]) - self._position(keys[0]))
            self.low = keys[-1] + b"\0"
        else:
            self._width *= _GROWTH
            self.low = self.high
        position = self._position(self.low) + self._width
        if keys and self._width and position < 256**_POSITION_BYTES:
            guess = self._end[: self._shared] + position.to_bytes(_POSITION_BYTES)
            self.high = min(self._end, max(guess, self.low))
        else:
            self.high = self._end

    def _position(self, key: bytes) -> int:
        return _position(key, self._shared)


def descend(
    start: bytes, end: bytes, page_keys: int, beginning: bytes | None = None
) -> Generator[Window, tuple[Sequence[bytes], bool], None]:
    """Windows that cover a range downwards, where only the first keys of a window can be asked for.

    Each is answered with its first keys, and whether the page was full. If it was not, they are all that the
    window has, and the next one lies right below. If it was, the window is split: above the last of those keys in
    growing steps, as far as the page makes it seem likely, then by halves. A page must have room for more keys than
    can differ in nothing but the number of zeros at their end.
    """
    keys, full = yield start, end
    if not full:
        return
    shared = _beginning(start, end) if beginning is None else beginning
    skip = len(shared)
    low = _position(start, skip)
    high = _position(end, skip) if end.startswith(shared) else 256**_POSITION_BYTES
    if high < 256**_POSITION_BYTES and _first_key(shared, high) < end:
        high += 1
    known: int | None = None
    step = width = 1
    while True:
        if full:
            known = _position(keys[-1], skip)
            step = max(2 * step, known - _position(keys[0], skip))
        elif keys:
            known, step = None, 1
            distance = _position(keys[-1], skip) - _position(keys[0], skip) + 1
            width = max(1, distance * page_keys * 3 // (4 * len(keys)))
        elif known is None:
            width *= _GROWTH
        if high <= low:
            return
        if known is None:
            floor = max(low, high - width)
        elif known + step < high:
            floor = known + step
        else:
            floor = known + (high - known) // 2
        first = start if floor == low else _first_key(shared, floor)
        if floor == high - 1:
            yield from descend(first, end, page_keys, shared + floor.to_bytes(_POSITION_BYTES))
            keys, full = keys[:0], False
            known = None if known is None or known >= floor else known
        else:
            keys, full = yield first, end
        if not full:
            high, end = floor, first


def _beginning(one: bytes, other: bytes) -> bytes:
    """What both begin with."""
    differing = (place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    return one[: next(differing, min(len(one), len(other)))]


def _position(key: bytes, skip: int) -> int:
    return int.from_bytes(key[skip : skip + _POSITION_BYTES].ljust(_POSITION_BYTES, b"\0"))


def _first_key(shared: bytes, position: int) -> bytes:
    """The least key at that position; it is not filled up with zeros."""
    return shared + position.to_bytes(_POSITION_BYTES).rstrip(b"\0")
