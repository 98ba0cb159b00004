"""A transaction as `getTransaction` tells it, as the follower reads it: log lines, instructions, token amounts. Pure.

solders' types of answers end here.
"""

from collections.abc import Sequence
from contextlib import suppress

import based58
from solders.message import Message
from solders.transaction import VersionedTransaction
from solders.transaction_status import (
    EncodedConfirmedTransactionWithStatusMeta,
    UiCompiledInstruction,
    UiTransactionStatusMeta,
    UiTransactionTokenBalance,
)

from contract.errors import DecodeError
from events.chain.reader import ChainTransaction, ChainUnavailable, Invocation, TokenAmounts

MAX_TOKEN_AMOUNT = 2**64 - 1
INNER_HEIGHT = 2
"""Of an inner instruction whose height the node does not tell."""


def transaction_of(signature: str, found: EncodedConfirmedTransactionWithStatusMeta) -> ChainTransaction:
    """The transaction in an answer. Raises `ChainUnavailable` where it is another than `signature`, and where the node
    keeps no log lines.
    """
    encoded = found.transaction
    sent = encoded.transaction
    # one in another encoding was not asked for either
    if not isinstance(sent, VersionedTransaction) or str(sent.signatures[0]) != signature:
        raise ChainUnavailable(f"the RPC node was asked for transaction {signature} and has sent another")
    meta = encoded.meta
    if meta is None or meta.log_messages is None:
        raise ChainUnavailable(f"the RPC node keeps no log lines for transaction {signature}")
    instructions: tuple[Invocation, ...] | None = None
    token_amounts: dict[str, TokenAmounts] = {}
    # they are needed only where the log lines are not whole
    with suppress(DecodeError):
        keys = _keys(sent, meta)
        instructions = _instructions(sent, keys, meta)
        token_amounts = _token_amounts(keys, meta)
    return ChainTransaction(
        found.slot,
        meta.err is not None,
        tuple(meta.log_messages),
        found.block_time,
        instructions,
        token_amounts,
    )


def _keys(transaction: VersionedTransaction, meta: UiTransactionStatusMeta) -> list[str]:
    """The transaction's accounts, those out of lookup tables at the end. Raises `DecodeError` without these."""
    message = transaction.message
    keys = [str(key) for key in message.account_keys]
    if not isinstance(message, Message) and message.address_table_lookups:
        loaded = meta.loaded_addresses
        if loaded is None:
            raise DecodeError("what was loaded out of lookup tables is not told")
        keys += [str(key) for key in (*loaded.writable, *loaded.readonly)]
    return keys


def _instructions(
    transaction: VersionedTransaction, keys: Sequence[str], meta: UiTransactionStatusMeta
) -> tuple[Invocation, ...] | None:
    """All instructions in order of execution; None where the inner ones were not recorded."""
    if meta.inner_instructions is None:
        return None
    inner = {group.index: group.instructions for group in meta.inner_instructions}
    found: list[Invocation] = []
    for index, one in enumerate(transaction.message.instructions):
        found.append(_invocation(keys, one.program_id_index, one.accounts, one.data, 1))
        for invoked in inner.get(index, ()):
            if not isinstance(invoked, UiCompiledInstruction):
                return None
            try:
                data = based58.b58decode(invoked.data.encode())
            except ValueError as error:
                raise DecodeError(f"an inner instruction's data is not base58: {error}") from None
            height = invoked.stack_height or INNER_HEIGHT
            found.append(_invocation(keys, invoked.program_id_index, invoked.accounts, data, height))
    return tuple(found)


def _token_amounts(keys: Sequence[str], meta: UiTransactionStatusMeta) -> dict[str, TokenAmounts]:
    """What the token accounts held; one that is told for one of the two moments alone had nothing at the other."""
    before = _amounts(keys, meta.pre_token_balances)
    after = _amounts(keys, meta.post_token_balances)
    return {
        address: TokenAmounts(before.get(address, 0), after.get(address, 0))
        for address in before.keys() | after.keys()
    }


def _amounts(keys: Sequence[str], balances: Sequence[UiTransactionTokenBalance] | None) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for one in balances or ():
        text = one.ui_token_amount.amount
        # a node's nonsense is as good as nothing told
        if one.account_index < len(keys) and text.isascii() and text.isdigit() and len(text) <= 20:
            amounts[keys[one.account_index]] = min(int(text), MAX_TOKEN_AMOUNT)
    return amounts


def _invocation(keys: Sequence[str], program: int, accounts: bytes, data: bytes, height: int) -> Invocation:
    try:
        return Invocation(keys[program], tuple(keys[account] for account in accounts), data, height)
    except IndexError:
        raise DecodeError("an instruction names an account that its transaction does not have") from None
