"""Instructions that deploy, update, delete and evict stacks; the stack's owner signs all but the last.

`provider` is the region's: the owner's escrow with it must hold the region's minimum.
"""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract.addresses import escrow_address, stack_address, state_address
from contract.arguments import require_manifest
from contract.interface import build_instruction


def deploy_stack(owner: Pubkey, provider: Pubkey, region: Pubkey, seed: int, manifest: bytes) -> Instruction:
    """Creates the stack at `stack_address(region, owner, seed)`; `owner` signs and pays the rent.

    `seed` (u64) tells the owner's stacks in the region apart; a used one stays used after `delete_stack`.
    `manifest` has 1 to 875 bytes. Raises `InvalidInput`.
    """
    require_manifest(manifest)
    stack, bump = stack_address(region, owner, seed)
    addresses = _addresses(owner, provider, region, stack)
    return build_instruction("deploy_stack", addresses, {"bump": bump, "seed": seed, "manifest": manifest})


def update_stack(
    owner: Pubkey, provider: Pubkey, region: Pubkey, stack: Pubkey, manifest: bytes
) -> Instruction:
    """Replaces the stack's manifest; `owner` signs, and pays or gets the difference in rent.

    Raises `InvalidInput`.
    """
    require_manifest(manifest)
    addresses = _addresses(owner, provider, region, stack)
    return build_instruction("update_stack", addresses, {"manifest": manifest})


def delete_stack(owner: Pubkey, provider: Pubkey, region: Pubkey, stack: Pubkey) -> Instruction:
    """Deletes the stack for ever; `owner` signs and gets the rent of its manifest."""
    addresses = {**_addresses(owner, provider, region, stack), "state": state_address()[0]}
    return build_instruction("delete_stack", addresses, {})


def evict_stack(
    provider_owner: Pubkey, provider: Pubkey, region: Pubkey, owner: Pubkey, stack: Pubkey
) -> Instruction:
    """Deletes a stack of `owner` whose escrow holds less than it locks; the provider's owner signs.

    The stack's owner gets the rent of its manifest.
    """
    addresses = {
        **_addresses(owner, provider, region, stack),
        "provider_owner": provider_owner,
        "state": state_address()[0],
    }
    return build_instruction("evict_stack", addresses, {})


def _addresses(owner: Pubkey, provider: Pubkey, region: Pubkey, stack: Pubkey) -> dict[str, Pubkey]:
    return {
        "owner": owner,
        "provider": provider,
        "region": region,
        "escrow": escrow_address(provider, owner)[0],
        "stack": stack,
    }
