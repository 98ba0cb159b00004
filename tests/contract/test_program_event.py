"""Decoding events: whole, cut short, followed by others, altered, and random."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract import client
from contract.errors import DecodeError
from contract.program_event import decode_event
from tests.contract.idl_values import EVENTS, event_data, struct_sample, struct_values

HEADER_BYTES = 8 + 32 + 8 + 32
NAMES = list(EVENTS)
SAMPLES = {name: event_data(name, struct_sample(fields)) for name, fields in EVENTS.items()}


def is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_plain(one) for name, one in value.items())
    return isinstance(value, int | str | bytes)


@given(st.data(), st.sampled_from(NAMES))
def test_any_event_is_decoded_as_it_was_written(data: st.DataObject, name: str) -> None:
    values = data.draw(struct_values(EVENTS[name]))
    written = event_data(name, values)
    event = decode_event(written)
    assert (event.name, event.hash) == (name, sha256(written).digest())
    header = {"scope": event.scope, "sequence": event.sequence, "previous_hash": event.previous_hash}
    keys = {field: Pubkey.from_string(event.fields[field]) for field, value in values.items()
            if isinstance(value, Pubkey) and field != "scope"}  # fmt: skip
    assert {**event.fields, **keys, **header} == values
    assert not header.keys() & event.fields.keys()
    assert is_plain(event.fields)


@pytest.mark.parametrize("name", NAMES)
def test_where_the_header_lies(name: str) -> None:
    event, data = decode_event(SAMPLES[name]), SAMPLES[name]
    assert bytes(event.scope) == data[8:40]
    assert event.sequence == int.from_bytes(data[40:48], "little")
    assert event.previous_hash == data[48:80]
    with pytest.raises(AttributeError):
        event.sequence = 2


@pytest.mark.parametrize("name", NAMES)
def test_its_fields_can_be_stored(name: str) -> None:
    fields = decode_event(SAMPLES[name]).fields
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fields)) == fields


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation(name: str) -> None:
    for length in range(len(SAMPLES[name])):
        with pytest.raises(DecodeError):
            decode_event(SAMPLES[name][:length])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tail", [b"\0", b"\1", bytes(100)])
def test_other_bytes_after_it(name: str, tail: bytes) -> None:
    with pytest.raises(DecodeError, match=f"{len(tail)} bytes follow"):
        decode_event(SAMPLES[name] + tail)


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_altered_is_decoded_or_refused_with_one_error(name: str) -> None:
    original = decode_event(SAMPLES[name])
    for at in range(len(SAMPLES[name])):
        data = bytearray(SAMPLES[name])
        data[at] ^= 0xFF
        try:
            assert decode_event(bytes(data)) != original
        except DecodeError:
            assert at < 8 or at >= HEADER_BYTES


@given(st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_event(data)


@given(name=st.sampled_from(NAMES), rest=st.binary(max_size=600))
def test_random_bytes_after_a_discriminator(name: str, rest: bytes) -> None:
    data = SAMPLES[name][:8] + rest
    try:
        event = decode_event(data)
    except DecodeError:
        return
    assert isinstance(event, client.ProgramEvent)
    assert event.hash == sha256(data).digest()
