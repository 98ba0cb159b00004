"""Instructions of the Marketplace's admin."""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract.addresses import authorizer_address, state_address
from contract.arguments import MAX_NOTICE_SECONDS, require_amount, require_commission, require_number
from contract.interface import build_instruction


def initialize(
    admin: Pubkey,
    *,
    mint: Pubkey,
    commission_tokens: Pubkey,
    deposit: int,
    commission_millionths: int,
    notice_seconds: int,
) -> Instruction:
    """Creates the State. `admin` signs, pays the rent, and is the Marketplace's admin from then on.

    The money is of `mint` for ever; `commission_tokens` is a token account of it. Providers deposit `deposit`
    base units; the commission is 0 to 1,000,000 millionths of each charge; the notice 1 to 2,592,000 seconds.
    Raises `InvalidInput`.
    """
    require_amount("deposit", deposit)
    require_commission(commission_millionths)
    require_number("notice_seconds", notice_seconds, 1, MAX_NOTICE_SECONDS)
    state, bump = state_address()
    addresses = {"admin": admin, "state": state, "mint": mint, "commission_tokens": commission_tokens}
    arguments = {
        "bump": bump,
        "deposit": deposit,
        "commission_millionths": commission_millionths,
        "notice_seconds": notice_seconds,
    }
    return build_instruction("initialize", addresses, arguments)


def update_deposit(admin: Pubkey, deposit: int) -> Instruction:
    """Sets the deposit (base units) of providers to come; `admin` signs. Raises `InvalidInput`."""
    require_amount("deposit", deposit)
    addresses = {"admin": admin, "state": state_address()[0]}
    return build_instruction("update_deposit", addresses, {"deposit": deposit})


def update_commission(admin: Pubkey, commission_millionths: int, commission_tokens: Pubkey) -> Instruction:
    """Sets the commission on charges to come and the token account it goes to; `admin` signs.

    Raises `InvalidInput`.
    """
    require_commission(commission_millionths)
    addresses = {"admin": admin, "state": state_address()[0], "commission_tokens": commission_tokens}
    return build_instruction("update_commission", addresses, {"commission_millionths": commission_millionths})


def create_provider_authorizer(admin: Pubkey, authority: Pubkey) -> Instruction:
    """Lets the key `authority` authorize and revoke providers; `admin` signs and pays the rent."""
    authorizer, bump = authorizer_address(authority)
    addresses = {"admin": admin, "state": state_address()[0], "authorizer": authorizer}
    return build_instruction("create_provider_authorizer", addresses, {"bump": bump, "authority": authority})


def remove_provider_authorizer(admin: Pubkey, authority: Pubkey) -> Instruction:
    """Takes that right back; `admin` signs and gets the rent."""
    authorizer, _ = authorizer_address(authority)
    addresses = {"admin": admin, "state": state_address()[0], "authorizer": authorizer}
    return build_instruction("remove_provider_authorizer", addresses, {})
