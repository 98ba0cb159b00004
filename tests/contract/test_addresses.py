"""The program's id and the addresses of its accounts."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.addresses import (
    ASSOCIATED_TOKEN_PROGRAM_ID,
    PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    associated_token_address,
    authorizer_address,
    escrow_address,
    provider_address,
    region_address,
    request_signer_address,
    stack_address,
    state_address,
    usage_report_address,
    usage_signer_address,
    vault_address,
)
from contract.errors import InvalidInput

ONE, TWO, THREE = (Pubkey(bytes([number]) * 32) for number in (1, 2, 3))
MAX_POSITION = 2**64 - 2


def test_the_program_id() -> None:
    assert bytes(PROGRAM_ID) == sha256(b"mu marketplace").digest()


def test_the_token_programs_ids() -> None:
    assert str(TOKEN_PROGRAM_ID) == "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    assert str(ASSOCIATED_TOKEN_PROGRAM_ID) == "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"


@pytest.mark.parametrize(
    ("derived", "seeds"),
    [
        (state_address(), [b"state"]),
        (authorizer_address(ONE), [b"authorizer", bytes(ONE)]),
        (provider_address(ONE), [b"provider", bytes(ONE)]),
        (region_address(ONE, 0x01020304), [b"region", bytes(ONE), b"\4\3\2\1"]),
        (escrow_address(ONE, TWO), [b"escrow", bytes(ONE), bytes(TWO)]),
        (stack_address(ONE, TWO, 1), [b"stack", bytes(ONE), bytes(TWO), b"\1" + bytes(7)]),
        (usage_signer_address(ONE), [b"usage_signer", bytes(ONE)]),
        (
            request_signer_address(ONE, TWO, THREE),
            [b"request_signer", bytes(ONE), bytes(TWO), bytes(THREE)],
        ),
        (
            usage_report_address(ONE, 1, 256),
            [b"usage_report", bytes(ONE), b"\1" + bytes(7), b"\0\1" + bytes(6)],
        ),
        (vault_address(ONE), [b"vault", bytes(ONE)]),
    ],
    ids=lambda value: value[0].decode() if isinstance(value, list) else "",
)
def test_addresses_come_from_their_seeds(derived: tuple[Pubkey, int], seeds: list[bytes]) -> None:
    address, bump = derived
    assert Pubkey.create_program_address([*seeds, bytes([bump])], PROGRAM_ID) == address
    assert not address.is_on_curve()
    for higher in range(bump + 1, 256):
        with pytest.raises(Exception, match="seeds"):
            Pubkey.create_program_address([*seeds, bytes([higher])], PROGRAM_ID)


def test_the_associated_token_account() -> None:
    seeds = [bytes(ONE), bytes(TOKEN_PROGRAM_ID), bytes(TWO)]
    address, _ = Pubkey.find_program_address(seeds, ASSOCIATED_TOKEN_PROGRAM_ID)
    assert associated_token_address(ONE, TWO) == address


@given(first=st.integers(0, 2**32 - 1), second=st.integers(0, 2**32 - 1))
def test_regions_have_addresses_of_their_own(first: int, second: int) -> None:
    same = region_address(ONE, first) == region_address(ONE, second)
    assert same == (first == second)
    assert region_address(ONE, first) != region_address(TWO, first)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_number_that_is_not_a_u32(number: int) -> None:
    with pytest.raises(InvalidInput, match=r"^number: .*4294967295"):
        region_address(ONE, number)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_is_not_a_u64(seed: int) -> None:
    with pytest.raises(InvalidInput, match=r"^seed: .*18446744073709551615"):
        stack_address(ONE, TWO, seed)


@pytest.mark.parametrize(
    ("field", "first", "last"),
    [
        ("first_position", 0, 1),
        ("first_position", -1, 1),
        ("first_position", MAX_POSITION + 1, MAX_POSITION + 1),
        ("last_position", 5, 4),
        ("last_position", 5, MAX_POSITION + 1),
    ],
)
def test_positions_out_of_limits(field: str, first: int, last: int) -> None:
    with pytest.raises(InvalidInput, match=rf"^{field}: .*18446744073709551614"):
        usage_report_address(ONE, first, last)
