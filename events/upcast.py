"""Old versions of events, read as the present ones.

A kind's tag in the log names its version too: `StackDeployed` is the first, `StackDeployed.2` the second. A kind whose
fields change gets the next version as its tag, and here a function from the version before to it, on plain data (the
MessagePack map of the event). They are applied one after the other; nothing in the log is rewritten.
"""

from collections.abc import Callable, Mapping
from typing import Any

Plain = dict[str, Any]
Upcaster = Callable[[Plain], Plain]

FIRST_VERSION = 1
TAG_FIELD = "type"

NO_ADDRESS = "11111111111111111111111111111111"
"""32 zero bytes in base58: stands where the first program named no account."""

_FREE: Plain = {
    "minimum_escrow": 0,
    "max_instructions_per_call": 2**64 - 1,
    "notice_seconds": 0,
    "prices": {},
}
"""The terms of the first program's regions, which charged nothing."""


def tag_of(kind: str, version: int) -> str:
    """How the log names a version of a kind."""
    return kind if version == FIRST_VERSION else f"{kind}.{version}"


def version_of(tag: str) -> tuple[str, int] | None:
    """The kind and version that a tag names; None for one that no version has."""
    kind, dot, number = tag.partition(".")
    if not dot:
        return kind, FIRST_VERSION
    if not (number.isascii() and number.isdigit()) or number[0] == "0" or number == "1" or len(number) > 4:
        return None
    return kind, int(number)


def _add(**fields: Any) -> Upcaster:
    """The version in which a kind got these fields, with what they were before there were any."""
    return lambda plain: {**plain, **fields}


UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    ("Initialized", 1): _add(
        mint=NO_ADDRESS, commission_tokens=NO_ADDRESS, deposit=0, commission_millionths=0, notice_seconds=0
    ),
    ("ProviderCreated", 1): _add(vault=NO_ADDRESS, deposit=0),
    ("RegionCreated", 1): _add(terms=_FREE),
    ("StackDeployed", 1): _add(escrow=NO_ADDRESS, minimum=0),
    ("StackUpdated", 1): _add(escrow=NO_ADDRESS, minimum=0),
    ("StackDeleted", 1): _add(escrow=NO_ADDRESS, withdrawal_from=0, deleted_at=0),
}
"""By kind and version: the function to the version after it. The first versions are from before there was money."""


def upcast(event: object, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS) -> Plain | None:
    """The plain data of an event in its kind's present version; None if it is no older version of anything."""
    if not isinstance(event, dict):
        return None
    plain: Plain = event  # pyright: ignore[reportUnknownVariableType] - data of unknown origin, from here on checked
    tag = plain.get(TAG_FIELD)
    named = version_of(tag) if isinstance(tag, str) else None
    if named is None or named not in upcasters:
        return None
    kind, version = named
    while (step := upcasters.get((kind, version))) is not None:
        plain = step(plain)
        version += 1
    return {**plain, TAG_FIELD: tag_of(kind, version)}
