"""Instructions that open, change and close regions; the provider's owner signs them."""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract.addresses import provider_address, region_address, state_address
from contract.arguments import require_base_url, require_name, require_terms
from contract.interface import build_instruction
from contract.terms import Terms


def create_region(owner: Pubkey, number: int, name: str, base_url: str, terms: Terms) -> Instruction:
    """Creates region `number` (u32) of `owner`'s authorized provider; `owner` signs and pays the rent.

    A used number stays used. `name` has 1 to 32 bytes of UTF-8, `base_url` 1 to 128. Raises `InvalidInput`.
    """
    require_name(name)
    require_base_url(base_url)
    require_terms(terms)
    provider, _ = provider_address(owner)
    region, bump = region_address(provider, number)
    addresses = {"owner": owner, "state": state_address()[0], "provider": provider, "region": region}
    arguments = {"bump": bump, "number": number, "name": name, "base_url": base_url, "terms": terms}
    return build_instruction("create_region", addresses, arguments)


def update_region(owner: Pubkey, number: int, base_url: str, terms: Terms) -> Instruction:
    """Changes the base URL at once, and the terms after the notice of those in force; `owner` signs.

    `terms` replace others that were to come; the terms in force mean that none are. Raises `InvalidInput`.
    """
    require_base_url(base_url)
    require_terms(terms)
    provider, _ = provider_address(owner)
    region, _ = region_address(provider, number)
    addresses = {"owner": owner, "state": state_address()[0], "provider": provider, "region": region}
    return build_instruction("update_region", addresses, {"base_url": base_url, "terms": terms})


def close_region(owner: Pubkey, number: int) -> Instruction:
    """Closes a region without live stacks for ever; `owner` signs. Raises `InvalidInput`."""
    provider, _ = provider_address(owner)
    region, _ = region_address(provider, number)
    addresses = {"owner": owner, "provider": provider, "region": region}
    return build_instruction("close_region", addresses, {})
