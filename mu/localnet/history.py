"""The newest transactions: by signature, by address, and by slot."""

from collections import deque
from collections.abc import Iterator

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from mu.localnet.machine import Outcome


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


class TransactionHistory:
    """Records in order, the oldest dropped above a limit, as a node does that has purged its ledger."""

    def __init__(self, max_transactions: int) -> None:
        self._max_transactions = max_transactions
        self._records: deque[TransactionRecord] = deque()
        self._by_signature: dict[Signature, TransactionRecord] = {}
        self._by_address: dict[Pubkey, deque[TransactionRecord]] = {}
        self.total = 0

    def add(self, record: TransactionRecord, *, keep_from_slot: int) -> None:
        """Append. A record at `keep_from_slot` or later stays: its signature can still be sent again."""
        self._records.append(record)
        self._by_signature[record.signature] = record
        for key in record.account_keys:
            self._by_address.setdefault(key, deque()).append(record)
        self.total += 1
        while len(self._records) > self._max_transactions and self._records[0].slot < keep_from_slot:
            self._drop_oldest()

    def get(self, signature: Signature) -> TransactionRecord | None:
        """The record of a transaction that is still held."""
        return self._by_signature.get(signature)

    def newest_first(self, address: Pubkey) -> Iterator[TransactionRecord]:
        """The records that name `address`."""
        return reversed(self._by_address.get(address, deque()))

    def _drop_oldest(self) -> None:
        record = self._records.popleft()
        del self._by_signature[record.signature]
        for key in record.account_keys:
            named = self._by_address[key]
            named.popleft()
            if not named:
                del self._by_address[key]
