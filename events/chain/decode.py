"""Finds the program's events in the log lines of a transaction. Pure."""

import base64
import re
from collections.abc import Sequence
from typing import get_args

import msgspec

from contract.client import ProgramEvent, decode_event
from contract.errors import DecodeError
from events.catalogue import ChainSource, Event, Finality, MarketplaceEvent

_INVOKE = re.compile(r"Program (\w+) invoke \[\d+\]")
_RETURN = re.compile(r"Program (\w+) (?:success|failed.*)", re.DOTALL)
_DATA = "Program data: "
_TRUNCATED = "Log truncated"

_KINDS: dict[str, type[MarketplaceEvent]] = {kind.__name__: kind for kind in get_args(MarketplaceEvent)}


class LogsTruncated(DecodeError):
    """The validator cut the transaction's log lines short: events may be missing from them.

    `payloads` are those before the cut.
    """

    def __init__(self, payloads: list[bytes]) -> None:
        super().__init__("the transaction's log lines were cut short")
        self.payloads = payloads


def event_data(logs: Sequence[str], program: str) -> list[bytes]:
    """The payloads of the `Program data:` lines that `program` itself wrote, in order.

    Follows the stack of invocations, so that lines of another program in the same transaction are not taken for ours.
    Raises `LogsTruncated`, or `DecodeError` for lines that do not nest.
    """
    stack: list[str] = []
    found: list[bytes] = []
    for line in logs:
        if line == _TRUNCATED:
            raise LogsTruncated(found)
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
    return sourced_events(event_data(logs, program), slot=slot, signature=signature, finality=finality)


def sourced_events(
    payloads: Sequence[bytes], *, slot: int, signature: str, finality: Finality
) -> list[tuple[ChainSource, Event]]:
    """The events of a transaction in their payloads, each with its source. Raises `DecodeError`."""
    return [
        (ChainSource(slot, signature, index, finality), catalogue_event(decode_event(data)))
        for index, data in enumerate(payloads)
    ]


def catalogue_event(event: ProgramEvent) -> MarketplaceEvent:
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
        return msgspec.convert(fields, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise DecodeError(f"the program's event {event.name}: {error}") from None
