"""The Marketplace's client: instructions to send, decoders for what comes back; it touches no network."""

from importlib.resources import files

from contract.accounts import (
    MAX_BASE_URL_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_NAME_BYTES,
    Account,
    Authorizer,
    Escrow,
    Provider,
    ProviderStatus,
    Region,
    RegionStatus,
    RequestSigner,
    Stack,
    StackStatus,
    State,
    UsageReport,
    UsageSigner,
    decode_account,
)
from contract.admin import (
    create_provider_authorizer,
    initialize,
    remove_provider_authorizer,
    update_commission,
    update_deposit,
)
from contract.escrows import (
    claim_withdrawal,
    create_escrow,
    deposit_escrow,
    sync_escrow,
    withdraw_escrow,
)
from contract.program_event import ProgramEvent, decode_event
from contract.providers import authorize_provider, close_provider, create_provider, revoke_provider
from contract.regions import close_region, create_region, update_region
from contract.signers import (
    activate_request_signer,
    create_request_signer,
    create_usage_signer,
    deactivate_request_signer,
    revoke_usage_signer,
)
from contract.stacks import delete_stack, deploy_stack, evict_stack, update_stack
from contract.terms import Lock, Prices, Terms, Usage
from contract.usage import close_usage_report, update_usage

__all__ = [
    "MAX_BASE_URL_BYTES",
    "MAX_MANIFEST_BYTES",
    "MAX_NAME_BYTES",
    "Account",
    "Authorizer",
    "Escrow",
    "Lock",
    "Prices",
    "ProgramEvent",
    "Provider",
    "ProviderStatus",
    "Region",
    "RegionStatus",
    "RequestSigner",
    "Stack",
    "StackStatus",
    "State",
    "Terms",
    "Usage",
    "UsageReport",
    "UsageSigner",
    "activate_request_signer",
    "authorize_provider",
    "claim_withdrawal",
    "close_provider",
    "close_region",
    "close_usage_report",
    "create_escrow",
    "create_provider",
    "create_provider_authorizer",
    "create_region",
    "create_request_signer",
    "create_usage_signer",
    "deactivate_request_signer",
    "decode_account",
    "decode_event",
    "delete_stack",
    "deploy_stack",
    "deposit_escrow",
    "evict_stack",
    "initialize",
    "program_bytes",
    "remove_provider_authorizer",
    "revoke_provider",
    "revoke_usage_signer",
    "sync_escrow",
    "update_commission",
    "update_deposit",
    "update_region",
    "update_stack",
    "update_usage",
    "withdraw_escrow",
]


def program_bytes() -> bytes:
    """The built program: an ELF file for Solana's BPF loader."""
    return files("contract").joinpath("marketplace.so").read_bytes()
