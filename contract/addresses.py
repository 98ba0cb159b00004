"""Where the Marketplace and its accounts live: the program's id and the program-derived addresses.

Each of these functions but `associated_token_address` returns an address and its canonical bump.
"""

from hashlib import sha256
from typing import Final

from solders.pubkey import Pubkey
from solders.token import ID as TOKEN_PROGRAM_ID
from solders.token.associated import get_associated_token_address

from contract.errors import InvalidInput

__all__ = [
    "ASSOCIATED_TOKEN_PROGRAM_ID",
    "PROGRAM_ID",
    "TOKEN_PROGRAM_ID",
    "associated_token_address",
    "authorizer_address",
    "escrow_address",
    "provider_address",
    "region_address",
    "request_signer_address",
    "stack_address",
    "state_address",
    "usage_report_address",
    "usage_signer_address",
    "vault_address",
]

PROGRAM_ID: Final = Pubkey(sha256(b"mu marketplace").digest())
ASSOCIATED_TOKEN_PROGRAM_ID: Final = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")

MAX_REGION_NUMBER: Final = 2**32 - 1
MAX_STACK_SEED: Final = 2**64 - 1
MAX_POSITION: Final = 2**64 - 2
"""The last position of a region's log that a usage report can cover: another has to be able to follow it."""


def state_address() -> tuple[Pubkey, int]:
    """The one State. Seeds: "state"."""
    return _find(b"state")


def authorizer_address(authority: Pubkey) -> tuple[Pubkey, int]:
    """The Authorizer of a key. Seeds: "authorizer", authority."""
    return _find(b"authorizer", bytes(authority))


def provider_address(owner: Pubkey) -> tuple[Pubkey, int]:
    """`owner`'s Provider. Seeds: "provider", owner."""
    return _find(b"provider", bytes(owner))


def region_address(provider: Pubkey, number: int) -> tuple[Pubkey, int]:
    """A Region. Seeds: "region", provider, number (u32 LE).

    Raises `InvalidInput` for a number that is not a u32.
    """
    if not 0 <= number <= MAX_REGION_NUMBER:
        raise InvalidInput("number", f"a region's number is from 0 to {MAX_REGION_NUMBER}, not {number}")
    return _find(b"region", bytes(provider), number.to_bytes(4, "little"))


def escrow_address(provider: Pubkey, client: Pubkey) -> tuple[Pubkey, int]:
    """`client`'s Escrow with a provider. Seeds: "escrow", provider, client."""
    return _find(b"escrow", bytes(provider), bytes(client))


def stack_address(region: Pubkey, owner: Pubkey, seed: int) -> tuple[Pubkey, int]:
    """A Stack. Seeds: "stack", region, owner, seed (u64 LE).

    Raises `InvalidInput` for a seed that is not a u64.
    """
    if not 0 <= seed <= MAX_STACK_SEED:
        raise InvalidInput("seed", f"a stack's seed is from 0 to {MAX_STACK_SEED}, not {seed}")
    return _find(b"stack", bytes(region), bytes(owner), seed.to_bytes(8, "little"))


def usage_signer_address(region: Pubkey) -> tuple[Pubkey, int]:
    """The UsageSigner of a region. Seeds: "usage_signer", region."""
    return _find(b"usage_signer", bytes(region))


def request_signer_address(region: Pubkey, client: Pubkey, signer: Pubkey) -> tuple[Pubkey, int]:
    """A RequestSigner. Seeds: "request_signer", region, client, signer."""
    return _find(b"request_signer", bytes(region), bytes(client), bytes(signer))


def usage_report_address(stack: Pubkey, first_position: int, last_position: int) -> tuple[Pubkey, int]:
    """A UsageReport. Seeds: "usage_report", stack, first position, last position (u64 LE each).

    Raises `InvalidInput` unless 1 <= first <= last <= `MAX_POSITION`.
    """
    if not 1 <= first_position <= MAX_POSITION:
        raise InvalidInput("first_position", f"it must be 1 to {MAX_POSITION}, not {first_position}")
    if not first_position <= last_position <= MAX_POSITION:
        raise InvalidInput(
            "last_position",
            f"it must be {first_position} (the first position) to {MAX_POSITION}, not {last_position}",
        )
    positions = first_position.to_bytes(8, "little"), last_position.to_bytes(8, "little")
    return _find(b"usage_report", bytes(stack), *positions)


def vault_address(owner_account: Pubkey) -> tuple[Pubkey, int]:
    """The token account of a Provider or an Escrow, which is its authority. Seeds: "vault", that account."""
    return _find(b"vault", bytes(owner_account))


def associated_token_address(owner: Pubkey, mint: Pubkey) -> Pubkey:
    """The token account of `owner` that wallets use for a mint (of the Associated Token Account program)."""
    return get_associated_token_address(owner, mint)


def _find(*seeds: bytes) -> tuple[Pubkey, int]:
    return Pubkey.find_program_address(seeds, PROGRAM_ID)
