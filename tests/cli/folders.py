"""Folders of regions for the tests of commands, written without a node."""

from collections.abc import Sequence
from pathlib import Path

import click.testing

from cli.main import mu
from events.catalogue import Event, Source
from events.engine.lmdb import LmdbEngine
from tests.entries import open_log, place_of, source_of


def write_region(
    folder: Path, happened: Sequence[Event | tuple[Source, Event]], stream: str | None = None
) -> Path:
    """A region's folder whose log has these events, in a stream or each where it belongs, after what is there."""
    engine = LmdbEngine(folder / ".mu" / "log")
    try:
        log = open_log(engine)
        for event in happened:
            sourced = event if isinstance(event, tuple) else (source_of(event), event)
            place = stream or place_of(sourced[1])
            log.append(place, log.version(place), [sourced])
    finally:
        engine.close()
    return folder


def run(*arguments: str | Path) -> click.testing.Result:
    """Run `mu` in this process. What it raises is in the result, not shown."""
    return click.testing.CliRunner().invoke(mu, [str(argument) for argument in arguments])
