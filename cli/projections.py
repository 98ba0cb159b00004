"""`mu projections`: what follows from a region's log."""

import json
from pathlib import Path

import click
import yaml

from cli.output import folder_option, json_option, to_plain
from mu.region_folder import find_region_folder, open_log
from projections.runner import PROJECTIONS, RunnerLimits

NAMES = tuple(kind.name for kind in PROJECTIONS)


@click.group()
def projections() -> None:
    """What follows from a region's log."""


@projections.command()
@click.argument("name", type=click.Choice(NAMES))
@folder_option
@json_option
def show(name: str, folder: Path, as_json: bool) -> None:
    """Show a projection's state at the end of the log."""
    with open_log(find_region_folder(folder)) as opened:
        runner = opened.runner(RunnerLimits())
        projection = next(projection for projection in runner.projections if projection.name == name)
        progress = runner.progress[name]
        state = to_plain(projection.state)
        if as_json:
            document = {
                "name": name,
                "position": progress.position,
                "checksum": projection.checksum(),
                "state": state,
            }
            if progress.parked is not None:
                document["parked"] = to_plain(progress.parked)
            click.echo(json.dumps(document, indent=2))
            return
        click.echo(f"{name} at position {progress.position}, checksum {projection.checksum()[:16]}")
        if progress.parked is not None:
            click.echo(f"stopped at position {progress.parked.position}:\n{progress.parked.traceback}")
        click.echo(
            yaml.safe_dump(state, sort_keys=False, default_flow_style=False, allow_unicode=True).rstrip()
        )
