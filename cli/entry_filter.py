"""Which entries of a log a person asks for: by stream, kind, stack, slot, signature, text; and the options for it."""

import functools
import re
from collections.abc import Callable
from typing import Any, get_args

import click
import msgspec
from solders.signature import Signature

from cli.lookups import parse_address, shown
from cli.output import entry_json
from contract.errors import InvalidInput
from events.catalogue import ChainSource, Event, kind
from events.log import Entry

KINDS = sorted(kind.__name__ for kind in get_args(Event))
MAX_PATTERN_CHARACTERS = 1000

_SLOTS = re.compile(r"([0-9]{1,19})?\.\.([0-9]{1,19})?|([0-9]{1,19})")


class EntryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is given must all hold; what is not given holds for every entry. Of `kinds` one must."""

    stream: str | None = None
    kinds: tuple[str, ...] = ()
    stack: str | None = None
    first_slot: int | None = None
    last_slot: int | None = None
    signature: str | None = None
    pattern: re.Pattern[str] | None = None
    """Found in the entry's JSON."""

    def matches(self, entry: Entry) -> bool:
        """Whether the entry is asked for."""
        return (
            (self.stream is None or entry.stream == self.stream)
            and (not self.kinds or kind(entry.event) in self.kinds)
            and (self.stack is None or getattr(entry.event, "stack", None) == self.stack)
            and self._matches_chain(entry)
            and (self.pattern is None or self.pattern.search(entry_json(entry)) is not None)
        )

    def _matches_chain(self, entry: Entry) -> bool:
        if self.first_slot is None and self.last_slot is None and self.signature is None:
            return True
        source = entry.source
        return (
            isinstance(source, ChainSource)
            and (self.first_slot is None or source.slot >= self.first_slot)
            and (self.last_slot is None or source.slot <= self.last_slot)
            and (self.signature is None or source.signature == self.signature)
        )


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a filter; the command gets them together, as `wanted: EntryFilter`."""

    @functools.wraps(command)
    def wrapped(
        *arguments: Any,
        stream: str | None,
        kinds: tuple[str, ...],
        stack: str | None,
        slots: str | None,
        signature: str | None,
        **others: Any,
    ) -> Any:
        first, last = parse_slots(slots) if slots is not None else (None, None)
        wanted = EntryFilter(
            stream=stream,
            kinds=kinds,
            stack=None if stack is None else str(parse_address(stack, "--stack")),
            first_slot=first,
            last_slot=last,
            signature=None if signature is None else parse_signature(signature),
        )
        return command(*arguments, wanted=wanted, **others)

    for option in (
        click.option("--signature", metavar="SIGNATURE", help="Of this transaction."),
        click.option(
            "--slot", "slots", metavar="A..B", help="Of these slots of the chain; either may be left out."
        ),
        click.option("--stack", metavar="ADDRESS", help="About this stack."),
        click.option(
            "--kind",
            "kinds",
            metavar="KIND",
            type=click.Choice(KINDS),
            multiple=True,
            help="Of this kind; or several.",
        ),
        click.option("--stream", metavar="STREAM", help="In this stream."),
    ):
        wrapped = option(wrapped)
    return wrapped


def parse_slots(text: str) -> tuple[int | None, int | None]:
    """The first and last slot of `A..B`, `A..`, `..B`, or `A`. Raises `InvalidInput`."""
    found = _SLOTS.fullmatch(text)
    if found is None or text == "..":
        raise InvalidInput("--slot", f"{text} is no range of slots, such as 120..345")
    if found[3] is not None:
        return int(found[3]), int(found[3])
    first, last = (int(part) if part is not None else None for part in (found[1], found[2]))
    if first is not None and last is not None and first > last:
        raise InvalidInput("--slot", f"{text} ends before it begins")
    return first, last


def parse_signature(text: str) -> str:
    """A transaction's signature in base58. Raises `InvalidInput`."""
    try:
        return str(Signature.from_string(text))
    except ValueError:
        problem = f"{shown(text)} is not a signature of 64 to 88 base58 characters"
        raise InvalidInput("--signature", problem) from None


def parse_pattern(text: str) -> re.Pattern[str]:
    """The regular expression that a person wrote. Raises `InvalidInput`."""
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise InvalidInput("PATTERN", f"has more than {MAX_PATTERN_CHARACTERS} characters")
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput("PATTERN", f"is no regular expression ({error})") from None
