"""Instructions about keys that act for somebody: usage signers of a region, request signers of a client."""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract.addresses import provider_address, region_address, request_signer_address, usage_signer_address
from contract.arguments import MAX_I64, require_number
from contract.interface import build_instruction


def create_usage_signer(owner: Pubkey, region_number: int, signer: Pubkey, valid_to: int) -> Instruction:
    """Makes `signer` the one key that reports usage in a region, in the place of the one before.

    The provider's `owner` signs and pays the rent. It holds from now until before `valid_to` (seconds since
    1970). Raises `InvalidInput`.
    """
    require_number("valid_to", valid_to, 1, MAX_I64)
    addresses = _usage_signer_addresses(owner, region_number)
    _, bump = usage_signer_address(addresses["region"])
    arguments = {"bump": bump, "signer": signer, "valid_to": valid_to}
    return build_instruction("create_usage_signer", addresses, arguments)


def revoke_usage_signer(owner: Pubkey, region_number: int) -> Instruction:
    """Ends the region's usage signer now; the provider's `owner` signs and gets the rent.

    Raises `InvalidInput`.
    """
    return build_instruction("revoke_usage_signer", _usage_signer_addresses(owner, region_number), {})


def create_request_signer(client: Pubkey, region: Pubkey, signer: Pubkey) -> Instruction:
    """Lets `signer` make requests to a live region on behalf of `client`, who signs and pays the rent."""
    addresses = _request_signer_addresses(client, region, signer)
    _, bump = request_signer_address(region, client, signer)
    return build_instruction("create_request_signer", addresses, {"bump": bump, "signer": signer})


def activate_request_signer(client: Pubkey, region: Pubkey, signer: Pubkey) -> Instruction:
    """Gives a deactivated request signer its right again; `client` signs."""
    addresses = _request_signer_addresses(client, region, signer)
    return build_instruction("activate_request_signer", addresses, {})


def deactivate_request_signer(client: Pubkey, region: Pubkey, signer: Pubkey) -> Instruction:
    """Takes a request signer's right back; `client` signs."""
    addresses = _request_signer_addresses(client, region, signer)
    return build_instruction("deactivate_request_signer", addresses, {})


def _usage_signer_addresses(owner: Pubkey, region_number: int) -> dict[str, Pubkey]:
    provider, _ = provider_address(owner)
    region, _ = region_address(provider, region_number)
    usage_signer, _ = usage_signer_address(region)
    return {"owner": owner, "provider": provider, "region": region, "usage_signer": usage_signer}


def _request_signer_addresses(client: Pubkey, region: Pubkey, signer: Pubkey) -> dict[str, Pubkey]:
    request_signer, _ = request_signer_address(region, client, signer)
    return {"client": client, "region": region, "request_signer": request_signer}
