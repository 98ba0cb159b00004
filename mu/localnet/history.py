"""The newest transactions: by signature, by address, and by slot."""

from collections import deque
from collections.abc import Iterator, KeysView
from typing import TypeVar

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from mu.localnet.machine import Outcome
from mu.localnet.token_balances import TokenBalance

_Key = TypeVar("_Key", int, Pubkey)


class TransactionRecord(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A transaction in the chain, with all that `getTransaction` tells about it; amounts are lamports."""

    index: int
    slot: int
    unix_timestamp: int
    signature: Signature
    transaction: VersionedTransaction
    account_keys: tuple[Pubkey, ...]
    outcome: Outcome
    fee: int
    pre_balances: tuple[int, ...]
    post_balances: tuple[int, ...]
    pre_token_balances: tuple[TokenBalance, ...]
    post_token_balances: tuple[TokenBalance, ...]


class TransactionHistory:
    """Records in order, the oldest dropped above a limit, as a node does that has purged its ledger."""

    def __init__(self, max_transactions: int) -> None:
        self._max_transactions = max_transactions
        self._records: deque[TransactionRecord] = deque()
        self._by_signature: dict[Signature, TransactionRecord] = {}
        self._by_address: dict[Pubkey, deque[TransactionRecord]] = {}
        self._by_slot: dict[int, deque[TransactionRecord]] = {}
        self.total = 0
        self.first_whole_slot = 0
        """From this slot on no record is dropped."""

    def add(self, record: TransactionRecord, *, keep_from_slot: int) -> None:
        """Append. A record at `keep_from_slot` or later stays: its signature can still be sent again."""
        self._records.append(record)
        self._by_signature[record.signature] = record
        for key in record.account_keys:
            self._by_address.setdefault(key, deque()).append(record)
        self._by_slot.setdefault(record.slot, deque()).append(record)
        self.total += 1
        while len(self._records) > self._max_transactions and self._records[0].slot < keep_from_slot:
            self._drop_oldest()

    def get(self, signature: Signature) -> TransactionRecord | None:
        """The record of a transaction that is still held."""
        return self._by_signature.get(signature)

    def newest_first(self, address: Pubkey) -> Iterator[TransactionRecord]:
        """The records that name `address`."""
        return reversed(self._by_address.get(address, deque()))

    def of_slot(self, slot: int) -> tuple[TransactionRecord, ...]:
        """The records of a slot in the order of execution."""
        return tuple(self._by_slot.get(slot, ()))

    def slots(self) -> KeysView[int]:
        """The slots that have records, in order."""
        return self._by_slot.keys()

    def _drop_oldest(self) -> None:
        record = self._records.popleft()
        self.first_whole_slot = record.slot + 1
        del self._by_signature[record.signature]
        _drop_first(self._by_slot, record.slot)
        for key in record.account_keys:
            _drop_first(self._by_address, key)


def _drop_first(records: dict[_Key, deque[TransactionRecord]], key: _Key) -> None:
    records[key].popleft()
    if not records[key]:
        del records[key]
