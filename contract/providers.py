"""Instructions that open, authorize, revoke and close providers."""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract.addresses import authorizer_address, provider_address, state_address, vault_address
from contract.arguments import require_amount, require_name
from contract.interface import build_instruction


def create_provider(
    owner: Pubkey, name: str, *, mint: Pubkey, owner_tokens: Pubkey, max_deposit: int
) -> Instruction:
    """Creates the provider of `owner`, who signs, pays the rent, and pays the deposit from `owner_tokens`.

    The deposit is the State's, at most `max_deposit` base units. The provider is disabled until an authorizer
    authorizes it; an owner has one, ever. `mint` is the State's; `name` has 1 to 32 bytes of UTF-8. Raises
    `InvalidInput`.
    """
    require_name(name)
    require_amount("max_deposit", max_deposit)
    provider, bump = provider_address(owner)
    vault, vault_bump = vault_address(provider)
    addresses = {
        "owner": owner,
        "state": state_address()[0],
        "provider": provider,
        "vault": vault,
        "owner_tokens": owner_tokens,
        "mint": mint,
    }
    arguments = {"bump": bump, "vault_bump": vault_bump, "max_deposit": max_deposit, "name": name}
    return build_instruction("create_provider", addresses, arguments)


def authorize_provider(authority: Pubkey, provider: Pubkey) -> Instruction:
    """Lets a disabled provider sell; the authorizer's key `authority` signs."""
    return build_instruction("authorize_provider", _authorizer_addresses(authority, provider), {})


def revoke_provider(authority: Pubkey, provider: Pubkey) -> Instruction:
    """Disables an authorized provider: nothing is deployed to it and it charges nobody; `authority` signs."""
    return build_instruction("revoke_provider", _authorizer_addresses(authority, provider), {})


def close_provider(owner: Pubkey, owner_tokens: Pubkey) -> Instruction:
    """Closes the provider of `owner`, without live regions, for ever.

    `owner` signs and gets the vault's rent; the deposit goes to `owner_tokens`.
    """
    provider, _ = provider_address(owner)
    addresses = {
        "owner": owner,
        "provider": provider,
        "vault": vault_address(provider)[0],
        "owner_tokens": owner_tokens,
    }
    return build_instruction("close_provider", addresses, {})


def _authorizer_addresses(authority: Pubkey, provider: Pubkey) -> dict[str, Pubkey]:
    return {"authority": authority, "authorizer": authorizer_address(authority)[0], "provider": provider}
