"""Checks that a log is whole: its chain of entries, its streams, the chain events of each scope, and the signatures."""

from collections import deque
from collections.abc import Callable

from contract.errors import DecodeError, MuError
from events.log import READ_BATCH_ENTRIES
from events.log_file import InvalidLogFile
from events.log_keys import Head
from events.record import Record, UnreadableRecord
from events.recorder import EngineProcessRecorder
from events.segment_files import check_file
from events.segments import Segment
from events.verification import Verification, Verified

MAX_DISAGREEMENTS = 1000
"""A damaged log is not read on to find more."""


class BrokenLog(MuError):
    """The log was altered or damaged; `position` is the first that does not follow from the one before."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"position {position}: {problem}")
        self.position = position


def examine(
    recorder: EngineProcessRecorder, *, progress: Callable[[int], None] = lambda position: None
) -> Verified:
    """Check the whole log as it stands now; `progress` is told the position that was reached, now and then.

    A segment whose file is damaged, or not the one that the log notes, is one disagreement, and no record is taken from
    it. Stops after `MAX_DISAGREEMENTS`. Raises `DecodeError` for a note of a segment, and what engine and store raise.
    """
    beyond = recorder.beyond_head()
    head = Head(*recorder.head())
    archived = deque(recorder.segments())
    verification = Verification(lambda position: _record_at(recorder, position))
    while verification.position < head.position:
        if len(verification.disagreements) >= MAX_DISAGREEMENTS:
            return verification.result(head)
        before = verification.position
        if archived and archived[0].first_position <= before + 1:
            segment = archived.popleft()
            problem = _damage(segment) if segment.last_position > before else None
            if problem is not None:
                verification.lose(before + 1, segment.last_position, problem, segment.last_hash)
                continue
        wanted = min(READ_BATCH_ENTRIES, head.position - before)
        if archived:
            wanted = min(wanted, archived[0].first_position - 1 - before)
        try:
            records = recorder.records(before + 1, wanted)
        except DecodeError:
            _add_singly(recorder, verification, before + wanted)
        else:
            for position, record in records:
                if position <= head.position:
                    verification.add(position, record)
            for position in recorder.misplaced(records):
                verification.disagree(position, "is not the entry that its stream's index names")
        if verification.position == before:
            break
        progress(verification.position)
    if beyond is not None:
        verification.disagree(
            beyond, f"comes after the head of the log, which names position {head.position}"
        )
    return verification.finish(head)


def _damage(segment: Segment) -> str | None:
    """What is wrong with a segment's file."""
    try:
        check_file(segment)
    except InvalidLogFile as error:
        last, location = segment.last_position, segment.location
        return f"the segment up to position {last}, {segment.name} at {location}: {error}"
    return None


def _add_singly(recorder: EngineProcessRecorder, verification: Verification, last: int) -> None:
    """Records one of which cannot be read."""
    while (wanted := verification.position + 1) <= last:
        try:
            records = recorder.records(wanted, 1)
        except DecodeError as error:
            problem = error.problem if isinstance(error, UnreadableRecord) else str(error)
            verification.lose(wanted, wanted, problem)
            continue
        if not records or records[0][0] > last:
            return
        verification.add(*records[0])


def _record_at(recorder: EngineProcessRecorder, position: int) -> Record | None:
    try:
        found = recorder.records(position, 1)
    except DecodeError:
        return None
    return found[0][1] if found and found[0][0] == position else None


def verify(recorder: EngineProcessRecorder) -> Head:
    """Read the whole log and return its head. Raises `BrokenLog` with the first thing that does not fit."""
    verified = examine(recorder)
    if verified.disagreements:
        first = verified.disagreements[0]
        raise BrokenLog(first.position, first.problem)
    return verified.head
