"""What a month in a region would cost: a month as a developer describes it, as metered usage, as money. Pure."""

import re
from typing import Final

import msgspec

from contract.accounts import Region
from contract.errors import InvalidInput
from contract.pricing import MONTH_SECONDS, cost
from contract.terms import Terms, Usage

MAX_QUANTITY: Final = 2**64 - 1
MAX_CHARACTERS: Final = 40

_COUNT_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTE_UNITS: Final = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_QUANTITY = re.compile(r"([0-9]+)(?:\.([0-9]+))?([A-Za-z]*)")


class MonthlyUsage(msgspec.Struct, frozen=True, kw_only=True):
    """30 days of a stack, as a developer can describe them; what is left out is not used."""

    requests: int = 0
    """Each is answered by one call of a function."""
    instructions_per_request: int = 0
    megabytes_per_request: int = 0
    """The most memory that a call allocates, in units of 2^20 bytes, rounded up: what is metered."""
    traffic_bytes: int = 0
    """Of requests and answers."""
    database_bytes: int = 0
    """In tables, all month."""
    reads: int = 0
    writes: int = 0
    """An atomic write counts twice."""
    storage_bytes: int = 0
    """In boxes, all month."""
    storage_bytes_read: int = 0
    storage_bytes_written: int = 0


class AnnouncedCost(msgspec.Struct, frozen=True):
    """What a month costs by `terms` that come into force at `from_time` (seconds since 1970)."""

    from_time: int
    cost: int
    terms: Terms


class Estimate(msgspec.Struct, frozen=True):
    """What a month costs by the `terms` in force, in base units of the mint, and by announced ones."""

    cost: int
    terms: Terms
    announced: AnnouncedCost | None


def usage_of(month: MonthlyUsage) -> Usage:
    """What the month comes to in the units that are metered; exact, so it may pass u64, as no single report does.

    Raises `InvalidInput` for a call described in part, which would seem to cost nothing.
    """
    described = (month.instructions_per_request, month.megabytes_per_request)
    if any(described) and not all((month.requests, *described)):
        raise InvalidInput(
            "--instructions-per-request",
            "a call costs its instructions times its megabytes, for each request: "
            "give --requests, --instructions-per-request and --megabytes-per-request together",
        )
    return Usage(
        megabyte_instructions=month.requests * month.instructions_per_request * month.megabytes_per_request,
        database_byte_seconds=month.database_bytes * MONTH_SECONDS,
        database_reads=month.reads,
        database_writes=month.writes,
        storage_byte_seconds=month.storage_bytes * MONTH_SECONDS,
        storage_bytes_read=month.storage_bytes_read,
        storage_bytes_written=month.storage_bytes_written,
        gateway_requests=month.requests,
        gateway_bytes=month.traffic_bytes,
    )


def estimate(region: Region, usage: Usage, unix_time: int) -> Estimate:
    """What `usage` costs in `region` at `unix_time`, rounded down once.

    Each usage report is rounded down by itself, so the bill may be less by a base unit a report.
    """
    terms = region.terms_at(unix_time)
    announced = None
    if region.next_from > unix_time:
        later = region.next_terms
        announced = AnnouncedCost(region.next_from, cost(usage, later.prices), later)
    return Estimate(cost(usage, terms.prices), terms, announced)


def parse_count(text: str, field: str) -> int:
    """A number such as `1500`, `5M` or `2.5k`; units k, M, G, T are powers of 1000. Raises `InvalidInput`."""
    return _parse(text, field, _COUNT_UNITS, "a number such as 1500, 20k or 2.5M; units are k, M, G and T")


def parse_bytes(text: str, field: str) -> int:
    """A size such as `20GB` or `1.5MiB`; kB is 1000 bytes, KiB 1024. Raises `InvalidInput`."""
    problem = "a size such as 500MB, 20GB or 1.5TiB; units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB"
    return _parse(text, field, _BYTE_UNITS, problem)


def _parse(text: str, field: str, units: dict[str, int], wanted: str) -> int:
    found = _QUANTITY.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if found is None or found[3] not in units:
        shown = text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
        raise InvalidInput(field, f"{shown!r} is not {wanted}")
    whole, fraction = found[1], found[2] or ""
    quantity, rest = divmod(int(whole + fraction) * units[found[3]], 10 ** len(fraction))
    if rest:
        raise InvalidInput(field, f"{text} is not a whole number; give fewer decimals")
    if quantity > MAX_QUANTITY:
        raise InvalidInput(field, f"{text} is more than {MAX_QUANTITY}")
    return quantity
