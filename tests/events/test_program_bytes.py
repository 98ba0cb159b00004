import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.addresses import PROGRAM_ID
from contract.client import decode_event
from contract.errors import DecodeError
from events.catalogue import ChainEvent, ChainSource, Finality
from events.chain.decode import catalogue_event, chain_events, event_data
from events.program_bytes import event_bytes, event_hash
from tests.contract import idl_values
from tests.entries import marketplace_events, region_created
from tests.events.chain.histories import random_history

PROGRAM = str(PROGRAM_ID)


@pytest.mark.parametrize("name", idl_values.EVENTS)
@given(data=st.data())
def test_every_event_goes_back_to_the_bytes_that_the_program_logged(name: str, data: st.DataObject):
    values = data.draw(idl_values.struct_values(idl_values.EVENTS[name]))
    logged = idl_values.event_data(name, values)
    event = catalogue_event(decode_event(logged))
    assert event_bytes(event) == logged
    assert event_hash(event) == event.event_hash


def test_a_history_that_the_program_itself_made():
    checked = 0
    for executed in random_history(random.Random(5), 8):
        logged = event_data(executed.logs, PROGRAM)
        events = chain_events(
            executed.logs, program=PROGRAM, slot=1, signature="s", finality=Finality.CONFIRMED
        )
        for data, (source, event) in zip(logged, events, strict=True):
            assert isinstance(source, ChainSource)
            assert isinstance(event, ChainEvent)
            assert event_bytes(event) == data
            checked += 1
    assert checked > 10


@given(marketplace_events)
def test_values_that_the_program_does_not_have_are_a_decode_error(event: ChainEvent):
    # their addresses are any text
    with pytest.raises(DecodeError):
        event_bytes(event)


@pytest.mark.parametrize(
    "change",
    [{"sequence": -1}, {"sequence": 2**64}, {"previous_hash": b"short"}, {"provider": ""}, {"number": 2**32}],
)
def test_what_is_out_of_range(change: dict[str, Any]):
    with pytest.raises(DecodeError, match="RegionCreated"):
        event_bytes(msgspec.structs.replace(region_created(), **change))
