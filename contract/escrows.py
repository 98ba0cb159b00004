"""Instructions that open escrows, and move money into them and out of them."""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract.addresses import escrow_address, state_address, vault_address
from contract.arguments import require_amount
from contract.interface import build_instruction


def create_escrow(client: Pubkey, provider: Pubkey, *, mint: Pubkey) -> Instruction:
    """Creates the escrow of `client`, who signs and pays the rent, with an authorized provider.

    `mint` is the State's.
    """
    escrow, bump = escrow_address(provider, client)
    vault, vault_bump = vault_address(escrow)
    addresses = {
        "client": client,
        "state": state_address()[0],
        "provider": provider,
        "escrow": escrow,
        "vault": vault,
        "mint": mint,
    }
    return build_instruction("create_escrow", addresses, {"bump": bump, "vault_bump": vault_bump})


def deposit_escrow(depositor: Pubkey, escrow: Pubkey, depositor_tokens: Pubkey, amount: int) -> Instruction:
    """Moves `amount` base units (from 1) into an escrow, whoever's; the tokens' authority `depositor` signs.

    Raises `InvalidInput`.
    """
    require_amount("amount", amount, least=1)
    addresses = {
        "depositor": depositor,
        "escrow": escrow,
        "vault": vault_address(escrow)[0],
        "depositor_tokens": depositor_tokens,
    }
    return build_instruction("deposit_escrow", addresses, {"amount": amount})


def withdraw_escrow(client: Pubkey, provider: Pubkey, amount: int) -> Instruction:
    """Asks for `amount` base units, in the place of what was asked for before; 0 takes it back.

    `client` signs; `claim_withdrawal` pays it out after the Marketplace's notice. Raises `InvalidInput`.
    """
    require_amount("amount", amount)
    addresses = {
        "client": client,
        "state": state_address()[0],
        "escrow": escrow_address(provider, client)[0],
    }
    return build_instruction("withdraw_escrow", addresses, {"amount": amount})


def claim_withdrawal(client: Pubkey, provider: Pubkey, client_tokens: Pubkey) -> Instruction:
    """Pays what was asked for, or as much as is not locked, to `client_tokens`; `client` signs."""
    escrow, _ = escrow_address(provider, client)
    addresses = {
        "client": client,
        "escrow": escrow,
        "vault": vault_address(escrow)[0],
        "client_tokens": client_tokens,
    }
    return build_instruction("claim_withdrawal", addresses, {})


def sync_escrow(escrow: Pubkey) -> Instruction:
    """Records tokens that were sent to the escrow's vault without `deposit_escrow`; nobody need sign."""
    return build_instruction("sync_escrow", {"escrow": escrow, "vault": vault_address(escrow)[0]}, {})
