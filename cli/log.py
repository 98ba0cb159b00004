"""`mu log`: a region's log as a thing to check, copy, count and put away."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from cli.log_input import STANDARD_STREAM, naming, open_pieces
from cli.log_text import progress_lines, statistics_lines, verified_lines
from cli.output import digest, folder_option, json_option, printable, step, stopped_folder_option, to_plain
from cli.tables import counted
from contract.errors import DecodeError, InvalidInput, MuError
from events.archive import Archive
from events.export import describe, export, region_of, resume_export
from events.log import FIRST_POSITION, READ_BATCH_ENTRIES
from events.log_import import LogImport
from events.record import UnreadableRecord
from events.recorder import EngineProcessRecorder
from events.relocation import relocate
from events.segment_store import open_store
from events.segments import Segment
from events.statistics import Statistics
from events.verify import examine
from mu.region_folder import DATA_FOLDER, RegionFolder, find_region_folder, open_log, wall_clock_milliseconds

file_argument = click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
LOCATION_HELP = (
    "A folder, or s3://BUCKET/PREFIX; with ?endpoint=URL (and &region=NAME) on another service than AWS, and with "
    "credentials as boto3 finds them, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
resume_option = click.option("--resume", is_flag=True, help="Go on where an earlier one was interrupted.")


class LogDisagrees(MuError):
    """The log was altered or damaged; what is wrong has been shown."""


@click.group()
def log() -> None:
    """Check, copy, count and put away a region's log."""


@log.command()
@folder_option
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Check that the log is whole and agrees with itself.

    Checks the chain of its entries, the chain's events in each scope, and the nodes' signatures. Exits with 1 and names
    each position that disagrees.
    """
    with open_log(find_region_folder(folder)) as opened:
        if opened.recorder.is_empty():
            raise InvalidInput("--folder", f"the log of {folder} has no entries")
        verified = examine(opened.recorder, progress=progress_lines("verified", opened.log.head().position))
    if as_json:
        click.echo(
            json.dumps(to_plain(verified) | {"head": _head(verified.head.position, verified.head.hash)})
        )
    else:
        for line in verified_lines(verified):
            click.echo(line)
    if verified.disagreements:
        raise LogDisagrees(f"the log disagrees in {counted(len(verified.disagreements), 'place')}")


@log.command(name="export")
@file_argument
@folder_option
@click.option(
    "--from", "first", type=click.IntRange(1), help="The first position; otherwise the first of all."
)
@resume_option
def export_(file: str, folder: Path, first: int | None, resume: bool) -> None:
    """Write the log, or a part of it, to FILE (- is the standard output)."""
    with open_log(find_region_folder(folder)) as opened:
        recorder = opened.recorder
        progress = progress_lines("exported", opened.log.head().position)

        def whole() -> Iterator[bytes]:
            header = describe(
                recorder,
                first=first or FIRST_POSITION,
                region=region_of(recorder),
                created_at=wall_clock_milliseconds(),
            )
            return export(recorder, header, progress=progress)

        if file == STANDARD_STREAM:
            if resume:
                raise InvalidInput("--resume", "needs a file that can be read, not the standard output")
            if sys.stdout is None:
                raise InvalidInput("FILE", "is the standard output, which is closed")
            sys.stdout.buffer.writelines(whole())
            sys.stdout.buffer.flush()
            return
        count = _export_to_file(Path(file), recorder, whole, resume=resume, first=first, progress=progress)
    step("log", f"{printable(file)}, {count} bytes")


def _export_to_file(
    path: Path,
    recorder: EngineProcessRecorder,
    whole: Callable[[], Iterator[bytes]],
    *,
    resume: bool,
    first: int | None,
    progress: Callable[[int], None],
) -> int:
    """Write or finish the file; its size in bytes."""
    if path.exists() and not resume:
        raise InvalidInput(str(path), "is there already; remove it, or go on with it with --resume")
    if resume and first is not None:
        raise InvalidInput("--from", "stands in the file that is resumed; leave it out")
    # before the file is made: bad positions must leave nothing behind
    pieces = None if resume else whole()
    try:
        with naming(str(path)), path.open("r+b" if path.exists() else "w+b") as output:
            if pieces is None:
                rest = resume_export(recorder, output, progress=progress)
                pieces = whole() if rest is None else rest
            output.writelines(pieces)
            output.flush()
            os.fsync(output.fileno())
            return output.tell()
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be written ({error.strerror})") from error
    except MuError:
        if not resume:
            path.unlink()
        raise
    except KeyboardInterrupt:
        click.echo(f"mu: {printable(str(path))} has a part of it; go on with --resume", err=True)
        raise


@log.command(name="import")
@file_argument
@stopped_folder_option
@resume_option
def import_(file: str, folder: Path, resume: bool) -> None:
    """Read a log from FILE (- is the standard input); every entry is checked before it is written.

    A folder without a region gets one. No node may be running in it.
    """
    # before a folder is made: a file that is none must leave nothing behind
    pieces = open_pieces(file)
    try:
        target = find_region_folder(folder)
    except InvalidInput:
        target = RegionFolder(folder / DATA_FOLDER)
    is_new, is_new_folder = not target.root.exists(), not folder.exists()
    try:
        with target.locked(), open_log(target) as opened, naming(file):
            progress = progress_lines("imported", None)
            imported = LogImport(opened.engine, resume=resume, progress=progress).run(pieces)
    except (MuError, KeyboardInterrupt):
        if is_new and _is_empty(target):
            shutil.rmtree(folder if is_new_folder else target.root)
        elif is_new:
            click.echo("mu: the entries before that are in the log; go on with --resume", err=True)
        raise
    already = f", {imported.present} were there already" if imported.present else ""
    step("log", f"{counted(imported.added, 'entry', 'entries')} imported{already}")
    step("head", f"position {imported.head.position}, hash {digest(imported.head.hash)}")


def _is_empty(region: RegionFolder) -> bool:
    with open_log(region) as opened:
        return opened.log.head().position < FIRST_POSITION


@log.command()
@folder_option
@json_option
def stats(folder: Path, as_json: bool) -> None:
    """Count the log's entries and bytes, by kind, stream and day."""
    statistics = Statistics()
    with open_log(find_region_folder(folder)) as opened:
        progress = progress_lines("counted", opened.log.head().position)
        start = FIRST_POSITION
        while records := opened.recorder.records(start, READ_BATCH_ENTRIES):
            for position, record in records:
                try:
                    statistics.add(record)
                except DecodeError as error:
                    raise UnreadableRecord(position, str(error)) from error
            start = records[-1][0] + 1
            progress(start - 1)
    if as_json:
        click.echo(json.dumps(to_plain(statistics) | {"entries_per_day": statistics.entries_per_day()}))
        return
    for line in statistics_lines(statistics):
        click.echo(line)


