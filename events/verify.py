"""Checks that a log is whole: positions without a gap, each record holding the hash of the one before."""

from contract.errors import MuError
from events.log import FIRST_POSITION, READ_BATCH_ENTRIES, Head
from events.record import ZERO_HASH
from events.recorder import EngineProcessRecorder


class BrokenLog(MuError):
    """The log was altered or damaged; `position` is the first that does not follow from the one before."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"position {position}: {problem}")
        self.position = position


def verify(recorder: EngineProcessRecorder) -> Head:
    """Read the whole log and return its head. Raises `BrokenLog` at the first entry that does not fit."""
    expected, previous_hash = FIRST_POSITION, ZERO_HASH
    while records := recorder.records(expected, READ_BATCH_ENTRIES):
        for position, record in records:
            if position != expected:
                raise BrokenLog(expected, "is missing")
            if record.previous_hash != previous_hash:
                raise BrokenLog(position, "does not hold the hash of the entry before it")
            expected, previous_hash = position + 1, record.hash
    head = Head(*recorder.head())
    if head != Head(expected - 1, previous_hash):
        raise BrokenLog(
            expected - 1, f"is the last entry, but the head of the log names position {head.position}"
        )
    return head
