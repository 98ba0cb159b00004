"""Which RPC node is asked: the pure choice."""

import pytest

from events.chain.endpoints import (
    MAX_SLOTS_BEHIND,
    Endpoint,
    EndpointLimits,
    answered,
    best_slot,
    blocked_seconds,
    choose,
    failed,
    staleness,
    told_slot,
)
from events.chain.rpc import retry_after_seconds

LIMITS = EndpointLimits(rest_seconds=10.0, stalled_seconds=3.0, longest_wait_seconds=60.0)
WELL = Endpoint(slot=1000)


def test_the_first_that_is_well_is_asked_and_kept():
    endpoints = {"a": WELL, "b": WELL, "c": WELL}
    assert choose(endpoints, None, 0, LIMITS) == "a"
    assert choose(endpoints, "b", 0, LIMITS) == "b"
    assert choose(endpoints, "b", 0, LIMITS, {"b"}) == "a"
    assert choose(endpoints, "b", 0, LIMITS, {"a", "b", "c"}) is None


def test_one_that_has_failed_rests_and_of_several_the_one_that_has_rested_longest_is_asked():
    endpoints = {"a": failed(WELL, 5, "down", LIMITS), "b": WELL}
    assert choose(endpoints, "a", 6, LIMITS) == "b"
    assert choose(endpoints, "a", 6, LIMITS, {"b"}) == "a"
    assert choose(endpoints, "a", 15, LIMITS) == "a"
    endpoints["b"] = failed(WELL, 4, "down", LIMITS)
    assert choose(endpoints, "a", 6, LIMITS) == "b"
    endpoints["a"] = answered(endpoints["a"])
    assert (endpoints["a"].failures, endpoints["a"].problem) == (1, None)
    assert choose(endpoints, "b", 6, LIMITS) == "a"


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (3600.0, 60.0), (None, 0.0), (0.0, 0.0)])
def test_one_that_asks_to_be_left_alone_is_up_to_a_limit(asked: float | None, waited: float):
    blocked = failed(WELL, 100, "busy", LIMITS, retry_after_seconds=asked)
    endpoints = {"a": blocked}
    assert blocked.blocked_until == 100 + waited
    assert (choose(endpoints, "a", 100, LIMITS) is None) == (waited > 0)
    assert choose(endpoints, "a", 100 + waited, LIMITS) == "a"
    assert blocked_seconds(endpoints, 100) == (waited or None)
    assert blocked_seconds({**endpoints, "b": WELL}, 100) is None
    # a failure without a word of waiting does not shorten it
    assert failed(blocked, 101, "down", LIMITS).blocked_until == max(101, blocked.blocked_until)


def test_a_node_that_stands_still_or_is_far_behind_is_stale():
    told = told_slot(Endpoint(), 10, 1000)
    assert (told.slot, told.slot_changed_at) == (1000, 10)
    assert told_slot(told, 12, 1000) == told
    assert staleness(told, 12.9, 1000, LIMITS) is None
    assert staleness(told, 13, 1000, LIMITS) == "it has stood at slot 1000"
    assert staleness(told_slot(told, 13, 1001), 13, 1001, LIMITS) is None
    assert staleness(told, 10, 1000 + MAX_SLOTS_BEHIND, LIMITS) is None
    assert (
        staleness(told, 10, 1001 + MAX_SLOTS_BEHIND, LIMITS) == f"it is {MAX_SLOTS_BEHIND + 1} slots behind"
    )


def test_a_slot_told_in_error_does_not_stand_for_ever():
    liar = told_slot(Endpoint(), 10, 10**9)
    assert staleness(told_slot(liar, 14, 1000), 14, 1000, LIMITS) is None
    assert best_slot({"liar": failed(liar, 11, "knows nothing", LIMITS), "other": WELL}) == 1000
    assert best_slot({}) == 0


DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("7", "", 7.0),
        ("0", "", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", DATE, 30.0),
        ("Wed, 21 Oct 2015 07:27:30 GMT", DATE, 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", "", None),
        ("", DATE, None),
        ("-7", DATE, None),
        ("1.5", DATE, None),
        ("soon", DATE, None),
        ("²", DATE, None),
        ("9" * 5000, "", None),
    ],
    ids=str,
)
def test_retry_after(header: str, date: str, seconds: float | None):
    if header == "9" * 5000:
        assert (retry_after_seconds(header, date) or 0) > 10**9
    else:
        assert retry_after_seconds(header, date) == seconds
