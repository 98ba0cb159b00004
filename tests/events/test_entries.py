"""An append that meets conflicts, or an engine that does not say what became of it."""

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError, Tracking

from events.engine import Conflict, OutcomeUnknown
from events.entries import (
    MAX_ATTEMPTS,
    EngineFailure,
    InsertOutcomeUnknown,
)
from events.recorder import EngineProcessRecorder
from tests.events.recorded import contents, stored


def test_conflicts_are_retried_and_the_pauses_grow(memory, recorder, pauses):
    for _ in range(12):
        memory.fail_next_commit(Conflict("injected"))
    assert recorder.insert_events([stored("a", 1)]) == [1]
    assert pauses == [0.001, 0.002, 0.004, 0.008, 0.016]


def test_conflicts_without_end_exhaust_the_budget(memory, recorder, pauses):
    for _ in range(MAX_ATTEMPTS):
        memory.fail_next_commit(Conflict("injected"))
    with pytest.raises(EngineFailure) as caught:
        recorder.insert_events([stored("a", 1)])
    assert isinstance(caught.value, OperationalError)
    assert not isinstance(caught.value, InsertOutcomeUnknown)
    assert max(pauses) == 0.1
    assert contents(memory) == []


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("tracking", [None, Tracking("t", 7)])
def test_after_an_unknown_outcome_a_batch_is_there_once(memory, recorder, applied, tracking):
    memory.fail_next_commit(OutcomeUnknown("injected"), applied=applied)
    events = [stored("a", 1), stored("b", 1)]
    assert recorder.insert_events(events, tracking=tracking) == [1, 2]
    assert recorder.head()[0] == 2
    assert recorder.max_tracking_id("t") == (7 if tracking else None)
    with pytest.raises(IntegrityError):
        recorder.insert_events(events)


@pytest.mark.parametrize("applied", [True, False])
def test_after_an_unknown_outcome_tracking_alone_is_there(memory, recorder, applied):
    memory.fail_next_commit(OutcomeUnknown("injected"), applied=applied)
    recorder.insert_tracking(Tracking("t", 7))
    assert recorder.max_tracking_id("t") == 7


def test_unknown_outcomes_in_a_row(memory, recorder):
    for applied in (False, False, True):
        memory.fail_next_commit(OutcomeUnknown("injected"), applied=applied)
    assert recorder.insert_events([stored("a", 1)]) == [1]
    assert [position for position, _ in recorder.records(1, 10)] == [1]


class Interrupted:
    """An engine where something happens between a commit's lost answer and the next attempt."""

    def __init__(self, engine, between):
        self.engine, self.between, self.begun = engine, between, 0

    def begin(self):
        self.begun += 1
        if self.begun == 2:
            self.between()
        return self.engine.begin()

    def snapshot(self):
        return self.engine.snapshot()

    def close(self):
        self.engine.close()


@pytest.mark.parametrize("applied", [True, False])
def test_another_writer_before_the_reading_back(memory, applied):
    other = EngineProcessRecorder(memory)
    recorder = EngineProcessRecorder(Interrupted(memory, lambda: other.insert_events([stored("b", 1)])))
    memory.fail_next_commit(OutcomeUnknown("injected"), applied=applied)
    assert recorder.insert_events([stored("a", 1)]) == ([1] if applied else [2])
    assert sorted(record.stream for _, record in recorder.records(1, 10)) == ["a", "b"]


def test_another_writer_takes_the_version_before_the_reading_back(memory):
    other = EngineProcessRecorder(memory)
    recorder = EngineProcessRecorder(
        Interrupted(memory, lambda: other.insert_events([stored("a", 1, b"theirs")]))
    )
    memory.fail_next_commit(OutcomeUnknown("injected"), applied=False)
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored("a", 1, b"ours")])
    assert [record.state for _, record in recorder.records(1, 10)] == [b"theirs"]


def test_an_engine_that_goes_away_after_an_unknown_outcome(memory):
    recorder = EngineProcessRecorder(Interrupted(memory, memory.close))
    memory.fail_next_commit(OutcomeUnknown("injected"), applied=True)
    with pytest.raises(InsertOutcomeUnknown):
        recorder.insert_events([stored("a", 1)])
