"""What nodes have in their logs is read for ever: the bytes of each kind at each of its versions."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.catalogue import StackDeployed, kind
from events.codec import decode, encode
from events.upcast import NO_ADDRESS, UPCASTERS, tag_of, upcast, version_of
from tests.events.make_fixtures import FIXTURES, KINDS, path, present_version, recorded

VERSIONS = [(name, number) for name, kind in KINDS.items() for number in range(1, present_version(kind) + 1)]
OLD = [(name, number) for name, number in VERSIONS if number < present_version(KINDS[name])]


def test_every_kind_has_a_fixture_for_every_version_and_there_are_no_others() -> None:
    expected = {path(name, number).name for name, number in VERSIONS}
    assert {file.name for file in FIXTURES.iterdir()} == expected


def test_every_old_version_leads_to_the_next() -> None:
    assert sorted(UPCASTERS) == sorted(OLD)


@pytest.mark.parametrize("name", KINDS)
def test_the_present_encoding_is_that_of_the_fixture(name: str) -> None:
    """If this fails, what nodes write has changed: give the kind its next version and an upcaster."""
    stored = path(name, present_version(KINDS[name])).read_bytes()
    assert encode(recorded(KINDS[name])) == stored
    assert decode(stored) == recorded(KINDS[name])


@pytest.mark.parametrize(("name", "number"), OLD)
def test_an_old_version_is_read_as_the_present_one(name: str, number: int) -> None:
    stored = path(name, number).read_bytes()
    before: dict[str, Any] = msgspec.msgpack.decode(stored)["event"]
    assert before.pop("type") == tag_of(name, number)
    found = decode(stored)
    assert kind(found.event) == name
    assert isinstance(found.event, KINDS[name])
    present = msgspec.to_builtins(found.event, builtin_types=(bytes,))
    assert {field: present[field] for field in before} == before
    assert decode(encode(found)) == found
    assert encode(found) != stored
    for truncated in range(len(stored)):
        with pytest.raises(DecodeError):
            decode(stored[:truncated])


def test_a_stack_of_the_first_program_has_no_escrow() -> None:
    event = decode(path("StackDeployed", 1).read_bytes()).event
    assert isinstance(event, StackDeployed)
    assert (event.escrow, event.minimum) == (NO_ADDRESS, 0)
    assert (event.stack, event.owner) == ("stack", "owner")


def test_an_old_version_that_lacks_a_field_is_a_decode_error() -> None:
    plain = msgspec.msgpack.decode(path("StackDeployed", 1).read_bytes())
    del plain["event"]["manifest"]
    with pytest.raises(DecodeError, match=r"old version.*manifest"):
        decode(msgspec.msgpack.encode(plain))


def test_versions_follow_each_other() -> None:
    steps = {
        ("Thing", 1): lambda plain: {**plain, "colour": "green"},
        ("Thing", 2): lambda plain: {**plain, "colour": plain["colour"].upper()},
    }
    assert upcast({"type": "Thing"}, steps) == {"type": "Thing.3", "colour": "GREEN"}
    assert upcast({"type": "Thing.2", "colour": "red"}, steps) == {"type": "Thing.3", "colour": "RED"}
    assert upcast({"type": "Thing.3"}, steps) is None


@pytest.mark.parametrize("number", [1, 2, 10, 9999])
def test_a_tag_names_kind_and_version(number: int) -> None:
    assert version_of(tag_of("Thing", number)) == ("Thing", number)


@pytest.mark.parametrize(
    "tag", ["Thing.", "Thing.0", "Thing.1", "Thing.02", "Thing.x", "Thing.2.3", "Thing.\u0662"]
)
def test_a_tag_that_no_version_has(tag: str) -> None:
    assert version_of(tag) is None
    assert upcast({"type": tag}) is None


json = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(json, st.sampled_from(["StackDeployed", "Initialized", "Thing"]))
def test_anything_else_is_no_old_version_or_has_a_present_tag(value: object, name: str) -> None:
    for plain in (value, {"type": value}, {**value, "type": name} if isinstance(value, dict) else {}):
        found = upcast(plain)
        assert found is None or found["type"].endswith(".2")
