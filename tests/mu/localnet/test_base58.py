"""Base58 against solders' own, and foreign text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.errors import DecodeError
from mu.localnet import base58


@given(st.binary(max_size=200))
def test_what_is_written_is_read_back(data: bytes) -> None:
    assert base58.decode(base58.encode(data), max_bytes=200) == data


@given(st.binary(min_size=32, max_size=32))
def test_keys_read_as_solders_writes_them(data: bytes) -> None:
    assert base58.encode(data) == str(Pubkey(data))


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        data = base58.decode(text, max_bytes=40)
    except DecodeError:
        return
    assert base58.encode(data) == text


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "é", " 1", "1\n"])
def test_characters_outside_the_alphabet_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        base58.decode(text, max_bytes=10)


@pytest.mark.parametrize("text", ["1" * 33, "z" * 45, "z" * 100_000])
def test_more_than_the_limit_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        base58.decode(text, max_bytes=32)
