"""How the command line shows things: calm aligned lines, or JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from events.catalogue import ChainSource, kind
from events.log import Entry
from mu.function_log import FunctionLog

LABEL_CHARACTERS = 12
KIND_CHARACTERS = 15
FIELD_CHARACTERS = 60
DIGEST_CHARACTERS = 16

F = TypeVar("F", bound=Callable[..., Any])


def folder_option(command: F) -> F:
    """The option that names a region's folder."""
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("."),
        show_default="this folder",
        help="The project folder of `mu run`, or the data folder in it; the region may be running.",
    )(command)


def json_option(command: F) -> F:
    """The option that asks for JSON."""
    return click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")(command)


def step(label: str, text: str) -> None:
    """Say what has just happened."""
    click.echo(f"{label:<{LABEL_CHARACTERS}}{text}")


def to_plain(value: Any) -> Any:
    """`value` in JSON's types; bytes become base64."""
    return msgspec.to_builtins(value, enc_hook=str, order="deterministic")


def entry_json(entry: Entry) -> str:
    """An entry as one line of JSON."""
    return json.dumps({"kind": kind(entry.event)} | to_plain(entry), separators=(",", ":"))


def entry_line(entry: Entry) -> str:
    """An entry as a line for a person."""
    when = datetime.fromtimestamp(entry.recorded_at / 1000, UTC).strftime("%H:%M:%S")
    place = f"slot {entry.source.slot}" if isinstance(entry.source, ChainSource) else "node"
    fields = to_plain(entry.event)
    hidden = ("type", "scope", "sequence", "previous_hash", "event_hash")
    shown = " ".join(f"{name}={_short(value)}" for name, value in fields.items() if name not in hidden)
    return f"{entry.position:>6}  {when}  {place:<10}  {kind(entry.event):<{KIND_CHARACTERS}} {shown}"


def _short(value: object) -> str:
    text = printable(str(value))
    return text if len(text) <= FIELD_CHARACTERS else text[: FIELD_CHARACTERS - 1] + "…"


def printable(text: str) -> str:
    """`text` with control characters escaped: others wrote it, and it must not move the cursor or forge lines."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def function_log_line(line: FunctionLog) -> str:
    """A line that a function logged."""
    return f"{line.log.level.name.lower():<{LABEL_CHARACTERS}}{line.function}: {printable(line.log.body)}"


def digest(data: bytes) -> str:
    """The first characters of a hash, as a person compares them."""
    return data.hex()[:DIGEST_CHARACTERS]
