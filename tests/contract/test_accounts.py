"""Decoding accounts: whole, cut short, followed by others, altered, and random."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.accounts import decode_account
from contract.addresses import provider_address, state_address
from contract.errors import DecodeError

KINDS = ["State", "Provider", "Region", "Stack"]
STATUS_AT, VERSION_AT, NAME_LENGTH_AT = 86, 8, 82


@pytest.fixture(scope="module")
def samples(new_world) -> dict[str, bytes]:
    """The data of one account of each kind, as the program has written it."""
    world = new_world()
    addresses = (
        state_address()[0],
        provider_address(world.alice.pubkey())[0],
        world.region,
        world.stack,
    )
    return {kind: world.cluster.data(address) for kind, address in zip(KINDS, addresses, strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_whole(samples, kind: str) -> None:
    account = decode_account(samples[kind])
    assert type(account).__name__ == kind
    with pytest.raises(AttributeError):
        account.bump = 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation(samples, kind: str) -> None:
    for length in range(len(samples[kind])):
        with pytest.raises(DecodeError):
            decode_account(samples[kind][:length])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", [b"\0", b"\1", bytes(64)])
def test_other_bytes_after_it(samples, kind: str, tail: bytes) -> None:
    with pytest.raises(DecodeError, match="bytes, not"):
        decode_account(samples[kind] + tail)


@pytest.mark.parametrize("kind", KINDS)
def test_spare_room_that_is_not_zeros(samples, kind: str) -> None:
    for at in range(1, 65):
        data = bytearray(samples[kind])
        data[-at] = 1
        with pytest.raises(DecodeError, match="spare room"):
            decode_account(bytes(data))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version(samples, kind: str, version: int) -> None:
    data = bytearray(samples[kind])
    data[VERSION_AT] = version
    with pytest.raises(DecodeError, match=f"version {version}"):
        decode_account(bytes(data))


@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_altered_is_decoded_or_refused_with_one_error(samples, kind: str) -> None:
    original, refused = decode_account(samples[kind]), 0
    for at in range(len(samples[kind])):
        for flip in (0x01, 0x80, 0xFF):
            data = bytearray(samples[kind])
            data[at] ^= flip
            try:
                assert decode_account(bytes(data)) != original
            except DecodeError:
                refused += 1
    assert refused >= 3 * (8 + 1 + 64)


def test_an_unknown_status(samples) -> None:
    data = bytearray(samples["Stack"])
    for status in (2, 255):
        data[STATUS_AT] = status
        with pytest.raises(DecodeError):
            decode_account(bytes(data))


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 101])
def test_a_length_beyond_the_end(samples, length: int) -> None:
    data = bytearray(samples["Provider"])
    data[NAME_LENGTH_AT : NAME_LENGTH_AT + 4] = length.to_bytes(4, "little")
    with pytest.raises(DecodeError):
        decode_account(bytes(data))


def test_text_that_is_not_utf8(samples) -> None:
    data = bytearray(samples["Provider"])
    data[NAME_LENGTH_AT + 4] = 0xFF
    with pytest.raises(DecodeError):
        decode_account(bytes(data))


@given(st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_account(data)


@given(kind=st.sampled_from(KINDS), rest=st.binary(max_size=400))
def test_random_bytes_after_a_discriminator(samples, kind: str, rest: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_account(samples[kind][:8] + rest)
