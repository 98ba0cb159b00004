"""`mu events`: what happened in a region, as its log has it."""

import sys
from pathlib import Path

import click
import trio

from cli.output import entry_json, entry_line, folder_option, json_option
from events.log import FIRST_POSITION, Entry
from mu.region_folder import OpenLog, find_region_folder, open_log

DEFAULT_TAIL_ENTRIES = 20
POLL_SECONDS = 0.2


@click.group()
def events() -> None:
    """What happened in a region."""


@events.command()
@folder_option
@json_option
@click.option(
    "--lines", "-n", type=click.IntRange(0), default=DEFAULT_TAIL_ENTRIES, show_default=True, help="How many"
)
@click.option("--all", "everything", is_flag=True, help="From the first entry on.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until Ctrl-C.")
def tail(folder: Path, as_json: bool, lines: int, everything: bool, follow: bool) -> None:
    """Show the last entries of the log."""
    with open_log(find_region_folder(folder)) as opened:
        head = opened.log.head().position
        start = FIRST_POSITION if everything else max(FIRST_POSITION, head - lines + 1)
        for entry in opened.log.replay(start):
            _show(entry, as_json)
            start = entry.position + 1
        if follow:
            trio.run(_follow, opened, start, as_json)


async def _follow(opened: OpenLog, start: int, as_json: bool) -> None:
    try:
        async for entries in opened.log.follow(start, poll_seconds=POLL_SECONDS):
            for entry in entries:
                _show(entry, as_json)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _show(entry: Entry, as_json: bool) -> None:
    click.echo(entry_json(entry) if as_json else entry_line(entry))
