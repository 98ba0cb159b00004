"""Runs one transaction on the machine, and tells what it came to and which accounts it changed."""

from solders.account import Account
from solders.message import VersionedMessage
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from mu.localnet.history import TransactionRecord
from mu.localnet.machine import LAMPORTS_PER_SIGNATURE, Machine
from mu.localnet.token_balances import TokenBalance, token_balances

Accounts = dict[Pubkey, Account | None]
"""The state of accounts at a moment; None for one that does not exist."""


def execute(
    machine: Machine, transaction: VersionedTransaction, *, index: int, slot: int, unix_timestamp: int
) -> tuple[TransactionRecord, Accounts]:
    """Run a transaction as number `index` of the chain; also the accounts that it left changed. Raises MachinePanic."""
    keys = tuple(transaction.message.account_keys)
    before = {key: machine.account(key) for key in keys}
    pre_token_balances = _token_balances(machine, transaction.message, before)
    outcome = machine.execute(transaction)
    after = {key: machine.account(key) for key in keys}
    record = TransactionRecord(
        index=index,
        slot=slot,
        unix_timestamp=unix_timestamp,
        signature=transaction.signatures[0],
        transaction=transaction,
        account_keys=keys,
        outcome=outcome,
        fee=LAMPORTS_PER_SIGNATURE * transaction.message.header.num_required_signatures,
        pre_balances=_lamports(before),
        post_balances=_lamports(after),
        pre_token_balances=pre_token_balances,
        post_token_balances=_token_balances(machine, transaction.message, after),
    )
    writable = (key for place, key in enumerate(keys) if _is_writable(transaction, place))
    return record, {key: after[key] for key in writable if after[key] != before[key]}


def _token_balances(
    machine: Machine, message: VersionedMessage, accounts: Accounts
) -> tuple[TokenBalance, ...]:
    # a transfer does not name the mint
    return token_balances(message, lambda key: accounts[key] if key in accounts else machine.account(key))


def _lamports(accounts: Accounts) -> tuple[int, ...]:
    return tuple(0 if account is None else account.lamports for account in accounts.values())


def _is_writable(transaction: VersionedTransaction, place: int) -> bool:
    header = transaction.message.header
    if place < header.num_required_signatures:
        return place < header.num_required_signatures - header.num_readonly_signed_accounts
    return place < len(transaction.message.account_keys) - header.num_readonly_unsigned_accounts
