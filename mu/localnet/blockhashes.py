"""Recent blockhashes: one a slot, derived from the genesis hash, valid for 150 slots."""

import hashlib

from solders.hash import Hash

BLOCKHASH_LIFETIME_SLOTS = 150


def blockhash_of(genesis_hash: Hash, slot: int) -> Hash:
    """sha256(genesis hash, slot as u64 little endian): the same after every replay."""
    return Hash(hashlib.sha256(bytes(genesis_hash) + slot.to_bytes(8, "little")).digest())


class RecentBlockhashes:
    """The hashes that a transaction may name, with their slots."""

    def __init__(self, genesis_hash: Hash) -> None:
        self._genesis_hash = genesis_hash
        self._slots: dict[Hash, int] = {}
        self._newest = -1

    def advance(self, slot: int) -> None:
        """Add the hashes up to `slot` (those of skipped slots too) and drop what has expired."""
        oldest = max(0, slot - BLOCKHASH_LIFETIME_SLOTS)
        for added in range(max(self._newest + 1, oldest), slot + 1):
            self._slots[blockhash_of(self._genesis_hash, added)] = added
        self._slots = {known: at for known, at in self._slots.items() if at >= oldest}
        self._newest = slot

    def slot(self, blockhash: Hash) -> int | None:
        """The slot of a hash that has not expired."""
        return self._slots.get(blockhash)
