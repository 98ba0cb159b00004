"""Which RPC node is asked: the pure choice."""

import pytest

from events.catalogue import Finality
from events.chain.endpoints import (
    MAX_SLOTS_BEHIND,
    Endpoint,
    EndpointLimits,
    ToldSlot,
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
WELL = Endpoint(confirmed=ToldSlot(1000))
CONFIRMED, FINALIZED = Finality


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


def test_a_young_chain_has_finalized_nothing():
    assert staleness(told_slot(Endpoint(), FINALIZED, 9, 0), FINALIZED, 9, 0, LIMITS) is None
    far = staleness(Endpoint(), FINALIZED, 9, MAX_SLOTS_BEHIND + 1, LIMITS)
    assert far == f"it is {MAX_SLOTS_BEHIND + 1} slots behind"


@pytest.mark.parametrize("finality", Finality)
def test_a_node_that_stands_still_or_is_far_behind_is_stale(finality: Finality):
    told = told_slot(Endpoint(), finality, 10, 1000)
    assert (told.told(finality), told.slot) == (ToldSlot(1000, 10), 1000)
    assert told_slot(told, finality, 12, 1000) == told
    assert staleness(told, finality, 12.9, 1000, LIMITS) is None
    assert staleness(told, finality, 13, 1000, LIMITS) == f"it has stood at {finality.value} slot 1000"
    assert staleness(told_slot(told, finality, 13, 1001), finality, 13, 1001, LIMITS) is None
    assert staleness(told, finality, 10, 1000 + MAX_SLOTS_BEHIND, LIMITS) is None
    assert (
        staleness(told, finality, 10, 1001 + MAX_SLOTS_BEHIND, LIMITS)
        == f"it is {MAX_SLOTS_BEHIND + 1} slots behind"
    )


def test_a_node_may_stand_still_at_one_finality_alone():
    told = told_slot(told_slot(Endpoint(), CONFIRMED, 10, 1000), FINALIZED, 10, 968)
    told = told_slot(told, CONFIRMED, 13, 1008)
    assert staleness(told, CONFIRMED, 13, 1008, LIMITS) is None
    assert staleness(told, FINALIZED, 13, 1000, LIMITS) == "it has stood at finalized slot 968"
    assert told.slot == 1008


def test_a_slot_told_in_error_does_not_stand_for_ever():
    liar = told_slot(Endpoint(), CONFIRMED, 10, 10**9)
    assert staleness(told_slot(liar, CONFIRMED, 14, 1000), CONFIRMED, 14, 1000, LIMITS) is None
    endpoints = {"liar": failed(liar, 11, "knows nothing", LIMITS), "other": WELL}
    assert best_slot(endpoints, CONFIRMED) == 1000
    assert best_slot(endpoints, FINALIZED) == 0
    assert best_slot({}, CONFIRMED) == 0


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
