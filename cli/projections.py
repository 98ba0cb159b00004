"""`mu projections`: what follows from a region's log, now and at any moment."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import trio
import yaml

from cli.log_text import progress_lines
from cli.output import difference_text, folder_option, json_option, printable, step, to_plain
from cli.tables import counted, table
from contract.errors import InvalidInput, MuError
from events.catalogue import ProjectionEventSkipped, ProjectionRetried
from events.log import FIRST_POSITION
from mu.identity import load_keypair
from mu.projection_journal import check_reason, say
from mu.region_folder import OpenLog, find_region_folder, open_log
from projections.differences import Difference, differences, plain_state
from projections.history import Past, parse_moment, position_of, state_at
from projections.parking import Parked
from projections.projection import Projection
from projections.rebuild import Rebuilding
from projections.runner import PROJECTIONS, Runner, RunnerLimits

KINDS = {kind.name: kind for kind in PROJECTIONS}
CHECKSUM_CHARACTERS = 16
POSITION_CHARACTERS = 6
POLL_SECONDS = 0.2


class ProjectionDiffers(MuError):
    """The live projection is not what the log says; how it differs has been shown."""


class NotStopped(MuError):
    """The projection goes on, so there is nothing to retry or to skip."""


reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept in the log.")
name_argument = click.argument("name", type=click.Choice(list(KINDS)))


@click.group()
def projections() -> None:
    """What follows from a region's log."""


@projections.command(name="list")
@folder_option
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """Show how far each projection has come, and which has stopped."""
    with open_log(find_region_folder(folder)) as opened:
        runner = opened.runner(RunnerLimits())
    rows = [
        {
            "name": projection.name,
            "version": projection.version,
            "position": progress.position,
            "checkpoint": progress.saved_position,
            "stopped_at": progress.parked.position if progress.parked is not None else None,
            "checksum": projection.checksum(),
        }
        for projection in runner.projections
        for progress in [runner.progress[projection.name]]
    ]
    if as_json:
        click.echo(json.dumps({"projections": rows}))
        return
    header = ("projection", "version", "position", "checkpoint", "status", "checksum")
    cells = [
        (
            row["name"],
            str(row["version"]),
            str(row["position"]),
            str(row["checkpoint"]),
            "live" if row["stopped_at"] is None else f"stopped at {row['stopped_at']}",
            row["checksum"][:CHECKSUM_CHARACTERS],
        )
        for row in rows
    ]
    for line in table(header, cells, right=("version", "position", "checkpoint")):
        click.echo(line)


@projections.command()
@name_argument
@folder_option
@click.option(
    "--at",
    "moment",
    metavar="MOMENT",
    help="A position (120), a slot (slot:345), a time (2026-11-24T10:00:00Z), or finalized.",
)
@json_option
def show(name: str, folder: Path, moment: str | None, as_json: bool) -> None:
    """Show a projection's state at the end of the log, or at an earlier moment."""
    with open_log(find_region_folder(folder)) as opened:
        past = _now(opened, name) if moment is None else _at(opened, name, moment, "--at")
    state = plain_state(past.projection)
    checksum = past.projection.checksum()
    if as_json:
        document = {"name": name, "position": past.position, "checksum": checksum, "state": state}
        if past.parked is not None:
            document["parked"] = to_plain(past.parked)
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{name} at position {past.position}, checksum {checksum[:CHECKSUM_CHARACTERS]}")
    if past.parked is not None:
        _show_parked(past.parked)
    click.echo(yaml.safe_dump(state, sort_keys=False, default_flow_style=False, allow_unicode=True).rstrip())


@projections.command()
@name_argument
@folder_option
@click.option(
    "--from", "first", metavar="MOMENT", required=True, help="The earlier moment, as in `show --at`."
)
@click.option("--to", "last", metavar="MOMENT", help="The later one; otherwise the end of the log.")
@json_option
def diff(name: str, folder: Path, first: str, last: str | None, as_json: bool) -> None:
    """Show what changed in a projection between two moments, field by field."""
    with open_log(find_region_folder(folder)) as opened:
        before = _at(opened, name, first, "--from")
        after = _now(opened, name) if last is None else _at(opened, name, last, "--to")
    found = list(differences(plain_state(before.projection), plain_state(after.projection)))
    if as_json:
        document = {
            "name": name,
            "from": before.position,
            "to": after.position,
            "differences": to_plain(found),
        }
        click.echo(json.dumps(document))
        return
    click.echo(f"{name} from position {before.position} to {after.position}: {_counted(found, 'changed')}")
    for difference in found:
        click.echo(difference_text(difference))


@projections.command()
@name_argument
@folder_option
@json_option
def watch(name: str, folder: Path, as_json: bool) -> None:
    """Show each change of a projection as it happens, a line each, until Ctrl-C."""
    with open_log(find_region_folder(folder)) as opened:
        trio.run(_watch, opened, KINDS[name], as_json)


