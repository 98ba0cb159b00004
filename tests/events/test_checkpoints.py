from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.keypair import Keypair

from events.catalogue import CheckpointSigned
from events.checkpoints import DOMAIN, is_signed, sign, signed_bytes

KEYPAIR = Keypair.from_seed(bytes([3] * 32))
OTHER = Keypair.from_seed(bytes([4] * 32))
HASH = bytes(range(32))
SIGNED = sign(7, HASH, node="node", keypair=KEYPAIR)


def test_the_layout_is_the_documented_one():
    assert signed_bytes(7, HASH) == DOMAIN + bytes([0] * 7 + [7]) + HASH
    assert SIGNED.public_key == str(KEYPAIR.pubkey())
    assert SIGNED.signature == str(KEYPAIR.sign_message(signed_bytes(7, HASH)))


@given(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32))
def test_what_is_signed_is_signed(position: int, entry_hash: bytes):
    assert is_signed(sign(position, entry_hash, node="node", keypair=KEYPAIR))


@pytest.mark.parametrize(
    "change",
    [
        {"position": 8},
        {"position": -1},
        {"position": 2**64},
        {"hash": bytes(32)},
        {"hash": HASH[:-1]},
        {"hash": HASH + b"\0"},
        {"public_key": str(OTHER.pubkey())},
        {"public_key": ""},
        {"public_key": "0OIl"},
        {"signature": ""},
        {"signature": str(OTHER.sign_message(signed_bytes(7, HASH)))},
        {"signature": str(KEYPAIR.sign_message(signed_bytes(7, HASH)[len(DOMAIN) :]))},
    ],
)
def test_what_was_altered_is_not(change: dict[str, Any]):
    assert not is_signed(msgspec.structs.replace(SIGNED, **change))


@given(st.integers(), st.binary(max_size=40), st.text(max_size=90), st.text(max_size=90))
def test_anything_else_is_not(position: int, entry_hash: bytes, public_key: str, signature: str):
    assert not is_signed(
        CheckpointSigned(
            position=position, hash=entry_hash, node="node", public_key=public_key, signature=signature
        )
    )
