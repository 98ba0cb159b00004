"""The three commitments."""

import pytest

from mu.localnet.commitment import Commitment, commitment_of


@pytest.mark.parametrize(("processed", "confirmed", "finalized"), [(0, 0, 0), (1, 0, 0), (40, 39, 8)])
def test_slots_of_each_level(processed: int, confirmed: int, finalized: int) -> None:
    assert Commitment.PROCESSED.slot(processed) == processed
    assert Commitment.CONFIRMED.slot(processed) == confirmed
    assert Commitment.FINALIZED.slot(processed) == finalized


@pytest.mark.parametrize(
    ("slot", "level"), [(100, "processed"), (99, "confirmed"), (69, "confirmed"), (68, "finalized")]
)
def test_level_of_a_slot(slot: int, level: str) -> None:
    assert commitment_of(slot, 100) == level