@log.command()
@folder_option
@click.option("--before", type=click.IntRange(1), required=True, help="The first position that stays.")
@click.option(
    "--to",
    "target",
    metavar="LOCATION",
    required=True,
    help=f"{LOCATION_HELP} The log reads the segments from there, so they must stay.",
)
def archive(folder: Path, before: int, target: str) -> None:
    """Move the entries before a position out of the region's folder; everything reads them as before."""
    store = open_store(target, "--to")

    def show(segment: Segment) -> None:
        step("segment", f"{_positions(segment)}, {segment.file_bytes} bytes: {printable(segment.name)}")

    with open_log(find_region_folder(folder)) as opened:
        archived = Archive(opened.engine, opened.recorder)
        count = archived.archive(
            before,
            store,
            region=region_of(opened.recorder),
            on_segment=show,
        )
        segments = archived.segments()
        last = segments[-1].last_position if segments else FIRST_POSITION - 1
        step(
            "log", f"{counted(count, 'entry', 'entries')} archived, {opened.log.head().position - last} stay"
        )


@log.command(name="relocate")
@folder_option
@click.option(
    "--from", "source", metavar="LOCATION", required=True, help="Where the log has the segments so far."
)
@click.option(
    "--to", "target", metavar="LOCATION", required=True, help=f"Where they are now. {LOCATION_HELP}"
)
@json_option
def relocate_(folder: Path, source: str, target: str, as_json: bool) -> None:
    """Say where archived segments are, once their files have been moved or copied.

    Reads each at its new place, and changes nothing unless all are there and what they were.
    """

    def show(segment: Segment) -> None:
        if not as_json:
            step("checked", f"{_positions(segment)}: {printable(segment.name)}")

    with open_log(find_region_folder(folder)) as opened:
        moved = relocate(opened.engine, source, open_store(target, "--to"), on_checked=show)
    location = moved[0].location
    if as_json:
        segments = [
            {
                name: getattr(segment, name)
                for name in ("name", "first_position", "last_position", "file_bytes")
            }
            for segment in moved
        ]
        click.echo(json.dumps({"location": location, "segments": segments}))
    else:
        step("log", f"{counted(len(moved), 'segment')} relocated to {printable(location)}")


def _positions(segment: Segment) -> str:
    return f"positions {segment.first_position} to {segment.last_position}"


def _head(position: int, entry_hash: bytes) -> dict[str, int | str]:
    return {"position": position, "hash": entry_hash.hex()}
