import pytest

from events.catalogue import Event, NodeSource, ProjectionEventSkipped, ProjectionRetried, Retracted
from events.log import Entry
from projections.parking import Revision, revision_of

SKIPPED = ProjectionEventSkipped(name="stacks", position=3, reason="so")
RETRIED = ProjectionRetried(name="stacks", position=3, reason="so")


def entry(event: Event, position: int = 9) -> Entry:
    return Entry(position, "stream", 1, NodeSource("node", 1), 1, event, bytes(32), bytes(32))


def retracted(*positions: int) -> Retracted:
    return Retracted(scope="scope", first_sequence=1, last_sequence=len(positions), positions=positions)


def test_what_is_said_of_entries_before():
    assert revision_of(entry(SKIPPED)) == Revision(9, (3,), "stacks")
    assert revision_of(entry(RETRIED)) == Revision(9, (), "stacks", 3)
    assert revision_of(entry(retracted(3, 4))) == Revision(9, (3, 4))


@pytest.mark.parametrize("position", [-1, 0, 9, 10])
def test_what_is_said_of_no_entry_before_says_nothing(position: int):
    """Who folds again from before position 1 would not come to an end."""
    assert revision_of(entry(ProjectionEventSkipped(name="stacks", position=position, reason="so"))) is None
    assert revision_of(entry(ProjectionRetried(name="stacks", position=position, reason="so"))) is None
    assert revision_of(entry(retracted(position, 4))) == Revision(9, (4,))
