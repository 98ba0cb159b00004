"""Where the Marketplace and its accounts live: the program's id and the program-derived addresses."""

from hashlib import sha256
from typing import Final

from solders.pubkey import Pubkey

from contract.errors import InvalidInput

PROGRAM_ID: Final = Pubkey(sha256(b"mu marketplace").digest())

MAX_REGION_NUMBER: Final = 2**32 - 1
MAX_STACK_SEED: Final = 2**64 - 1


def state_address() -> tuple[Pubkey, int]:
    """The address of the one State account, and its bump. Seeds: "state"."""
    return Pubkey.find_program_address([b"state"], PROGRAM_ID)


def provider_address(owner: Pubkey) -> tuple[Pubkey, int]:
    """The address of `owner`'s Provider account, and its bump. Seeds: "provider", owner."""
    return Pubkey.find_program_address([b"provider", bytes(owner)], PROGRAM_ID)


def region_address(provider: Pubkey, number: int) -> tuple[Pubkey, int]:
    """The address of a Region account, and its bump. Seeds: "region", provider, number (u32 LE).

    Raises `InvalidInput` for a number that is not a u32.
    """
    if not 0 <= number <= MAX_REGION_NUMBER:
        raise InvalidInput("number", f"a region's number is from 0 to {MAX_REGION_NUMBER}, not {number}")
    seeds = [b"region", bytes(provider), number.to_bytes(4, "little")]
    return Pubkey.find_program_address(seeds, PROGRAM_ID)


def stack_address(region: Pubkey, owner: Pubkey, seed: int) -> tuple[Pubkey, int]:
    """The address of a Stack account, and its bump. Seeds: "stack", region, owner, seed (u64 LE).

    Raises `InvalidInput` for a seed that is not a u64.
    """
    if not 0 <= seed <= MAX_STACK_SEED:
        raise InvalidInput("seed", f"a stack's seed is from 0 to {MAX_STACK_SEED}, not {seed}")
    seeds = [b"stack", bytes(region), bytes(owner), seed.to_bytes(8, "little")]
    return Pubkey.find_program_address(seeds, PROGRAM_ID)
