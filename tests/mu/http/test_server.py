"""The server's behaviour on a connection and over real sockets: order, endings, timeouts and failures."""

import json
import logging
import math
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from mu.config import HttpLimits
from mu.http.connection import Connection
from mu.http.encoder import DateHeader
from mu.http.message import Request, Response
from mu.http.server import serve

LIMITS = HttpLimits(
    max_body_bytes=1000,
    max_connections=2,
    max_requests_per_connection=50,
    idle_timeout_seconds=60,
    header_timeout_seconds=10,
    body_timeout_seconds=30,
    write_timeout_seconds=20,
)

Handler = Callable[[Request], Awaitable[Response]]


async def echo(request: Request) -> Response:
    return Response(200, (), f"{request.method} {request.path} ".encode() + request.body)


class Client:
    """The far end of a connection; reads answers whole."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self._data = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        assert data, f"the server closed after {self._data!r}"
        self._data += bytes(data)

    async def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self._data:
            await self._more()
        lines, _, self._data = self._data.partition(b"\r\n\r\n")
        status_line, *header_lines = lines.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in header_lines)
        length = 0 if head else int(headers.get("content-length", 0))
        while len(self._data) < length:
            await self._more()
        body, self._data = self._data[:length], self._data[length:]
        return int(status_line.split(" ")[1]), headers, body

    async def closed(self) -> bool:
        """Whether the server ends without another byte, once it has decided to."""
        return self._data == b"" and await self.stream.receive_some(65536) == b""


def request_ids() -> Callable[[], str]:
    counter = iter(range(1000))
    return lambda: f"r{next(counter)}"


def connect(nursery: trio.Nursery, handler: Handler = echo, limits: HttpLimits = LIMITS) -> Client:
    ours, theirs = trio.testing.memory_stream_pair()
    connection = Connection(theirs, handler, limits, request_ids(), DateHeader(lambda: 0))
    nursery.start_soon(connection.run)
    return Client(ours)


def get(path: str = "/", *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: a", *lines, "", ""]).encode()


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


async def test_pipelined_answers_wait_for_a_client_that_does_not_read(nursery: trio.Nursery) -> None:
    started = 0
    megabyte = bytes(1_000_000)

    async def handler(request: Request) -> Response:
        nonlocal started
        started += 1
        return Response(200, (), megabyte)

    client = await open_client(await start(nursery, handler))
    await client.send(get() * 40)
    await client.answer()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert started < 30
    for _ in range(39):
        assert (await client.answer())[2] == megabyte


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


async def start(nursery: trio.Nursery, handler: Handler = echo) -> trio.SocketListener:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def run(task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        await serve(handler, listeners, LIMITS, request_ids=request_ids(), task_status=task_status)

    (listener,) = await nursery.start(run)
    return listener


async def open_client(listener: trio.SocketListener) -> Client:
    return Client(await trio.testing.open_stream_to_socket_listener(listener))


async def test_connections_beyond_the_limit_are_refused_and_room_is_made_again(nursery: trio.Nursery) -> None:
    listener = await start(nursery)
    clients = [await open_client(listener) for _ in range(2)]
    for client in clients:
        await client.send(get())
        assert (await client.answer())[0] == 200
    refused = await open_client(listener)
    await refused.send(get())
    status, headers, body = await refused.answer()
    assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")
    assert json.loads(body)["error"]["status"] == 503
    assert await refused.closed()
    await clients[0].stream.aclose()
    status = 503
    with trio.fail_after(5):
        while status == 503:
            client = await open_client(listener)
            await client.send(get())
            status, _, _ = await client.answer()
            await client.stream.aclose()
    assert status == 200


async def test_an_upload_too_large_still_reads_its_answer(nursery: trio.Nursery) -> None:
    client = await open_client(await start(nursery))
    await client.send(get("/", "Content-Length: 3000000", method="POST") + bytes(3_000_000))
    assert (await client.answer())[0] == 413
    assert await client.closed()


async def test_an_answer_larger_than_the_sockets_buffers_arrives_whole(nursery: trio.Nursery) -> None:
    body = bytes(range(256)) * 40_000

    async def handler(request: Request) -> Response:
        return Response(200, (), body)

    client = await open_client(await start(nursery, handler))
    await client.send(get())
    assert (await client.answer())[2] == body


async def test_cancelling_the_server_closes_its_sockets() -> None:
    async with trio.open_nursery() as nursery:
        listener = await start(nursery)
        client = await open_client(listener)
        await client.send(get())
        await client.answer()
        nursery.cancel_scope.cancel()
    assert listener.socket.fileno() == -1
    with trio.fail_after(5):
        assert await client.closed()


async def test_a_reset_connection_does_not_disturb_the_others(nursery: trio.Nursery) -> None:
    listener = await start(nursery)
    bad, good = await open_client(listener), await open_client(listener)
    assert isinstance(bad.stream, trio.SocketStream)
    await bad.send(get() * 3)
    bad.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    await bad.stream.aclose()
    await good.send(get("/good"))
    assert (await good.answer())[2] == b"GET /good "
