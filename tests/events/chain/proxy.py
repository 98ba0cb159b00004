"""A TCP proxy between a follower and its chain that kills connections and loses messages, when told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

CHUNK_BYTES = 64 * 1024
END_OF_HEADERS = b"\r\n\r\n"


class Proxy:
    """Forwards one local port to another."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._connections: set[trio.CancelScope] = set()
        self.port = 0
        self.accepted = 0
        self.drop_every_second_message = False
        self.is_half_open = False
        """Connections stay open, and nothing comes through, not even their end."""

    def kill_connections(self) -> None:
        """Break every connection at once."""
        for scope in self._connections:
            scope.cancel()

    async def serve(self, client: trio.SocketStream) -> None:
        self.accepted += 1
        with trio.CancelScope() as scope:
            self._connections.add(scope)
            try:
                server = await trio.open_tcp_stream("127.0.0.1", self._target_port)
                async with server, client, trio.open_nursery() as nursery:
                    nursery.start_soon(self._forward, client, server, nursery.cancel_scope)
                    await self._answer(server, client)
                    nursery.cancel_scope.cancel()
            except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                await trio.aclose_forcefully(client)
            finally:
                self._connections.discard(scope)

    async def _forward(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        async for data in source:
            if not self.is_half_open:
                await sink.send_all(data)
        scope.cancel()

    async def _answer(self, server: trio.SocketStream, client: trio.SocketStream) -> None:
        """Pass the handshake on, then one websocket frame after the other (the server's are not masked)."""
        buffer, open_, messages = b"", False, 0
        async for data in server:
            if self.is_half_open:
                continue
            buffer += data
            if not open_:
                end = buffer.find(END_OF_HEADERS)
                if end < 0:
                    continue
                open_ = True
                await client.send_all(buffer[: end + len(END_OF_HEADERS)])
                buffer = buffer[end + len(END_OF_HEADERS) :]
            while size := frame_bytes(buffer):
                frame, buffer = buffer[:size], buffer[size:]
                # the first message is the answer to the subscription
                messages += frame[0] & 0x0F == 1
                lost = self.drop_every_second_message and messages > 1 and messages % 2 == 0
                if not lost:
                    await client.send_all(frame)


def frame_bytes(buffer: bytes) -> int:
    """The size of the whole unmasked frame that `buffer` begins with, 0 if it is not whole yet (RFC 6455, 5.2)."""
    if len(buffer) < 2:
        return 0
    length, header = buffer[1] & 0x7F, 2
    if length >= 126:
        header = 4 if length == 126 else 10
        if len(buffer) < header:
            return 0
        length = int.from_bytes(buffer[2:header])
    return header + length if len(buffer) >= header + length else 0


@asynccontextmanager
async def open_proxy(target_port: int) -> AsyncIterator[Proxy]:
    """A proxy on a free port while the context lasts."""
    proxy = Proxy(target_port)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    proxy.port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, listeners)
        yield proxy
        nursery.cancel_scope.cancel()
