"""The Marketplace's client: instructions to send, decoders for what comes back; it touches no network."""

from importlib.resources import files

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM_ID

from contract.accounts import (
    MAX_BASE_URL_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_NAME_BYTES,
    Provider,
    Region,
    Stack,
    StackStatus,
    State,
    decode_account,
)
from contract.addresses import provider_address, region_address, stack_address, state_address
from contract.errors import InvalidInput
from contract.interface import build_instruction, error_named
from contract.program_event import ProgramEvent, decode_event

__all__ = [
    "MAX_BASE_URL_BYTES",
    "MAX_MANIFEST_BYTES",
    "MAX_NAME_BYTES",
    "ProgramEvent",
    "Provider",
    "Region",
    "Stack",
    "StackStatus",
    "State",
    "create_provider",
    "create_region",
    "decode_account",
    "decode_event",
    "delete_stack",
    "deploy_stack",
    "error_named",
    "initialize",
    "program_bytes",
    "update_stack",
]


def initialize(admin: Pubkey) -> Instruction:
    """Creates the State. `admin` signs, pays the rent, and is the Marketplace's admin from then on."""
    state, bump = state_address()
    addresses = {"admin": admin, "state": state, "systemProgram": SYSTEM_PROGRAM_ID}
    return build_instruction("initialize", addresses, {"bump": bump})


def create_provider(owner: Pubkey, name: str) -> Instruction:
    """Creates the provider of `owner`, who signs and pays the rent. Raises `InvalidInput`."""
    _require_text("name", name, MAX_NAME_BYTES)
    provider, bump = provider_address(owner)
    addresses = {"owner": owner, "provider": provider, "systemProgram": SYSTEM_PROGRAM_ID}
    return build_instruction("createProvider", addresses, {"bump": bump, "name": name})


def create_region(owner: Pubkey, number: int, name: str, base_url: str) -> Instruction:
    """Creates region `number` (u32) of `owner`'s provider; `owner` signs and pays the rent.

    Raises `InvalidInput`.
    """
    _require_text("name", name, MAX_NAME_BYTES)
    _require_text("base_url", base_url, MAX_BASE_URL_BYTES)
    provider, _ = provider_address(owner)
    region, bump = region_address(provider, number)
    addresses = {"owner": owner, "provider": provider, "region": region, "systemProgram": SYSTEM_PROGRAM_ID}
    arguments = {"bump": bump, "number": number, "name": name, "base_url": base_url}
    return build_instruction("createRegion", addresses, arguments)


def deploy_stack(owner: Pubkey, region: Pubkey, seed: int, manifest: bytes) -> Instruction:
    """Creates the stack at `stack_address(region, owner, seed)`; `owner` signs and pays the rent.

    `seed` (u64) tells the owner's stacks in the region apart; a used one stays used after `delete_stack`.
    Raises `InvalidInput`.
    """
    _require_manifest(manifest)
    stack, bump = stack_address(region, owner, seed)
    arguments = {"bump": bump, "seed": seed, "manifest": manifest}
    return build_instruction("deployStack", _stack_addresses(owner, region, stack), arguments)


def update_stack(owner: Pubkey, region: Pubkey, stack: Pubkey, manifest: bytes) -> Instruction:
    """Replaces the stack's manifest; `owner` signs, and pays or gets the difference in rent.

    Raises `InvalidInput`.
    """
    _require_manifest(manifest)
    return build_instruction("updateStack", _stack_addresses(owner, region, stack), {"manifest": manifest})


def delete_stack(owner: Pubkey, region: Pubkey, stack: Pubkey) -> Instruction:
    """Deletes the stack for ever; `owner` signs and gets the rent of its manifest."""
    return build_instruction("deleteStack", _stack_addresses(owner, region, stack), {})


def program_bytes() -> bytes:
    """The built program: an ELF file for Solana's BPF loader."""
    return files("contract").joinpath("marketplace.so").read_bytes()


def _stack_addresses(owner: Pubkey, region: Pubkey, stack: Pubkey) -> dict[str, Pubkey]:
    return {"owner": owner, "region": region, "stack": stack, "systemProgram": SYSTEM_PROGRAM_ID}


def _require_text(field: str, text: str, max_bytes: int) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, "it has characters that UTF-8 cannot encode") from None
    if not 1 <= len(encoded) <= max_bytes:
        raise InvalidInput(field, f"it must have 1 to {max_bytes} bytes of UTF-8, not {len(encoded)}")


def _require_manifest(manifest: bytes) -> None:
    if not 1 <= len(manifest) <= MAX_MANIFEST_BYTES:
        raise InvalidInput("manifest", f"it must have 1 to {MAX_MANIFEST_BYTES} bytes, not {len(manifest)}")
