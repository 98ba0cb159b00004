"""The chain's blocks: the slots that it has been through, with their transactions."""

import msgspec
from solders.hash import Hash

from mu.localnet.blockhashes import blockhash_of
from mu.localnet.history import TransactionHistory, TransactionRecord


class Block(msgspec.Struct, frozen=True, eq=False):
    """A slot's transactions in the order of execution; `previous_blockhash` is the hash of the slot before."""

    slot: int
    unix_timestamp: int
    blockhash: Hash
    previous_blockhash: Hash
    records: tuple[TransactionRecord, ...]

    @property
    def parent_slot(self) -> int:
        """The slot before; genesis is its own parent."""
        return max(0, self.slot - 1)


class Blocks:
    """The blocks of the transactions in the history, and the newest ones with or without transactions.

    Empty ones are not in the journal: after a restart they count as skipped, as those do that nobody used.
    """

    def __init__(self, genesis_hash: Hash, history: TransactionHistory, max_block_times: int) -> None:
        self._genesis_hash = genesis_hash
        self._history = history
        self._max_block_times = max_block_times
        self._times: dict[int, int] = {}

    def begin(self, slot: int, unix_timestamp: int) -> None:
        """Add a block, newer than all others."""
        self._times[slot] = unix_timestamp
        while len(self._times) > self._max_block_times:
            del self._times[next(iter(self._times))]

    def get(self, slot: int) -> Block | None:
        """The block of a slot; None where there is none, or not its every transaction any more."""
        records = self._history.of_slot(slot)
        time = records[0].unix_timestamp if records else self._times.get(slot)
        if time is None or slot < self._history.first_whole_slot:
            return None
        blockhash, previous = (blockhash_of(self._genesis_hash, at) for at in (slot, max(0, slot - 1)))
        return Block(slot, time, blockhash, previous, records)

    def between(self, first: int, last: int) -> list[int]:
        """The slots from `first` to `last`, both included, that have a block, in order."""
        first = max(first, self._history.first_whole_slot)
        return sorted(slot for slot in self._times.keys() | self._history.slots() if first <= slot <= last)

    @property
    def first_available(self) -> int:
        """The oldest slot that has a block."""
        whole = self._history.first_whole_slot
        return min(slot for slot in self._times.keys() | self._history.slots() if slot >= whole)
