"""The program's id and the addresses of its accounts."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.addresses import PROGRAM_ID, provider_address, region_address, stack_address, state_address
from contract.errors import InvalidInput

OWNER, OTHER = Pubkey(bytes([1]) * 32), Pubkey(bytes([2]) * 32)


def test_the_program_id() -> None:
    assert bytes(PROGRAM_ID) == sha256(b"mu marketplace").digest()


def test_addresses_come_from_their_seeds() -> None:
    for (address, bump), seeds in (
        (state_address(), [b"state"]),
        (provider_address(OWNER), [b"provider", bytes(OWNER)]),
        (region_address(OWNER, 0x01020304), [b"region", bytes(OWNER), b"\4\3\2\1"]),
        (stack_address(OWNER, OTHER, 1), [b"stack", bytes(OWNER), bytes(OTHER), b"\1" + bytes(7)]),
    ):
        assert Pubkey.create_program_address([*seeds, bytes([bump])], PROGRAM_ID) == address
        assert not address.is_on_curve()


@given(first=st.integers(0, 2**32 - 1), second=st.integers(0, 2**32 - 1))
def test_regions_have_addresses_of_their_own(first: int, second: int) -> None:
    same = region_address(OWNER, first) == region_address(OWNER, second)
    assert same == (first == second)
    assert region_address(OWNER, first) != region_address(OTHER, first)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_number_that_is_not_a_u32(number: int) -> None:
    with pytest.raises(InvalidInput, match=r"^number: .*4294967295"):
        region_address(OWNER, number)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_is_not_a_u64(seed: int) -> None:
    with pytest.raises(InvalidInput, match=r"^seed: .*18446744073709551615"):
        stack_address(OWNER, OTHER, seed)
