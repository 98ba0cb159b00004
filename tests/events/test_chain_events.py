"""The catalogue has the program's events, all of them, field by field."""

from typing import Any, get_args, get_type_hints

import pytest

from contract.terms import Terms, Usage
from events import catalogue
from events.catalogue import ChainEvent, Event, FinalityEvent, MarketplaceEvent, NodeEvent
from tests.contract.idl_values import EVENTS, snake

KINDS = {kind.__name__: kind for kind in get_args(MarketplaceEvent)}


def python_type(kind: Any) -> type:
    match kind:
        case "publicKey" | "string":
            return str
        case "bytes" | {"array": ["u8", _]}:
            return bytes
        case {"defined": name}:
            return {"Terms": Terms, "Usage": Usage}[name]
    assert kind in ("u32", "u64", "i64")
    return int


def test_there_is_a_struct_for_each_event() -> None:
    assert sorted(KINDS) == sorted(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_has_the_programs_fields(name: str) -> None:
    fields = {snake(field["name"]): python_type(field["type"]) for field in EVENTS[name]}
    kind = KINDS[name]
    assert get_type_hints(kind) == {**fields, "event_hash": bytes}
    assert issubclass(kind, ChainEvent)
    assert kind.__doc__


def test_the_catalogue_gives_every_kind_a_name_of_its_own() -> None:
    kinds = get_args(Event)
    assert len({kind.__name__ for kind in kinds}) == len(kinds)
    assert set(kinds) == {*get_args(MarketplaceEvent), *get_args(NodeEvent), *get_args(FinalityEvent)}
    assert all(getattr(catalogue, kind.__name__) is kind for kind in kinds)
    assert {kind.__name__ for kind in kinds} <= set(catalogue.__all__)
