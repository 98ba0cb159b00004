"""How two states of a projection differ, field by field. Pure."""

from collections.abc import Iterator
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from projections.projection import Projection


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """A field of which two states have different values; a state without it has `UNSET`. Values are JSON's types."""

    path: tuple[str, ...]
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


def plain_state(projection: Projection[Any]) -> Any:
    """The state of `projection` in JSON's types, sets in order; bytes become base64."""
    return msgspec.to_builtins(projection.state, order="deterministic")


def differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Where two values of JSON's types differ, by path. Lists are compared place by place."""
    differ = Difference(path, before, after) if type(before) is not type(after) or before != after else None
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        for key in {**old, **new}:
            yield from _differences(old.get(key, UNSET), new.get(key, UNSET), (*path, key))
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        olds, news = cast("list[Any]", before), cast("list[Any]", after)
        for place in range(max(len(olds), len(news))):
            old = olds[place] if place < len(olds) else UNSET
            new = news[place] if place < len(news) else UNSET
            yield from _differences(old, new, (*path, str(place)))
    elif differ is not None:
        yield differ


def _differences(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if before is UNSET or after is UNSET:
        yield Difference(path, before, after)
    else:
        yield from differences(before, after, path)
