"""How the command line shows things: calm aligned lines, or JSON."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from msgspec import UNSET

from events.catalogue import ChainEvent, ChainSource, kind
from events.log import Entry
from mu.function_log import FunctionLog
from projections.differences import Difference

LABEL_CHARACTERS = 12
KIND_CHARACTERS = 24
FIELD_CHARACTERS = 60
DIGEST_CHARACTERS = 16

_HIDDEN = ("type", "scope", "sequence", "previous_hash", "event_hash")
"""What a chain event carries for proof, not for a person."""

F = TypeVar("F", bound=Callable[..., Any])


def folder_option(command: F) -> F:
    """The option that names the folder of a region, which may be running."""
    return _folder_option(command, "the region may be running.")


def stopped_folder_option(command: F) -> F:
    """The option that names a folder in which no node may be running."""
    return _folder_option(command, "its region must be stopped.")


def _folder_option(command: F, state: str) -> F:
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("."),
        show_default="this folder",
        help=f"The project folder of `mu run`, or the data folder in it; {state}",
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


def entry_document(entry: Entry) -> dict[str, Any]:
    """An entry in JSON's types."""
    return {"kind": kind(entry.event)} | to_plain(entry)


def entry_json(entry: Entry) -> str:
    """An entry as one line of JSON."""
    return json.dumps(entry_document(entry), separators=(",", ":"))


def entry_line(entry: Entry) -> str:
    """An entry as a line for a person."""
    when = datetime.fromtimestamp(entry.recorded_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    place = f"slot {entry.source.slot}" if isinstance(entry.source, ChainSource) else "node"
    fields = to_plain(entry.event)
    hidden = _HIDDEN if isinstance(entry.event, ChainEvent) else ("type", "scope")
    shown = " ".join(f"{name}={short(value)}" for name, value in fields.items() if name not in hidden)
    return f"{entry.position:>6}  {when}  {place:<10}  {kind(entry.event):<{KIND_CHARACTERS}} {shown}"


def entry_lines(entry: Entry) -> Iterator[str]:
    """All of an entry, a line for each field."""
    when = datetime.fromtimestamp(entry.recorded_at / 1000, UTC)
    yield from _fields(
        {
            "position": entry.position,
            "kind": kind(entry.event),
            "stream": entry.stream,
            "version": entry.version,
            "recorded at": f"{when:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC",
            "hash": entry.hash.hex(),
            "after": entry.previous_hash.hex(),
        }
    )
    yield from _fields(to_plain(entry.source), title="source")
    yield from _fields(to_plain(entry.event), title="event")


def _fields(fields: dict[str, Any], title: str | None = None) -> Iterator[str]:
    indent = "  " if title else ""
    if title:
        yield title
    shown = {name: value for name, value in fields.items() if name != "type"}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{indent}{name:<{width}}  {printable(text)}"


def difference_text(difference: Difference) -> str:
    """A difference as a line: the field, and what it was and is; `+` is a field that came, `-` one that went."""
    path = printable(".".join(difference.path)) or "state"
    if difference.before is UNSET:
        return f"+ {path}  {short(difference.after)}"
    if difference.after is UNSET:
        return f"- {path}  {short(difference.before)}"
    return f"  {path}  {short(difference.before)} -> {short(difference.after)}"


def short(value: object) -> str:
    """`value` in so few characters that it can stand in a line."""
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = printable(plain)
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
