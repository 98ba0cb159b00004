"""What a log consists of: entries and bytes, by kind, by stream and by day. A pure fold over its records."""

from datetime import UTC, datetime

import msgspec

from events import codec
from events.record import Record

MILLISECONDS_PER_DAY = 24 * 3600 * 1000


class Tally(msgspec.Struct):
    """Entries, and the bytes of their records."""

    entries: int = 0
    bytes: int = 0

    def add(self, count: int) -> None:
        """One more, of `count` bytes."""
        self.entries += 1
        self.bytes += count


class Statistics(msgspec.Struct):
    """The totals. Times are milliseconds since 1970, UTC, as the nodes' clocks had them; days are dates in UTC."""

    total: Tally = msgspec.field(default_factory=Tally)
    kinds: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    streams: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    days: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    first_at: int | None = None
    last_at: int | None = None

    def add(self, record: Record) -> None:
        """Count a record. Raises `DecodeError` where it has no time."""
        recorded_at = codec.recorded_at(record.state)
        count = len(record.encode())
        self.total.add(count)
        for tallies, name in (
            (self.kinds, record.topic),
            (self.streams, record.stream),
            (self.days, day(recorded_at)),
        ):
            tallies.setdefault(name, Tally()).add(count)
        self.first_at = recorded_at if self.first_at is None else min(self.first_at, recorded_at)
        self.last_at = recorded_at if self.last_at is None else max(self.last_at, recorded_at)

    def entries_per_day(self) -> float | None:
        """Entries by the time between the first and the last; None where that is less than a day."""
        if self.first_at is None or self.last_at is None:
            return None
        if self.last_at - self.first_at < MILLISECONDS_PER_DAY:
            return None
        return self.total.entries * MILLISECONDS_PER_DAY / (self.last_at - self.first_at)


def day(milliseconds: int) -> str:
    """The date in UTC of a time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
