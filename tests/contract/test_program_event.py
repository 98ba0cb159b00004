"""Decoding events: whole, cut short, followed by others, altered, and random."""

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import client
from contract.errors import DecodeError
from contract.program_event import decode_event

HEADER_BYTES = 8 + 32 + 8 + 32
NAMES = ["Initialized", "ProviderCreated", "RegionCreated", "StackDeployed", "StackUpdated", "StackDeleted"]


@pytest.fixture(scope="module")
def samples(new_world) -> dict[str, bytes]:
    """The bytes of one event of each kind, as the program has logged them."""
    world = new_world()
    emitted = world.events + [
        world.cluster.raw_events(instruction, world.signer_of(instruction))[0]
        for instruction in world.instructions().values()
    ]
    return {decode_event(data).name: data for data in emitted}


def test_there_is_a_sample_of_each(samples) -> None:
    assert sorted(samples) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_whole(samples, name: str) -> None:
    event = decode_event(samples[name])
    data = samples[name]
    assert event.name == name
    assert bytes(event.scope) == data[8:40]
    assert event.sequence == int.from_bytes(data[40:48], "little")
    assert event.previous_hash == data[48:80]
    assert event.hash == sha256(data).digest()
    assert not {"scope", "sequence", "previous_hash"} & event.fields.keys()
    assert all(isinstance(value, int | str | bytes) for value in event.fields.values())
    with pytest.raises(AttributeError):
        event.sequence = 2


@pytest.mark.parametrize("name", NAMES)
def test_its_fields_can_be_stored(samples, name: str) -> None:
    fields = decode_event(samples[name]).fields
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fields)) == fields


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation(samples, name: str) -> None:
    for length in range(len(samples[name])):
        with pytest.raises(DecodeError):
            decode_event(samples[name][:length])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tail", [b"\0", b"\1", bytes(100)])
def test_other_bytes_after_it(samples, name: str, tail: bytes) -> None:
    with pytest.raises(DecodeError, match=f"{len(tail)} bytes follow"):
        decode_event(samples[name] + tail)


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_altered_is_decoded_or_refused_with_one_error(samples, name: str) -> None:
    original = decode_event(samples[name])
    for at in range(len(samples[name])):
        data = bytearray(samples[name])
        data[at] ^= 0xFF
        try:
            assert decode_event(bytes(data)) != original
        except DecodeError:
            assert at < 8 or at >= HEADER_BYTES


@given(st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_event(data)


@given(name=st.sampled_from(NAMES), rest=st.binary(max_size=200))
def test_random_bytes_after_a_discriminator(samples, name: str, rest: bytes) -> None:
    data = samples[name][:8] + rest
    try:
        event = decode_event(data)
    except DecodeError:
        return
    assert isinstance(event, client.ProgramEvent)
    assert event.hash == sha256(data).digest()
