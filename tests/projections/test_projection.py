"""What every projection keeps to."""

import sys
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import Event
from events.engine.memory import MemoryEngine
from projections.projection import Projection
from projections.runner import PROJECTIONS
from tests.entries import append_all, events, open_log


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_a_module_says_which_events_its_projection_reads(kind: type[Projection[Any]]):
    docstring = sys.modules[kind.__module__].__doc__ or ""
    said = docstring.partition("Reads ")[2].replace(".", "").replace("`", "").split()
    assert [name.strip(",") for name in said] == [event.__name__ for event in kind.reads]


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_what_a_projection_reads_are_events(kind: type[Projection[Any]]):
    assert set(kind.reads) <= set(get_args(Event))


@pytest.mark.parametrize("kind", PROJECTIONS)
@given(happened=st.lists(events, max_size=20))
def test_events_that_a_projection_does_not_read_change_nothing(
    kind: type[Projection[Any]], happened: Sequence[Event]
):
    log = open_log(MemoryEngine())
    append_all(log, happened)
    projection = kind()
    for entry in log.replay():
        before = projection.encode()
        projection.apply(entry)
        assert type(entry.event) in kind.reads or projection.encode() == before
