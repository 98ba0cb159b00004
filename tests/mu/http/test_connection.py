"""The server's behaviour on one connection: order, endings, timeouts and failures."""

import json
import logging
import math

import pytest
import trio
import trio.testing

from mu.http.connection import Connection
from mu.http.encoder import DateHeader
from mu.http.message import Request, Response
from tests.mu.http.clients import LIMITS, connect, echo, get, request_ids


async def test_requests_are_answered_in_order_on_one_connection(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    for path in ("/1", "/2"):
        await client.send(get(path))
        assert await client.answer() == (
            200,
            {
                "date": "Thu, 01 Jan 1970 00:00:00 GMT",
                "x-request-id": f"r{int(path[1]) - 1}",
                "content-length": "7",
            },
            f"GET {path} ".encode(),
        )


async def test_pipelined_requests_are_answered_in_order_in_one_send(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/0") + get("/1", method="POST") + get("/2", "Connection: close") + get("/3"))
    data = await client.stream.receive_some(65536)
    bodies = [part.split(b"\r\n\r\n")[1] for part in bytes(data).split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"GET /0 ", b"POST /1 ", b"GET /2 "]
    assert await client.closed()


async def test_a_slow_answer_does_not_hold_up_the_one_before_it(nursery: trio.Nursery) -> None:
    release = trio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/slow":
            await release.wait()
        return await echo(request)

    client = connect(nursery, handler)
    await client.send(get("/fast") + get("/slow") + get("/last"))
    assert (await client.answer())[2] == b"GET /fast "
    release.set()
    assert (await client.answer())[2] == b"GET /slow "
    assert (await client.answer())[2] == b"GET /last "
    await client.send(get("/next"))
    assert (await client.answer())[2] == b"GET /next "


async def test_the_last_request_of_a_pipeline_and_an_error_after_it_are_both_answered(
    nursery: trio.Nursery,
) -> None:
    client = connect(nursery)
    await client.send(get("/1") + b"nonsense\r\n\r\n")
    assert (await client.answer())[2] == b"GET /1 "
    status, headers, body = await client.answer()
    assert (status, headers["connection"]) == (400, "close")
    error = json.loads(body)["error"]
    assert (error["status"], error["request_id"]) == (400, headers["x-request-id"])
    assert await client.closed()


async def test_http_1_0_closes_unless_asked_to_stay(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/", "Connection: keep-alive", version="1.0"))
    assert (await client.answer())[1]["connection"] == "keep-alive"
    await client.send(get("/", version="1.0"))
    assert (await client.answer())[1]["connection"] == "close"
    assert await client.closed()


async def test_connection_close_is_honoured_and_sent(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/", "Connection: close"))
    assert (await client.answer())[1]["connection"] == "close"
    assert await client.closed()


async def test_the_last_allowed_request_closes(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get() * 60)
    connections = [(await client.answer())[1].get("connection") for _ in range(50)]
    assert connections == [None] * 49 + ["close"]
    assert await client.closed()


async def test_head_and_options(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/x", method="HEAD") + get("*", method="OPTIONS"))
    status, headers, _ = await client.answer(head=True)
    assert (status, headers["content-length"]) == (200, "8")
    assert (await client.answer())[2] == b"OPTIONS * "


async def test_a_client_that_waits_is_told_to_continue_after_earlier_answers(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/1") + get("/2", "Expect: 100-continue", "Content-Length: 2", method="POST"))
    assert (await client.answer())[2] == b"GET /1 "
    assert (await client.answer())[0] == 100
    await client.send(b"hi")
    assert (await client.answer())[2] == b"POST /2 hi"


async def test_a_body_too_large_is_refused_before_it_is_sent(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/", "Expect: 100-continue", "Content-Length: 1001", method="POST"))
    assert (await client.answer())[0] == 413
    assert await client.closed()


async def test_a_half_closed_client_gets_its_answers(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/1") + get("/2"))
    await client.stream.send_eof()
    assert (await client.answer())[2] == b"GET /1 "
    assert (await client.answer())[2] == b"GET /2 "
    assert await client.closed()


async def test_a_request_cut_short_is_answered_with_400(nursery: trio.Nursery) -> None:
    client = connect(nursery)
    await client.send(get("/1", "Content-Length: 2", method="POST") + b"x")
    await client.stream.send_eof()
    assert (await client.answer())[0] == 400
    assert await client.closed()


async def broken(request: Request) -> Response:
    if request.path == "/raise":
        raise RuntimeError("secret")
    if request.path == "/inject":
        return Response(200, (("x", "a\r\nset-cookie: secret"),))
    if request.path == "/type":
        return Response(200, (), "secret")  # pyright: ignore[reportArgumentType]
    return await echo(request)


@pytest.mark.parametrize("path", ["/raise", "/inject", "/type"])
async def test_a_failing_handler_is_logged_and_answered_without_leaking(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    client = connect(nursery, broken)
    with caplog.at_level(logging.ERROR, "mu.http"):
        await client.send(get(path))
        status, headers, body = await client.answer()
    assert status == 500
    assert json.loads(body) == {"error": {"status": 500, "reason": "internal error", "request_id": "r0"}}
    assert "secret" not in str(headers)
    (record,) = caplog.records
    assert record.exc_info
    assert "r0" in record.getMessage()
    await client.send(get("/fine"))
    assert (await client.answer())[2] == b"GET /fine "


@pytest.mark.parametrize(
    ("sent", "status", "seconds"),
    [
        (b"", None, 60),
        (b"\r\n", None, 60),
        (b"GET / HT", 408, 10),
        (get("/", "Content-Length: 5", method="POST") + b"ab", 408, 30),
    ],
)
async def test_slow_clients_are_told_and_idle_ones_are_not(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
    sent: bytes,
    status: int | None,
    seconds: float,
) -> None:
    client = connect(nursery)
    await client.send(get("/first"))
    await client.answer()
    started = trio.current_time()
    if sent:
        await client.send(sent)
    if status is not None:
        assert (await client.answer())[0] == status
    assert await client.closed()
    assert trio.current_time() - started == pytest.approx(seconds)


@pytest.mark.parametrize(("drip", "seconds"), [(b"\r\n", 60), (b"GET / HTTP/1.1\r\nX: " + b"x" * 100, 10)])
async def test_dripping_bytes_do_not_move_the_deadline(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, drip: bytes, seconds: float
) -> None:
    client = connect(nursery)

    async def send_slowly() -> None:
        for byte in drip * 100:
            await client.send(bytes([byte]))
            await trio.sleep(1)

    with pytest.raises(trio.BrokenResourceError):
        await send_slowly()
    assert seconds <= trio.current_time() <= seconds + 5


async def test_a_request_that_meets_the_deadline_is_not_begun(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    begun = []

    async def handler(request: Request) -> Response:
        begun.append(request.path)
        await trio.lowlevel.checkpoint()
        return await echo(request)

    client = connect(nursery, handler)
    await trio.testing.wait_all_tasks_blocked()
    await client.send(get("/late"))
    mock_clock.jump(60)
    assert await client.closed()
    assert begun == []


async def test_a_handler_may_take_longer_than_any_timeout(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def handler(request: Request) -> Response:
        await trio.sleep(1000)
        return await echo(request)

    client = connect(nursery, handler)
    await client.send(get() + get())
    assert (await client.answer())[0] == 200
    assert (await client.answer())[0] == 200
    await client.send(get())
    assert (await client.answer())[0] == 200
    assert trio.current_time() == pytest.approx(3000)


@pytest.mark.parametrize("requests", [1, 3])
async def test_a_client_that_does_not_read_is_cut_off(
    autojump_clock: trio.testing.MockClock, requests: int
) -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    await_send = trio.Event()

    async def handler(request: Request) -> Response:
        await_send.set()
        return await echo(request)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(theirs, handler, LIMITS, request_ids(), DateHeader(lambda: 0)).run)
        await ours.send_all(get() * requests)
        await await_send.wait()
    assert trio.current_time() == pytest.approx(20)


async def test_a_client_that_vanishes_is_forgotten() -> None:
    async with trio.open_nursery() as nursery:
        client = connect(nursery)
        await client.send(get() + get() + b"GET")
        await client.stream.aclose()


async def test_cancellation_closes_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(request: Request) -> Response:
        await trio.sleep(math.inf)
        raise AssertionError

    async with trio.open_nursery() as nursery:
        idle, busy, pipelined = (connect(nursery, handler) for _ in range(3))
        await busy.send(get())
        await pipelined.send(get() * 3)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    for client in (idle, busy, pipelined):
        assert await client.closed()
    assert trio.current_time() == 0
