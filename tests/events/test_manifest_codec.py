from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError, InvalidInput
from events.manifest import Function, Manifest, RuntimeName, binary_id
from events.manifest_codec import decode, encode
from tests.manifests import manifests

SMALL = Manifest("App", "1", (Function("f", binary_id(b""), RuntimeName.WASI_1_0, 1),))


def test_layout():
    assert encode(SMALL) == (
        b"\x01\x03\0\0\0App\x01\0\0\x001\x01\0\0\0"
        b"\x00\x01\0\0\0f" + bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae") + b"\x00\x01\0\0\0\0\0\0\0"
    )


@given(manifests())
def test_round_trip(manifest: Manifest):
    assert decode(encode(manifest)) == manifest


@given(manifests(), st.data())
def test_truncated_followed_and_altered(manifest: Manifest, data: st.DataObject):
    whole = encode(manifest)
    with pytest.raises(DecodeError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DecodeError):
        decode(whole + data.draw(st.binary(min_size=1, max_size=3)))
    position = data.draw(st.integers(0, len(whole) - 1))
    altered = whole[:position] + data.draw(st.binary(min_size=1, max_size=1)) + whole[position + 1 :]
    with suppress(DecodeError):
        assert encode(decode(altered)) == altered


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes):
    for candidate in (data, b"\x01" + data, encode(SMALL)[:17] + data):
        with suppress(DecodeError):
            assert encode(decode(candidate)) == candidate


def test_a_hostile_count_is_refused_at_once():
    with pytest.raises(DecodeError):
        decode(b"\x01\x03\0\0\0App\x01\0\0\x001\xff\xff\xff\xff")
    with pytest.raises(DecodeError):
        decode(b"\x01\xff\xff\xff\xffApp")


def test_only_what_passes_the_check_is_encoded():
    with pytest.raises(InvalidInput, match="services"):
        encode(Manifest("App", "1", ()))
