"""Instructions that charge for usage."""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract.addresses import (
    escrow_address,
    state_address,
    usage_report_address,
    usage_signer_address,
    vault_address,
)
from contract.arguments import require_digest, require_usage
from contract.interface import build_instruction
from contract.terms import Usage


def update_usage(
    signer: Pubkey,
    *,
    provider: Pubkey,
    region: Pubkey,
    owner: Pubkey,
    stack: Pubkey,
    first_position: int,
    last_position: int,
    digest: bytes,
    usage: Usage,
    provider_tokens: Pubkey,
    commission_tokens: Pubkey,
) -> Instruction:
    """Charges the `owner` of a stack, once, for what it used between two positions of the region's log.

    The region's usage signer `signer` signs and pays the report's rent. `first_position` is one more than the
    last of the stack's last report (1 for its first); `digest` is the hash (32 bytes) of the log's entry at
    `last_position`. `provider_tokens` is of the provider's owner, `commission_tokens` the State's. Raises
    `InvalidInput`.
    """
    require_digest(digest)
    require_usage(usage)
    usage_report, bump = usage_report_address(stack, first_position, last_position)
    escrow, _ = escrow_address(provider, owner)
    addresses = {
        "signer": signer,
        "state": state_address()[0],
        "provider": provider,
        "region": region,
        "usage_signer": usage_signer_address(region)[0],
        "escrow": escrow,
        "vault": vault_address(escrow)[0],
        "stack": stack,
        "usage_report": usage_report,
        "provider_tokens": provider_tokens,
        "commission_tokens": commission_tokens,
    }
    arguments = {
        "bump": bump,
        "first_position": first_position,
        "last_position": last_position,
        "digest": digest,
        "usage": usage,
    }
    return build_instruction("update_usage", addresses, arguments)


def close_usage_report(payer: Pubkey, region: Pubkey, report: Pubkey) -> Instruction:
    """Closes a usage report after the Marketplace's notice; `payer`, who paid its rent, signs and gets it."""
    addresses = {"payer": payer, "state": state_address()[0], "region": region, "usage_report": report}
    return build_instruction("close_usage_report", addresses, {})
