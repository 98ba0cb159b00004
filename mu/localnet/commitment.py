"""How sure a slot is: processed, confirmed one slot later, finalized 32 slots later."""

from enum import StrEnum

FINALIZED_LAG_SLOTS = 32


class Commitment(StrEnum):
    """The three levels of Solana's RPC."""

    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"

    @property
    def lag_slots(self) -> int:
        """How far the newest slot of this level is behind the processed one."""
        return _LAG_SLOTS[self]

    def slot(self, processed_slot: int) -> int:
        """The newest slot of this level (0 at the very beginning)."""
        return max(0, processed_slot - self.lag_slots)


_LAG_SLOTS = {Commitment.PROCESSED: 0, Commitment.CONFIRMED: 1, Commitment.FINALIZED: FINALIZED_LAG_SLOTS}


def commitment_of(slot: int, processed_slot: int) -> Commitment:
    """The highest level that `slot` has reached."""
    if slot <= processed_slot - FINALIZED_LAG_SLOTS:
        return Commitment.FINALIZED
    return Commitment.CONFIRMED if slot < processed_slot else Commitment.PROCESSED
