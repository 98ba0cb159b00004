"""Aligned columns, times and durations, as people read them; pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

GAP: Final = "  "
MAX_UNIX_TIME: Final = 253_402_300_799
"""The end of the year 9999, after which `datetime` knows no date."""

_SPANS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """Lines with the columns below each other, two spaces apart; those named in `right` are flush right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        GAP.join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        ).rstrip()
        for line in lines
    ]


def moment(unix_time: int) -> str:
    """A time on the chain's clock (seconds since 1970), as `2026-11-25 00:11:20 UTC`."""
    if not 0 <= unix_time <= MAX_UNIX_TIME:
        return f"{unix_time} seconds after 1970"
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: int) -> str:
    """A duration in the two greatest units that it has: `1 day 3 hours`, `5 minutes`."""
    parts: list[str] = []
    for name, size in _SPANS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(counted(count, name))
    return " ".join(parts[:2]) or "0 seconds"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 stack`, `2 stacks`; the plural is given where it is no mere `s`."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"
