"""A transaction as `getTransaction` tells it, as the follower reads it: log lines and instructions. Pure.

solders' types of answers end here.
"""

from collections.abc import Sequence

import based58
from solders.message import Message
from solders.transaction import VersionedTransaction
from solders.transaction_status import (
    EncodedConfirmedTransactionWithStatusMeta,
    UiCompiledInstruction,
    UiTransactionStatusMeta,
)

from contract.errors import DecodeError
from events.chain.reader import ChainTransaction, ChainUnavailable, Invocation


def transaction_of(signature: str, found: EncodedConfirmedTransactionWithStatusMeta) -> ChainTransaction:
    """The transaction in an answer. Raises `ChainUnavailable` where the node keeps no log lines."""
    encoded = found.transaction
    meta = encoded.meta
    if meta is None or meta.log_messages is None:
        raise ChainUnavailable(f"the RPC node keeps no log lines for transaction {signature}")
    try:
        instructions = (
            _instructions(encoded.transaction, meta)
            if isinstance(encoded.transaction, VersionedTransaction)
            else None
        )
    except DecodeError:
        # they are needed only where the log lines are not whole
        instructions = None
    return ChainTransaction(
        found.slot, meta.err is not None, tuple(meta.log_messages), found.block_time, instructions
    )


def _instructions(
    transaction: VersionedTransaction, meta: UiTransactionStatusMeta
) -> tuple[Invocation, ...] | None:
    """All instructions in order of execution; None where the inner ones were not recorded."""
    message = transaction.message
    keys = [str(key) for key in message.account_keys]
    if not isinstance(message, Message) and message.address_table_lookups:
        loaded = meta.loaded_addresses
        if loaded is None:
            return None
        keys += [str(key) for key in (*loaded.writable, *loaded.readonly)]
    if meta.inner_instructions is None:
        return None
    inner = {group.index: group.instructions for group in meta.inner_instructions}
    found: list[Invocation] = []
    for index, one in enumerate(message.instructions):
        found.append(_invocation(keys, one.program_id_index, one.accounts, one.data))
        for invoked in inner.get(index, ()):
            if not isinstance(invoked, UiCompiledInstruction):
                return None
            try:
                data = based58.b58decode(invoked.data.encode())
            except ValueError as error:
                raise DecodeError(f"an inner instruction's data is not base58: {error}") from None
            found.append(_invocation(keys, invoked.program_id_index, invoked.accounts, data))
    return tuple(found)


def _invocation(keys: Sequence[str], program: int, accounts: bytes, data: bytes) -> Invocation:
    try:
        return Invocation(keys[program], tuple(keys[account] for account in accounts), data)
    except IndexError:
        raise DecodeError("an instruction names an account that its transaction does not have") from None
