"""The JSON-RPC methods that read SPL tokens, of the classic token program alone."""

from typing import Any

import msgspec
from solders.account import Account
from solders.pubkey import Pubkey

from contract.addresses import TOKEN_PROGRAM_ID
from contract.errors import DecodeError
from contract.tokens import Mint, TokenAccount, decode_mint, decode_token_account
from mu.config import RpcLimits
from mu.localnet.commitment import Commitment
from mu.localnet.encoding import keyed_account_json, token_amount_json
from mu.localnet.jsonrpc import INVALID_PARAMS, RpcError
from mu.localnet.ledger import Ledger
from mu.localnet.methods import ReadMethod, with_context
from mu.localnet.params import AccountConfig, ContextConfig, check_context, config, convert, pubkey


class WantedTokens(msgspec.Struct, frozen=True, rename="camel"):
    """Which of an owner's token accounts: exactly one member is set."""

    mint: str | None = None
    program_id: str | None = None


def _token_account_balance(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    address, wanted = pubkey(params[0]), config(params, 1, ContextConfig)
    slot = check_context(ledger, wanted)
    account = _token_account(_found(ledger, address, wanted.level, "account"))
    if account is None:
        raise RpcError(INVALID_PARAMS, "Invalid param: not a Token account")
    mint = _mint(ledger, account.mint, wanted.level)
    return with_context(slot, token_amount_json(account.amount, mint.decimals))


def _token_supply(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    address, wanted = pubkey(params[0]), config(params, 1, ContextConfig)
    slot = check_context(ledger, wanted)
    mint = _mint(ledger, address, wanted.level)
    return with_context(slot, token_amount_json(mint.supply, mint.decimals))


def _token_accounts_by_owner(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    owner, which = pubkey(params[0]), convert(params[1], WantedTokens)
    wanted = config(params, 2, AccountConfig)
    slot = check_context(ledger, wanted)
    if (which.mint is None) == (which.program_id is None):
        raise RpcError(INVALID_PARAMS, "Invalid params: a filter is either mint or programId.")
    mint = None if which.mint is None else pubkey(which.mint)
    if mint is not None:
        _mint(ledger, mint, wanted.level)
    elif which.program_id is not None and pubkey(which.program_id) != TOKEN_PROGRAM_ID:
        raise RpcError(INVALID_PARAMS, "Invalid param: unrecognized Token program id")
    found: list[dict[str, Any]] = []
    for address, account in ledger.program_accounts(TOKEN_PROGRAM_ID, wanted.level):
        tokens = _token_account(account)
        if tokens is None or tokens.owner != owner or mint not in (None, tokens.mint):
            continue
        if len(found) == limits.max_program_accounts:
            raise RpcError(INVALID_PARAMS, f"More than {limits.max_program_accounts} accounts match")
        found.append(keyed_account_json(address, account, wanted, "binary", limits))
    return with_context(slot, found)


def _found(ledger: Ledger, address: Pubkey, level: Commitment, what: str) -> Account:
    account = ledger.account(address, level)
    if account is None:
        raise RpcError(INVALID_PARAMS, f"Invalid param: could not find {what}")
    return account


def _token_account(account: Account) -> TokenAccount | None:
    if account.owner != TOKEN_PROGRAM_ID:
        return None
    try:
        return decode_token_account(bytes(account.data))
    except DecodeError:
        return None


def _mint(ledger: Ledger, address: Pubkey, level: Commitment) -> Mint:
    account = _found(ledger, address, level, "mint")
    if account.owner == TOKEN_PROGRAM_ID:
        try:
            return decode_mint(bytes(account.data))
        except DecodeError:
            pass
    raise RpcError(INVALID_PARAMS, "Invalid param: not a Token mint")


TOKEN_METHODS: dict[str, ReadMethod] = {
    "getTokenAccountBalance": ReadMethod(_token_account_balance, 1, 2),
    "getTokenAccountsByOwner": ReadMethod(_token_accounts_by_owner, 2, 3),
    "getTokenSupply": ReadMethod(_token_supply, 1, 2),
}
