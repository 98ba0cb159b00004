"""`mu events`: what happened in a region, as its log has it."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
import msgspec
import trio

from cli.entry_filter import EntryFilter, filter_options, parse_pattern
from cli.output import entry_json, entry_line, entry_lines, folder_option, json_option
from contract.errors import InvalidInput
from events.log import FIRST_POSITION, READ_BATCH_ENTRIES, Entry, Log
from events.verify import BrokenLog
from mu.region_folder import OpenLog, find_region_folder, open_log

DEFAULT_TAIL_ENTRIES = 20
MAX_TAIL_ENTRIES = 1_000_000_000
POLL_SECONDS = 0.2
NOTHING = "no entry matches"


@click.group()
def events() -> None:
    """What happened in a region."""


@events.command()
@folder_option
@filter_options
@json_option
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0, MAX_TAIL_ENTRIES),
    default=DEFAULT_TAIL_ENTRIES,
    show_default=True,
    help="How many",
)
@click.option("--all", "everything", is_flag=True, help="From the first entry on.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until Ctrl-C.")
def tail(
    folder: Path, wanted: EntryFilter, as_json: bool, lines: int, everything: bool, follow: bool
) -> None:
    """Show the last entries of the log, or the last of those that are asked for."""
    with open_log(find_region_folder(folder)) as opened:
        head = opened.log.head().position
        found = _until(opened.log, head, wanted) if everything else _last(opened.log, head, wanted, lines)
        if not _show_all(found, as_json) and not follow and (everything or lines):
            click.echo(NOTHING, err=True)
        if follow:
            trio.run(_follow, opened, head + 1, wanted, as_json)


@events.command()
@click.argument("position", type=click.IntRange(FIRST_POSITION))
@folder_option
@json_option
def show(position: int, folder: Path, as_json: bool) -> None:
    """Show all of the entry at POSITION."""
    with open_log(find_region_folder(folder)) as opened:
        head = opened.log.head().position
        if position > head:
            raise InvalidInput("POSITION", f"the log ends at position {head}")
        entry = next(iter(opened.log.read(position, 1)), None)
        if entry is None or entry.position != position:
            raise BrokenLog(position, "is missing; `mu log verify` tells what else is")
    if as_json:
        click.echo(entry_json(entry))
        return
    for line in entry_lines(entry):
        click.echo(line)


@events.command()
@click.argument("pattern")
@folder_option
@filter_options
@json_option
def grep(pattern: str, folder: Path, wanted: EntryFilter, as_json: bool) -> None:
    """Show the entries in whose JSON the regular expression PATTERN is found."""
    wanted = msgspec.structs.replace(wanted, pattern=parse_pattern(pattern))
    with open_log(find_region_folder(folder)) as opened:
        if not _show_all(_until(opened.log, opened.log.head().position, wanted), as_json):
            click.echo(NOTHING, err=True)


def _until(log: Log, head: int, wanted: EntryFilter) -> Iterator[Entry]:
    for entry in log.replay():
        if entry.position > head:
            return
        if wanted.matches(entry):
            yield entry


def _last(log: Log, head: int, wanted: EntryFilter, count: int) -> list[Entry]:
    """The last `count` entries up to `head` that are wanted, in order."""
    return list(islice(filter(wanted.matches, _newest_first(log, head, count)), count))[::-1]


def _newest_first(log: Log, head: int, expected: int) -> Iterator[Entry]:
    # those before the expected ones may be archived, where they cannot be reached
    batch = max(1, min(expected, READ_BATCH_ENTRIES))
    while head >= FIRST_POSITION:
        first = max(FIRST_POSITION, head - batch + 1)
        batch = READ_BATCH_ENTRIES
        yield from reversed(log.read(first, head - first + 1))
        head = first - 1


async def _follow(opened: OpenLog, start: int, wanted: EntryFilter, as_json: bool) -> None:
    try:
        async for entries in opened.log.follow(start, poll_seconds=POLL_SECONDS):
            for entry in filter(wanted.matches, entries):
                _show(entry, as_json)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _show_all(entries: Iterable[Entry], as_json: bool) -> bool:
    """Show the entries; whether there were any."""
    found = False
    for entry in entries:
        _show(entry, as_json)
        found = True
    return found


def _show(entry: Entry, as_json: bool) -> None:
    click.echo(entry_json(entry) if as_json else entry_line(entry))
