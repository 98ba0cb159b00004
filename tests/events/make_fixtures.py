"""Writes the stored bytes of every kind at its present version into `fixtures/`, where there are none yet.

`python -m tests.events.make_fixtures`, once for each new kind and each new version. A file that is there is what nodes
have in their logs: it is never written again. (The first versions of the kinds in `events.upcast` were written by the
code of their time.)
"""

from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from events.catalogue import ChainEvent, ChainSource, Event, Finality, NodeSource
from events.codec import Recorded, encode
from events.upcast import version_of

FIXTURES = Path(__file__).parent / "fixtures"
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


def present_version(kind: type[Any]) -> int:
    """The version that the catalogue has of a kind."""
    named = version_of(kind.__struct_config__.tag)
    assert named is not None
    assert named[0] == kind.__name__
    return named[1]


def path(kind: str, version: int) -> Path:
    """Where the bytes of a kind's version are."""
    return FIXTURES / f"{kind}.{version}.msgpack"


def example(kind: type[Any]) -> Any:
    """A value of each field that follows from its name."""
    return kind(**{name: _value(name, hint) for name, hint in get_type_hints(kind).items()})


def _value(name: str, hint: Any) -> Any:
    digest = sha256(name.encode()).digest()
    if hint is int:
        return digest[0]
    if hint is str:
        return name
    if hint is bytes:
        return digest
    if get_origin(hint) is tuple:
        return tuple(_value(f"{name} {number}", get_args(hint)[0]) for number in range(3))
    assert issubclass(hint, msgspec.Struct)
    return example(hint)


def recorded(kind: type[Any]) -> Recorded:
    """The example as a node records it."""
    source = (
        ChainSource(7, "signature", 1, Finality.CONFIRMED)
        if issubclass(kind, ChainEvent)
        else NodeSource("node", 2)
    )
    return Recorded(source, 1_700_000_000_000, example(kind))


def main() -> None:
    for name, kind in KINDS.items():
        file = path(name, present_version(kind))
        if not file.exists():
            file.write_bytes(encode(recorded(kind)))
            print(file.name)


if __name__ == "__main__":
    main()
