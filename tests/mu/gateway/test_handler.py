"""The answer to each way in which a function can end; whole requests are in tests/mu/test_local_region.py."""

import json

import pytest

from mu.gateway.handler import answer
from mu.http.message import Response
from mu.runtime.outcome import (
    Failed,
    Finished,
    Garbage,
    Outcome,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Silent,
    Trapped,
)
from mu.runtime.protocol import FunctionResponse, Header

USED = {"fuel_used": 1, "memory_bytes": 1}


def finished(status: int, *headers: Header) -> Finished:
    return Finished(**USED, response=FunctionResponse(status, headers, b"body"))


def test_a_result_is_passed_on():
    assert answer(finished(201, Header("X-A", "b")), "id") == Response(201, (("X-A", "b"),), b"body")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Failed(**USED, error="secret detail"), 500),
        (Trapped(**USED, reason="secret detail"), 502),
        (Garbage(**USED, reason="secret detail"), 502),
        (Silent(**USED), 502),
        (OutOfMemory(**USED), 502),
        (OutputTooLarge(**USED), 502),
        (OutOfFuel(**USED), 504),
        (OutOfTime(**USED), 504),
        (finished(0), 502),
        (finished(101), 502),
        (finished(600), 502),
        (finished(200, Header("a b", "c")), 502),
        (finished(200, Header("a", "b\r\nc: d")), 502),
        (finished(200, Header("a", "€")), 502),
    ],
)
def test_everything_else_is_an_error_that_tells_no_details(outcome: Outcome, status: int):
    response = answer(outcome, "id")
    assert response.status == status
    error = json.loads(response.body)["error"]
    assert (error["status"], error["request_id"]) == (status, "id")
    assert b"secret" not in response.body
