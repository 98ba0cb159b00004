"""What `mu log` shows: calm aligned lines."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import click

from cli.output import LABEL_CHARACTERS, digest, printable
from cli.tables import counted
from events.statistics import Statistics, Tally
from events.verification import Verified
from events.verification.nodes import Signer

LONG_LOG_ENTRIES = 50_000
PROGRESS_ENTRIES = 50_000
MAX_STREAMS_SHOWN = 20
MAX_DAYS_SHOWN = 31
NAME_CHARACTERS = 50


def progress_lines(what: str, total: int | None) -> Callable[[int], None]:
    """Says on the standard error how far a long log has come, every `PROGRESS_ENTRIES`; nothing of a short one."""
    said = 0

    def progress(position: int) -> None:
        nonlocal said
        if (total is not None and total < LONG_LOG_ENTRIES) or position - said < PROGRESS_ENTRIES:
            return
        said = position
        of = "" if total is None else f" of {total}"
        click.echo(f"{'...':<{LABEL_CHARACTERS}}{what} up to position {position}{of}", err=True)

    return progress


def verified_lines(verified: Verified) -> Iterator[str]:
    """What was checked, and all that disagrees."""
    yield _line("head", f"position {verified.head.position}, hash {digest(verified.head.hash)}")
    yield _line("entries", str(verified.entries))
    yield _line("chain", f"{counted(verified.chain_events, 'event')} in {counted(verified.scopes, 'scope')}")
    yield _line("checkpoints", str(verified.checkpoints))
    for signer in verified.signers:
        yield _line("signer", signer_text(signer, verified))
    for disagreement in verified.disagreements:
        yield _line("disagrees", f"position {disagreement.position}: {printable(disagreement.problem)}")
    if verified.position < verified.head.position:
        yield _line("checked", f"up to position {verified.position} only: too much disagrees")
    if not verified.disagreements:
        yield _line("verified", "everything agrees")


def signer_text(signer: Signer, verified: Verified) -> str:
    """Who signed checkpoints, and whether the chain knows the key."""
    if signer.region is not None:
        known = f"the usage signer of {printable(signer.region)} on chain"
    else:
        known = "perhaps known to the chain" if verified.unread else "joined in the log alone"
    return f"{printable(signer.public_key)}, {counted(signer.checkpoints, 'checkpoint')}, {known}"


def statistics_lines(statistics: Statistics) -> Iterator[str]:
    """Totals, then a table each for kinds, streams (the largest) and days (the last)."""
    yield _line("entries", str(statistics.total.entries))
    yield _line("bytes", str(statistics.total.bytes))
    if statistics.first_at is not None and statistics.last_at is not None:
        yield _line("first", _time(statistics.first_at))
        yield _line("last", _time(statistics.last_at))
    if (rate := statistics.entries_per_day()) is not None:
        yield _line("rate", f"{rate:,.0f} entries a day")
    largest_kinds = sorted(statistics.kinds.items(), key=_largest_first)
    yield from _table("kind", largest_kinds, len(largest_kinds))
    yield from _table("stream", sorted(statistics.streams.items(), key=_largest_first), MAX_STREAMS_SHOWN)
    yield from _table("day", sorted(statistics.days.items(), reverse=True), MAX_DAYS_SHOWN)


def _table(title: str, rows: list[tuple[str, Tally]], limit: int) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"{title:<{NAME_CHARACTERS}}{'entries':>12}{'bytes':>16}"
    for name, tally in rows[:limit]:
        shown = printable(name)
        if len(shown) >= NAME_CHARACTERS:
            shown = shown[: NAME_CHARACTERS - 2] + "…"
        yield f"{shown:<{NAME_CHARACTERS}}{tally.entries:>12}{tally.bytes:>16}"
    if len(rows) > limit:
        yield f"and {len(rows) - limit} more; --json has them all"


def _largest_first(row: tuple[str, Tally]) -> tuple[int, str]:
    return -row[1].entries, row[0]


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL_CHARACTERS}}{text}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