@projections.command()
@name_argument
@folder_option
@click.option(
    "--diff", "only_compare", is_flag=True, help="Only compare, field by field; exits with 1 if they differ."
)
@json_option
def rebuild(name: str, folder: Path, only_compare: bool, as_json: bool) -> None:
    """Replay a projection from the first entry beside the live one, compare them, and put it in that one's place.

    The region may be running: its node takes the rebuilt one up with its next checkpoint, at the latest when it leaves.
    """
    with open_log(find_region_folder(folder)) as opened:
        rebuilding = Rebuilding(opened.log, opened.engine, KINDS[name])
        rebuilding.run(progress_lines("rebuilt", opened.log.head().position))
        found = rebuilding.differences()
        if not only_compare:
            rebuilding.swap()
    if as_json:
        document = {
            "name": name,
            "position": rebuilding.position,
            "stopped": to_plain(rebuilding.parked),
            "swapped": not only_compare,
            "differences": to_plain(found),
        }
        click.echo(json.dumps(document))
    else:
        click.echo(f"{name} at position {rebuilding.position}: {_counted(found, 'differs')}")
        for difference in found:
            click.echo(difference_text(difference))
        if rebuilding.parked is not None:
            _show_parked(rebuilding.parked)
        if not only_compare:
            click.echo("the rebuilt one is in place")
    if only_compare and found:
        raise ProjectionDiffers(f"the live {name} is not what the log says; rebuild it without --diff")


@projections.command()
@name_argument
@folder_option
@reason_option
def retry(name: str, folder: Path, reason: str) -> None:
    """Have a projection that has stopped try the event again. The reason is an event of the log itself."""
    _say(folder, name, ProjectionRetried, reason)


@projections.command()
@name_argument
@folder_option
@reason_option
def skip(name: str, folder: Path, reason: str) -> None:
    """Have a projection leave out the event at which it has stopped, on every node and in every replay.

    The reason is an event of the log itself.
    """
    _say(folder, name, ProjectionEventSkipped, reason)


def _say(
    folder: Path, name: str, kind: type[ProjectionRetried] | type[ProjectionEventSkipped], reason: str
) -> None:
    reason = check_reason(reason)
    region = find_region_folder(folder)
    with open_log(region) as opened:
        runner = opened.runner(RunnerLimits())
        parked = runner.progress[name].parked
        if parked is None:
            raise NotStopped(f"the projection {name} has not stopped")
        keypair = region.keypair("node")
        if not keypair.is_file():
            problem = f"{keypair} is missing: the key of the region's node, in whose name this is said"
            raise InvalidInput("--folder", problem)
        public_key = str(load_keypair(keypair).pubkey())
        position = say(opened.log, public_key, kind(name=name, position=parked.position, reason=reason))
        step("log", f"{kind.__name__} at position {position}")
        runner.catch_up()
        stopped = runner.progress[name].parked
        if stopped is not None:
            step(name, f"stopped at position {stopped.position}")
        else:
            step(name, f"goes on, at position {runner.progress[name].position}")


async def _watch(opened: OpenLog, kind: type[Projection[Any]], as_json: bool) -> None:
    runner = Runner(opened.log, opened.engine, RunnerLimits(), (kind,))
    runner.resume()
    runner.catch_up()
    click.echo(f"{kind.name} at position {runner.position}", err=True)
    encoded, state = runner.get(kind).encode(), plain_state(runner.get(kind))
    stopped = runner.progress[kind.name].parked
    try:
        async for entries in opened.log.follow(runner.position + FIRST_POSITION, poll_seconds=POLL_SECONDS):
            for entry in entries:
                runner.feed([entry])
                parked = runner.progress[kind.name].parked
                if parked is not None and parked != stopped:
                    click.echo(f"{kind.name} stopped at position {parked.position}", err=True)
                stopped = parked
                if (now := runner.get(kind).encode()) != encoded:
                    before, encoded, state = state, now, plain_state(runner.get(kind))
                    for difference in differences(before, state):
                        _show_change(entry.position, difference, as_json)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _show_parked(parked: Parked) -> None:
    click.echo(f"stopped at position {parked.position}:")
    for line in parked.traceback.splitlines():
        click.echo(printable(line))


def _show_change(position: int, difference: Difference, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"position": position} | to_plain(difference)))
    else:
        click.echo(f"{position:>{POSITION_CHARACTERS}}  {difference_text(difference)}")


def _now(opened: OpenLog, name: str) -> Past[Any]:
    runner = opened.runner(RunnerLimits())
    progress = runner.progress[name]
    return Past(runner.get(KINDS[name]), progress.position, progress.parked)


def _at(opened: OpenLog, name: str, text: str, field: str) -> Past[Any]:
    moment = parse_moment(text, field)
    position = position_of(opened.log, moment, field, lambda: opened.runner(RunnerLimits()).unfinalized)
    return state_at(opened.log, opened.engine, KINDS[name], position)


def _counted(found: Sequence[Difference], verb: str) -> str:
    if not found:
        return f"nothing {verb}"
    return f"{counted(len(found), 'field')} {verb if len(found) == 1 else verb.removesuffix('s')}"
