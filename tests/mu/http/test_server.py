"""The server over real sockets: limits, large answers, cancellation, resets."""

import json
import socket

import trio
import trio.testing

from mu.http.message import Request, Response
from mu.http.server import serve
from tests.mu.http.clients import LIMITS, Client, Handler, echo, get, request_ids


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
