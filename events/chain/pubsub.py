"""Hears from a chain's PubSub that something happened; what it was, the follower asks over RPC.

`websockets`' Sans-I/O client drives the protocol over a trio stream.
"""

import logging
import ssl
from collections.abc import Callable

import msgspec
import trio
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from contract.errors import MuError
from events.chain.rpc import logs_subscription

RECEIVE_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

logger = logging.getLogger(__name__)


class SubscriptionLost(MuError):
    """The PubSub connection could not be made, or ended."""


class _Answer(msgspec.Struct):
    """The parts of a JSON-RPC message that tell an answer from a notification."""

    method: str | None = None
    id: int | None = None
    result: int | None = None
    error: dict[str, object] | None = None


class LogsSubscription:
    """One `logsSubscribe`, over connections that are made anew whenever they end.

    `connect_seconds` bounds the making of a connection, up to the answer to the subscription; a connection on which
    nothing arrives for `ping_seconds` is pinged, and given up when `pong_seconds` later still nothing has.
    """

    def __init__(
        self,
        url: str,
        address: str,
        *,
        connect_seconds: float,
        ping_seconds: float,
        pong_seconds: float,
        commitment: str,
    ) -> None:
        self._uri = parse_uri(url)
        self._request = logs_subscription(address, commitment)
        self._connect_seconds = connect_seconds
        self._ping_seconds = ping_seconds
        self._pong_seconds = pong_seconds

    async def run(self, on_news: Callable[[], None]) -> None:
        """Subscribe and call `on_news` at each notification, and once when the subscription stands (what happened
        before it did may have been missed). Raises `SubscriptionLost` when the connection ends.
        """
        try:
            with trio.fail_after(self._connect_seconds):
                stream = await self._open_stream()
        except (OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
            raise SubscriptionLost(
                f"no connection to {self._uri.host}:{self._uri.port} ({error!r})"
            ) from None
        async with stream:
            try:
                await self._converse(stream, on_news)
            except (trio.BrokenResourceError, trio.ClosedResourceError, WebSocketException) as error:
                raise SubscriptionLost(f"the connection broke ({error!r})") from None

    async def _open_stream(self) -> trio.abc.Stream:
        tcp = await trio.open_tcp_stream(self._uri.host, self._uri.port)
        if not self._uri.secure:
            return tcp
        secure = trio.SSLStream(tcp, ssl.create_default_context(), server_hostname=self._uri.host)
        try:
            await secure.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(tcp)
            raise
        return secure

    async def _converse(self, stream: trio.abc.Stream, on_news: Callable[[], None]) -> None:
        protocol = ClientProtocol(self._uri, max_size=MAX_MESSAGE_BYTES)
        protocol.send_request(protocol.connect())
        await self._flush(stream, protocol)
        deadline = trio.current_time() + self._connect_seconds
        subscribed, pinged = False, False
        message, data = bytearray(), b""
        while True:
            with trio.move_on_at(deadline) as scope:
                data = bytes(await stream.receive_some(RECEIVE_BYTES))
                if data:
                    protocol.receive_data(data)
                else:
                    protocol.receive_eof()
            if scope.cancelled_caught:
                if not subscribed or pinged:
                    raise SubscriptionLost("the other side has gone silent")
                protocol.send_ping(b"mu")
                pinged, deadline = True, trio.current_time() + self._pong_seconds
                await self._flush(stream, protocol)
                continue
            for event in protocol.events_received():
                if isinstance(event, Response):
                    if protocol.handshake_exc is not None:
                        raise protocol.handshake_exc
                    protocol.send_text(self._request)
                elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT):
                    message += event.data
                    if event.fin:
                        subscribed = self._read(bytes(message), subscribed)
                        message.clear()
                        if subscribed:
                            on_news()
            await self._flush(stream, protocol)
            # a side that has said goodbye may still keep the connection open
            if protocol.state in (State.CLOSING, State.CLOSED) or not data:
                raise SubscriptionLost("the other side closed the connection")
            if subscribed:
                pinged, deadline = False, trio.current_time() + self._ping_seconds

    def _read(self, message: bytes, subscribed: bool) -> bool:
        try:
            answer = msgspec.json.decode(message, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # a notification (its result is an object, where an answer's is the number of the subscription), or
            # no JSON at all (msgspec has errors of Python's for text that is not UTF-8, and for deep nesting)
            return subscribed
        if answer.error is not None:
            raise SubscriptionLost(f"the subscription was refused ({answer.error.get('message')})")
        return subscribed or (answer.id == 1 and answer.result is not None)

    async def _flush(self, stream: trio.abc.Stream, protocol: ClientProtocol) -> None:
        for data in protocol.data_to_send():
            if data:
                await stream.send_all(data)
            elif isinstance(stream, trio.SocketStream):
                await stream.send_eof()
