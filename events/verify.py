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
from events.segment_store import SegmentUnavailable
from events.segments import Segment
from events.verification import Verification, Verified

MISPLACED = "is not the entry that its stream's index names"


class BrokenLog(MuError):
    """The log was altered or damaged; `position` is the first that does not follow from the one before."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"position {position}: {problem}")
        self.position = position


def examine(
    recorder: EngineProcessRecorder, *, progress: Callable[[int], None] = lambda position: None
) -> Verified:
    """Check the whole log as it stands now; `progress` is told the position that was reached, now and then.

    A segment whose file is not there, damaged, or not the one that the log notes, is one disagreement, and no record is
    taken from it. Stops after `MAX_DISAGREEMENTS`. Raises `DecodeError` for a note of a segment, and what the engine
    raises.
    """
    beyond = recorder.beyond_head()
    head = Head(*recorder.head())
    archived = deque(recorder.segments())
    verification = Verification(lambda position: _record_at(recorder, position))
    while verification.position < head.position:
        if verification.is_full:
            return verification.result(head)
        before = verification.position
        if archived and archived[0].first_position <= before + 1:
            segment = archived.popleft()
            damage = _damage(recorder, segment) if segment.last_position > before else None
            if damage is not None:
                verification.lose(before + 1, segment.last_position, *damage)
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
                verification.disagree(position, MISPLACED)
        if verification.position == before:
            break
        progress(verification.position)
    if beyond is not None:
        verification.disagree(
            beyond, f"comes after the head of the log, which names position {head.position}"
        )
    elif verification.position == head.position and (places := recorder.places()) > head.position:
        problem = f"is the last entry, but the streams' indexes name {places - head.position} more"
        verification.disagree(head.position, problem)
    return verification.finish(head)


def _damage(recorder: EngineProcessRecorder, segment: Segment) -> tuple[str, bytes | None] | None:
    """What is wrong with a segment's file, or with the note of it; and the hash of the last entry, if it is known."""
    name = f"the segment up to position {segment.last_position}"
    try:
        check_file(segment)
    except InvalidLogFile as error:
        return f"{name}, {segment.name} at {segment.location}: {error}", segment.last_hash
    except SegmentUnavailable as error:
        problem = f"{name} cannot be read, {error}; put it back, or say where it is with `mu log relocate`"
        return problem, segment.last_hash
    # its entries may still be in the engine, and other ones
    last = _record_at(recorder, segment.last_position)
    if last is None or last.hash != segment.last_hash:
        problem = f"{name}, {segment.name} at {segment.location}: it is of another log"
        return problem, None if last is None else last.hash
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
        for position in recorder.misplaced(records):
            verification.disagree(position, MISPLACED)


def _record_at(recorder: EngineProcessRecorder, position: int) -> Record | None:
    try:
        return recorder.record(position)
    except DecodeError:
        return None


def verify(recorder: EngineProcessRecorder) -> Head:
    """Read the whole log and return its head. Raises `BrokenLog` with the first thing that does not fit."""
    verified = examine(recorder)
    if verified.disagreements:
        first = verified.disagreements[0]
        raise BrokenLog(first.position, first.problem)
    return verified.head
