"""`mu status`: what a region's node says of itself."""

import json
from pathlib import Path

import click

from cli.output import folder_option, json_option, printable, step, to_plain
from contract.errors import InvalidInput
from mu.region_folder import find_region_folder, wall_clock_milliseconds
from mu.status import MAX_AGE_SECONDS, NodeStatus, read_status


@click.command()
@folder_option
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show how the node of a region stands; exit code 1 if something is wrong."""
    found = read_status(find_region_folder(folder).root)
    if found is None:
        raise InvalidInput("--folder", f"no node has run in {folder} yet")
    age_seconds = max(0.0, (wall_clock_milliseconds() - found.written_at) / 1000)
    running = age_seconds <= MAX_AGE_SECONDS and not found.left
    if as_json:
        document = {"running": running, "age_seconds": age_seconds, "problems": found.problems}
        click.echo(json.dumps(document | to_plain(found), indent=2))
    else:
        _show(found, age_seconds, running=running)
    if not running or found.problems:
        raise SystemExit(1)


def _show(found: NodeStatus, age_seconds: float, *, running: bool) -> None:
    if running:
        said = "running"
    elif found.left:
        said = f"not running: it left {age_seconds:.0f} s ago"
    else:
        said = f"not running: it last wrote {age_seconds:.0f} s ago"
    step("node", f"{found.node}, generation {found.generation}, port {found.port}, {said}")
    step("log", f"position {found.head}")
    for one in found.scopes:
        step("chain", f"{one.scope} is {one.health}, slot {one.slot}")
        step("", f"event {one.sequence}, final up to {one.final_sequence}, {one.lag_events} behind")
        if one.problem is not None:
            step("problem", printable(one.problem))
    for one in found.endpoints:
        asked = "asked" if one.current else "in reserve"
        step("endpoint", f"{printable(one.name)}: {asked}, slot {one.slot}, failed {one.failures} times")
        if one.problem is not None:
            step("problem", printable(one.problem))
    for one in found.projections:
        step("projection", f"{one.name} at position {one.position}")
        if one.parked_at is not None:
            step("problem", f"stopped at position {one.parked_at}: {printable(one.problem or '')}")
