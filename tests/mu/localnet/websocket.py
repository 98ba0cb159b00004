"""A websocket client for tests: websockets' Sans-I/O protocol on a trio stream."""

import json
from typing import Any

import trio
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri


class WebsocketClient:
    """Sends JSON-RPC and reads messages one by one; `close_code` is set once the server has closed."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.protocol = ClientProtocol(parse_uri("ws://localhost/"))
        self._messages: list[Any] = []
        self._identifier = 0

    async def connect(self) -> "WebsocketClient":
        self.protocol.send_request(self.protocol.connect())
        await self.flush()
        while self.protocol.state.name == "CONNECTING":
            await self.receive()
        return self

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send_all(data)

    async def receive(self) -> bool:
        data = await self.stream.receive_some()
        if data:
            self.protocol.receive_data(bytes(data))
        else:
            self.protocol.receive_eof()
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._messages.append(json.loads(bytes(event.data)))
        await self.flush()
        return bool(data)

    async def message(self) -> Any:
        while not self._messages:
            assert await self.receive(), "the server has closed"
        return self._messages.pop(0)

    async def send(self, text: bytes) -> None:
        self.protocol.send_text(text)
        await self.flush()

    async def call(self, method: str, *params: object) -> Any:
        self._identifier += 1
        await self.send(
            json.dumps(
                {"jsonrpc": "2.0", "id": self._identifier, "method": method, "params": params}
            ).encode()
        )
        answer = await self.message()
        assert answer["id"] == self._identifier
        return answer

    async def until_closed(self) -> int | None:
        while await self.receive():
            pass
        return self.protocol.close_code
