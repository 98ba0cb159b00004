"""The PubSub endpoint: JSON-RPC over websockets, on websockets' Sans-I/O protocol and trio streams."""

from typing import Any

import msgspec
import trio
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from mu.config import PubsubLimits, RpcLimits
from mu.localnet.hub import Hub
from mu.localnet.jsonrpc import METHOD_NOT_FOUND, Call, Refusal, RpcError, failure, parse, success
from mu.localnet.params import check_count, unsigned
from mu.localnet.subscriptions import parse_subscription

_READ_BYTES = 64 * 1024


class PubsubEndpoint:
    """The handler of the PubSub port; `serve` is for `trio.serve_listeners`."""

    def __init__(self, hub: Hub, limits: PubsubLimits, rpc_limits: RpcLimits) -> None:
        self._hub = hub
        self._limits = limits
        self._rpc_limits = rpc_limits
        self._connections = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end; one too many is closed at once."""
        if self._connections >= self._limits.max_connections:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            await _Connection(stream, self._hub, self._limits, self._rpc_limits).run()
        finally:
            self._connections -= 1


class _Connection:
    """One websocket: a task reads and answers, a task writes what is queued, a task pings."""

    def __init__(
        self, stream: trio.SocketStream, hub: Hub, limits: PubsubLimits, rpc_limits: RpcLimits
    ) -> None:
        self._stream = stream
        self._hub = hub
        self._limits = limits
        self._rpc_limits = rpc_limits
        self._protocol = ServerProtocol(max_size=limits.max_message_bytes)
        self._queue, self._queued = trio.open_memory_channel[bytes](limits.max_queued_messages)
        self._write_lock = trio.Lock()
        self._scope = trio.CancelScope()
        self._parts: list[bytes] = []

    def deliver(self, message: bytes) -> None:
        """Queue a message; a subscriber that does not keep up is cut off, so that it knows of its loss."""
        try:
            self._queue.send_nowait(message)
        except (trio.WouldBlock, trio.BrokenResourceError):
            self._scope.cancel()

    async def run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    if await self._handshake():
                        nursery.start_soon(self._write_queued)
                        nursery.start_soon(self._ping)
                        await self._read()
                    nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            pass  # the peer has gone, or does not read: there is nobody to tell
        finally:
            self._hub.forget(self)
            self._queue.close()
            await trio.aclose_forcefully(self._stream)

    async def _handshake(self) -> bool:
        with trio.move_on_after(self._limits.handshake_timeout_seconds):
            while self._protocol.state is State.CONNECTING:
                ended = not await self._receive()
                for event in self._protocol.events_received():
                    if isinstance(event, Request):
                        self._protocol.send_response(self._protocol.accept(event))
                    elif isinstance(event, Frame):
                        self._frame(event)
                await self._flush()
                if ended or self._protocol.handshake_exc is not None:
                    break
        return self._protocol.state is State.OPEN

    async def _read(self) -> None:
        while self._protocol.state is not State.CLOSED:
            with trio.move_on_after(2 * self._limits.ping_interval_seconds) as silence:
                ended = not await self._receive()
                for event in self._protocol.events_received():
                    if isinstance(event, Frame):
                        self._frame(event)
                await self._flush()
                if ended or self._protocol.close_expected():
                    return
            if silence.cancelled_caught:
                return

    async def _receive(self) -> bool:
        data = await self._stream.receive_some(_READ_BYTES)
        if data:
            self._protocol.receive_data(bytes(data))
        else:
            self._protocol.receive_eof()
        return bool(data)

    async def _flush(self) -> None:
        async with self._write_lock:
            with trio.fail_after(self._limits.write_timeout_seconds):
                for data in self._protocol.data_to_send():
                    if data:
                        await self._stream.send_all(data)

    async def _write_queued(self) -> None:
        async for message in self._queued:
            if self._protocol.state is State.OPEN:
                self._protocol.send_text(message)
                await self._flush()

    async def _ping(self) -> None:
        while self._protocol.state is State.OPEN:
            await trio.sleep(self._limits.ping_interval_seconds)
            if self._protocol.state is State.OPEN:
                self._protocol.send_ping(b"")
                await self._flush()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._parts)
            self._parts.clear()
            self._message(message)

    def _message(self, message: bytes) -> None:
        try:
            calls = parse(message, max_calls=self._rpc_limits.max_calls_per_batch)
        except RpcError as error:
            self.deliver(msgspec.json.encode(failure(None, error)))
            return
        started: list[int] = []
        if isinstance(calls, list):
            answers = [self._call(call, started) for call in calls]
            said: Any = [answer for answer in answers if answer is not None]
        else:
            said = self._call(calls, started)
        if said:
            self.deliver(msgspec.json.encode(said))
        for identifier in started:
            self._hub.announce(identifier)

    def _call(self, call: Call | Refusal, started: list[int]) -> dict[str, Any] | None:
        if isinstance(call, Refusal):
            return failure(call.identifier, call.error)
        try:
            answer = success(call.identifier, self._result(call, started))
        except RpcError as error:
            answer = failure(call.identifier, error)
        return None if call.is_notification else answer

    def _result(self, call: Call, started: list[int]) -> int | bool:
        kind = call.method.removesuffix("Unsubscribe")
        if kind != call.method and kind in ("account", "logs", "program", "signature", "slot"):
            check_count(call.params, 1, 1)
            self._hub.unsubscribe(self, kind, unsigned(call.params[0]))
            return True
        if not call.method.endswith("Subscribe"):
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        subscription = parse_subscription(call.method, call.params, self._rpc_limits)
        identifier = self._hub.subscribe(self, subscription)
        started.append(identifier)
        return identifier
