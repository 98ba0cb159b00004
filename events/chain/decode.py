"""Finds the program's events in the log lines of a transaction. Pure."""

import base64
import re
from collections.abc import Sequence

import msgspec

from contract.client import ProgramEvent, decode_event
from contract.errors import DecodeError
from events import catalogue
from events.catalogue import ChainEvent, ChainSource, Event, Finality

_INVOKE = re.compile(r"Program (\w+) invoke \[\d+\]")
_RETURN = re.compile(r"Program (\w+) (?:success|failed.*)", re.DOTALL)
_DATA = "Program data: "
_TRUNCATED = "Log truncated"

_KINDS: dict[str, type[ChainEvent]] = {
    kind.__name__: kind
    for kind in (
        catalogue.Initialized,
        catalogue.ProviderCreated,
        catalogue.RegionCreated,
        catalogue.StackDeployed,
        catalogue.StackUpdated,
        catalogue.StackDeleted,
    )
}


class LogsTruncated(DecodeError):
    """The validator cut the transaction's log lines short: events may be missing from them."""


def event_data(logs: Sequence[str], program: str) -> list[bytes]:
    """The payloads of the `Program data:` lines that `program` itself wrote, in order.

    Follows the stack of invocations, so that lines of another program in the same transaction are not taken for ours.
    Raises `LogsTruncated`, or `DecodeError` for lines that do not nest.
    """
    stack: list[str] = []
    found: list[bytes] = []
    for line in logs:
        if line == _TRUNCATED:
            raise LogsTruncated("the transaction's log lines were cut short")
        if invoked := _INVOKE.fullmatch(line):
            stack.append(invoked[1])
        elif line.startswith(_DATA):
            if stack and stack[-1] == program:
                found.append(_payload(line.removeprefix(_DATA)))
        elif (returned := _RETURN.fullmatch(line)) and (not stack or stack.pop() != returned[1]):
            raise DecodeError(f"log lines: {returned[1]} returns without having been invoked")
    if stack:
        raise DecodeError(f"log lines: {stack[-1]} does not return")
    return found


def _payload(text: str) -> bytes:
    try:
        # several slices of one line are written as words
        return b"".join(base64.b64decode(word, validate=True) for word in text.split(" "))
    except ValueError as error:
        raise DecodeError(f"log lines: `Program data:` is not base64 ({error})") from None


def chain_events(
    logs: Sequence[str], *, program: str, slot: int, signature: str, finality: Finality
) -> list[tuple[ChainSource, Event]]:
    """The events of a transaction that succeeded, each with its source. Raises `DecodeError` and `LogsTruncated`."""
    return [
        (ChainSource(slot, signature, index, finality), catalogue_event(decode_event(data)))
        for index, data in enumerate(event_data(logs, program))
    ]


def catalogue_event(event: ProgramEvent) -> Event:
    """The catalogue's form of an event of the program. Raises `DecodeError` for one the catalogue does not have."""
    kind = _KINDS.get(event.name)
    if kind is None:
        raise DecodeError(f"the program's event {event.name} is not in the catalogue")
    fields = {
        **event.fields,
        "scope": str(event.scope),
        "sequence": event.sequence,
        "previous_hash": event.previous_hash,
        "event_hash": event.hash,
    }
    try:
        return msgspec.convert(fields, kind, builtin_types=(bytes,))  # pyright: ignore[reportReturnType]
    except msgspec.ValidationError as error:
        raise DecodeError(f"the program's event {event.name}: {error}") from None
