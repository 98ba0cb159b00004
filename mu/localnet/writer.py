"""The ledger's one writer under trio: a write at a time, the disk waited for in another thread."""

import trio
from solders.transaction import VersionedTransaction

from mu.localnet.history import TransactionRecord
from mu.localnet.ledger import Ledger


class LedgerWriter:
    """Serialises transactions and slots; reads need no lock, as `apply` runs in the trio thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = trio.Lock()

    async def transact(self, transaction: VersionedTransaction) -> TransactionRecord:
        """Run a transaction once it is durable. Raises as `Ledger.prepare` and `Ledger.append`."""
        async with self._lock:
            entry = self._ledger.prepare(transaction)
            # Not abandoned on cancellation: an entry that is durable must be applied.
            await trio.to_thread.run_sync(self._ledger.append, entry)
            record = self._ledger.apply(entry)
            assert record is not None
            return record

    async def advance_slot(self, unix_timestamp: int) -> None:
        """Begin the next slot. Raises EngineError when the journal cannot be written."""
        async with self._lock:
            if self._ledger.needs_reservation():
                await trio.to_thread.run_sync(self._ledger.reserve)
            self._ledger.advance_slot(unix_timestamp)
