"""A client of the server under test, and what it talks to."""

from collections.abc import Awaitable, Callable

import trio
import trio.testing

from mu.config import HttpLimits
from mu.http.connection import Connection
from mu.http.encoder import DateHeader
from mu.http.message import Request, Response

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
