"""What a transaction's token accounts hold at a moment, as Agave collects it (`svm/src/transaction_balances.rs`)."""

from collections.abc import Callable

import msgspec
from solders.account import Account
from solders.message import VersionedMessage
from solders.pubkey import Pubkey
from spl.token.constants import TOKEN_2022_PROGRAM_ID

from contract.addresses import TOKEN_PROGRAM_ID
from contract.errors import DecodeError
from contract.tokens import MINT_BYTES, TOKEN_ACCOUNT_BYTES, decode_mint, decode_token_account

_TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM_ID, TOKEN_2022_PROGRAM_ID})
_MULTISIG_BYTES = 355
_MINT_KIND, _TOKEN_ACCOUNT_KIND = 1, 2
"""The byte that Token-2022 writes after the bytes of a token account, before an account's extensions."""


class TokenBalance(msgspec.Struct, frozen=True):
    """What a token account holds, in base units of its mint; `account_index` counts in the transaction's keys."""

    account_index: int
    mint: Pubkey
    owner: Pubkey
    program: Pubkey
    amount: int
    decimals: int


def token_balances(
    message: VersionedMessage, account_of: Callable[[Pubkey], Account | None]
) -> tuple[TokenBalance, ...]:
    """Those of the token accounts that a transaction names, in its order; `account_of` gives the accounts of a moment.

    A transaction that does not name a token program itself has none.
    """
    keys = message.account_keys
    if _TOKEN_PROGRAMS.isdisjoint(keys):
        return ()
    invoked = {one.program_id_index for one in message.instructions}
    named = ((index, key) for index, key in enumerate(keys) if index not in invoked)
    found = (_balance(index, account_of(key), account_of) for index, key in named)
    return tuple(balance for balance in found if balance is not None)


def _balance(
    index: int, account: Account | None, account_of: Callable[[Pubkey], Account | None]
) -> TokenBalance | None:
    if account is None or account.owner not in _TOKEN_PROGRAMS:
        return None
    try:
        tokens = decode_token_account(_base(account, TOKEN_ACCOUNT_BYTES, _TOKEN_ACCOUNT_KIND))
        mint_account = account_of(tokens.mint)
        if mint_account is None or mint_account.owner != account.owner:
            return None
        mint = decode_mint(_base(mint_account, MINT_BYTES, _MINT_KIND))
    except DecodeError:
        return None
    return TokenBalance(index, tokens.mint, tokens.owner, account.owner, tokens.amount, mint.decimals)


def _base(account: Account, size_bytes: int, kind: int) -> bytes:
    """An account's data without Token-2022's extensions: all of it where it has none, or is of another kind."""
    data = bytes(account.data)
    is_extended = len(data) > TOKEN_ACCOUNT_BYTES and len(data) != _MULTISIG_BYTES
    return data[:size_bytes] if is_extended and data[TOKEN_ACCOUNT_BYTES] == kind else data
