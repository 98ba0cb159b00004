from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.catalogue import Event
from events.codec import MAX_MILLISECONDS, Recorded, decode, encode
from tests.entries import events, marketplace_events, region_created, source_of


@given(events | marketplace_events, st.integers(0, MAX_MILLISECONDS))
def test_round_trip(event: Event, recorded_at: int):
    recorded = Recorded(source_of(event), recorded_at, event)
    assert decode(encode(recorded)) == recorded


@given(events | marketplace_events, st.data())
def test_truncated_followed_and_altered(event: Event, data: st.DataObject):
    whole = encode(Recorded(source_of(event), 1, event))
    with pytest.raises(DecodeError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DecodeError):
        decode(whole + b"\0")
    position = data.draw(st.integers(0, len(whole) - 1))
    with suppress(DecodeError):
        decode(whole[:position] + data.draw(st.binary(min_size=1, max_size=1)) + whole[position + 1 :])


@given(st.binary(max_size=100))
def test_random_bytes(data: bytes):
    with suppress(DecodeError):
        decode(data)


@pytest.mark.parametrize("recorded_at", [-1, MAX_MILLISECONDS + 1, 10**18])
def test_a_time_that_no_calendar_has(recorded_at: int):
    with pytest.raises(DecodeError, match="recorded_at"):
        decode(encode(Recorded(source_of(region_created()), recorded_at, region_created())))


def test_an_old_event_whose_fields_have_no_names():
    event = {"type": "StackDeployed", "prices": {1: 2}, b"bytes": {(): 1}}
    with pytest.raises(DecodeError):
        decode(msgspec.msgpack.encode({"source": {}, "recorded_at": 1, "event": event}))


def test_fields_of_a_later_writer_are_ignored_and_kinds_are_not():
    recorded = Recorded(source_of(region_created()), 1, region_created())
    plain = msgspec.msgpack.decode(encode(recorded))
    plain["event"]["colour"] = "green"
    assert decode(msgspec.msgpack.encode(plain)) == recorded
    plain["event"]["type"] = "RegionPainted"
    with pytest.raises(DecodeError, match="RegionPainted"):
        decode(msgspec.msgpack.encode(plain))
