"""An RPC node between a follower and its chain that fails in one of the ways in which nodes fail."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from mu.config import HttpLimits
from mu.http.message import Request, Response
from mu.http.server import serve

JSON = ("content-type", "application/json")


class FaultyNode:
    """Passes questions on to the chain at `target_port`, or does what `fault` says:

    `hang` (answers never), `stuck` (shows for ever what it showed last), `empty` (is healthy and knows nothing),
    `forgetful` (has accounts, and no history: as one that replays its ledger),
    `busy` (429, asks to be left alone for `retry_after` seconds), `broken` (503), `nonsense` (no JSON-RPC).
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._shown: dict[str, bytes] = {}
        self.port = 0
        self.fault: str | None = None
        self.retry_after = "7"
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: Request) -> Response:
        self.asked += 1
        match self.fault:
            case "hang":
                await trio.sleep_forever()
            case "busy":
                return Response(429, (("retry-after", self.retry_after),), b"slow down")
            case "broken":
                return Response(503, (), b"")
            case "nonsense":
                return Response(200, (JSON,), b'{"jsonrpc":"2.0","id":0,"result":"surprise"}')
            case "empty":
                return Response(200, (JSON,), _nothing(json.loads(request.body)))
            case "forgetful" if json.loads(request.body)["method"] != "getAccountInfo":
                return Response(200, (JSON,), _nothing(json.loads(request.body)))
            case "stuck":
                if (shown := self._shown.get(_question(request.body))) is not None:
                    return Response(200, (JSON,), shown)
            case _:
                pass
        body = await post(self._target_port, request.body)
        self._shown[_question(request.body)] = body
        return Response(200, (JSON,), body)


def _question(body: bytes) -> str:
    asked = json.loads(body)
    return json.dumps([asked["method"], asked["params"]])


def _nothing(asked: dict[str, Any]) -> bytes:
    slot = 10**6
    results: dict[str, Any] = {
        "getAccountInfo": {"context": {"apiVersion": "2.2.0", "slot": slot}, "value": None},
        "getMultipleAccounts": {"context": {"apiVersion": "2.2.0", "slot": slot}, "value": [None, None]},
        "getSignaturesForAddress": [],
        "getTransaction": None,
        "getBlock": None,
    }
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": results[asked["method"]]}).encode()


async def post(port: int, body: bytes) -> bytes:
    """The body of a node's answer to a request as it is."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n"
        await stream.send_all(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = b"".join([bytes(data) async for data in stream])
    return answer.partition(b"\r\n\r\n")[2]


@asynccontextmanager
async def open_faulty_node(target_port: int) -> AsyncIterator[FaultyNode]:
    """A node on a free port while the context lasts."""
    node = FaultyNode(target_port)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    node.port = listeners[0].socket.getsockname()[1]

    async def server(task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        await serve(node.answer, listeners, HttpLimits(), request_ids=lambda: "id", task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(server)
        yield node
        nursery.cancel_scope.cancel()
