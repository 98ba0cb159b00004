"""The other side of a subscription, which does what a test's script says; `websockets` has no part in its frames."""

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

RECEIVE_BYTES = 64 * 1024
TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10
SUBSCRIBED = b'{"jsonrpc":"2.0","id":1,"result":7}'
NEWS = b'{"jsonrpc":"2.0","method":"logsNotification","params":{"result":{"value":{}},"subscription":7}}'
_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """A server's frame, unmasked (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 1 << 16:
        length = bytes([126]) + size.to_bytes(2)
    else:
        length = bytes([127]) + size.to_bytes(8)
    return bytes([fin << 7 | opcode]) + length + payload


def handshake(request: bytes) -> bytes:
    """The answer that accepts an opening handshake (RFC 6455, 4.2.2)."""
    headers = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
    key = next(value for name, value in headers.items() if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


class Peer:
    """One connection; what the client sends is read as it comes, and kept as (opcode, payload)."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._received = b""

    async def request(self) -> bytes:
        """The client's opening handshake."""
        while b"\r\n\r\n" not in self._received:
            self._received += await self._more()
        request, _, self._received = self._received.partition(b"\r\n\r\n")
        return request + b"\r\n\r\n"

    async def frame(self) -> tuple[int, bytes]:
        """The client's next frame, which is masked and short."""
        await self._have(2)
        opcode, size, header = self._received[0] & 0x0F, self._received[1] & 0x7F, 2
        assert self._received[1] & 0x80
        if size == 126:
            await self._have(4)
            size, header = int.from_bytes(self._received[2:4]), 4
        await self._have(header + 4 + size)
        mask, masked = self._received[header : header + 4], self._received[header + 4 : header + 4 + size]
        self._received = self._received[header + 4 + size :]
        return opcode, bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))

    async def accept(self) -> dict[str, object]:
        """Shake hands, and give the subscription's request, unanswered."""
        await self.stream.send_all(handshake(await self.request()))
        opcode, payload = await self.frame()
        assert opcode == TEXT
        return msgspec.json.decode(payload, type=dict[str, object])

    async def subscribe(self) -> None:
        """Shake hands, and answer the subscription's request."""
        await self.accept()
        await self.say(SUBSCRIBED)

    async def say(self, message: bytes) -> None:
        await self.stream.send_all(frame(message))

    async def _have(self, size: int) -> None:
        while len(self._received) < size:
            self._received += await self._more()

    async def _more(self) -> bytes:
        data = await self.stream.receive_some(RECEIVE_BYTES)
        if not data:
            raise trio.BrokenResourceError("the client is gone")
        return bytes(data)


@asynccontextmanager
async def open_peer(script: Callable[[Peer], Awaitable[object]]) -> AsyncIterator[int]:
    """Listen on a free port, and play `script` to who connects, then close; gives the port.

    A script that finds its client gone is over.
    """

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await script(Peer(stream))
            except trio.BrokenResourceError:
                return

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()
