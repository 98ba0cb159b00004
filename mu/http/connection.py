"""One client's connection: reads requests, has them answered in order, and keeps every wait under a deadline."""

import logging
import math
from collections.abc import Awaitable, Callable

import trio
from trio.abc import HalfCloseableStream

from mu.config import HttpLimits
from mu.http.encoder import CONTINUE, DateHeader, encode_response
from mu.http.errors import ProtocolError, error_response
from mu.http.message import Request, Response
from mu.http.outbox import Outbox
from mu.http.parser import ContinueExpected, Event, Phase, ReceivedRequest, RequestParser

Handler = Callable[[Request], Awaitable[Response]]

RECEIVE_BYTES = 64 * 1024
LINGER_SECONDS = 2.0

logger = logging.getLogger("mu.http")


class Connection:
    """Serves one stream with `run` or `refuse`, which close it when they end or are cancelled."""

    def __init__(
        self,
        stream: HalfCloseableStream,
        handler: Handler,
        limits: HttpLimits,
        request_ids: Callable[[], str],
        date: DateHeader,
    ) -> None:
        self._stream = stream
        self._handler = handler
        self._request_ids = request_ids
        self._date = date
        self._parser = RequestParser(limits, request_ids)
        self._outbox = Outbox(stream, limits.write_timeout_seconds)
        self._timeouts = {
            Phase.IDLE: limits.idle_timeout_seconds,
            Phase.HEAD: limits.header_timeout_seconds,
            Phase.BODY: limits.body_timeout_seconds,
        }
        self._requests_left = limits.max_requests_per_connection
        # One scope with a moving deadline serves all waits: a scope for each would cost as much as the parsing.
        self._scope = trio.CancelScope()
        self._waiting_for: tuple[Phase, int] | None = None
        self._read_deadline = math.inf
        self._reading = False

    async def run(self) -> None:
        """Answer requests until either side ends the connection."""
        try:
            with self._scope:
                await self._converse()
            if self._scope.cancelled_caught:
                if not self._reading or self._parser.phase is Phase.IDLE:
                    return
                await self._send_error(ProtocolError(408, "the request took too long to arrive"))
            await self._linger()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The client has gone, or does not read its answers: nobody is left to tell.
        finally:
            await trio.aclose_forcefully(self._stream)

    async def refuse(self) -> None:
        """Answer 503 whatever the client wants."""
        try:
            await self._send_error(ProtocolError(503, "too many connections", (("retry-after", "1"),)))
            await self._linger()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # As above.
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _converse(self) -> None:
        while True:
            data = await self._receive()
            events = self._parser.feed(data) if data else self._parser.feed_end()
            if len(events) == 1:
                keep_open = await self._take(events[0])
                await self._outbox.flush(self._scope)
            else:
                keep_open = not events or await self._take_pipelined(events)
            if not (keep_open and data):
                return

    async def _receive(self) -> bytes:
        # The deadline belongs to what is awaited, not to the last byte: a client that drips bytes doesn't move it.
        waiting_for = (self._parser.phase, self._parser.requests_begun)
        if waiting_for != self._waiting_for:
            self._waiting_for = waiting_for
            self._read_deadline = trio.current_time() + self._timeouts[waiting_for[0]]
        self._scope.deadline = self._read_deadline
        self._reading = True
        data = bytes(await self._stream.receive_some(RECEIVE_BYTES))
        if self._scope.cancel_called:
            # The bytes and the deadline came together: stop here, not somewhere inside the handler.
            await trio.lowlevel.checkpoint()
        self._reading = False
        self._scope.deadline = math.inf
        return data

    async def _take(self, event: Event) -> bool:
        """Put the answer to one event into the outbox; whether the connection stays open."""
        if isinstance(event, ReceivedRequest):
            self._requests_left -= 1
            keep_open = event.keep_alive and self._requests_left > 0
            await self._answer(event, keep_open)
            return keep_open
        if isinstance(event, ContinueExpected):
            self._outbox.put(CONTINUE)
            return True
        self._put_error(event)
        return False

    async def _take_pipelined(self, events: list[Event]) -> bool:
        keep_open = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._outbox.flush_in_background)
            for event in events:
                keep_open = await self._take(event)
                if not keep_open:
                    break
                await self._outbox.offer()
            self._outbox.finish()
        return keep_open

    async def _answer(self, received: ReceivedRequest, keep_alive: bool) -> None:
        request = received.request
        try:
            data = self._encode(await self._handler(request), received, keep_alive)
        except Exception:
            logger.exception("request %s: %s %s failed", request.request_id, request.method, request.path)
            response = error_response(500, "internal error", request.request_id)
            data = self._encode(response, received, keep_alive)
        self._outbox.put(data)

    def _encode(self, response: Response, received: ReceivedRequest, keep_alive: bool) -> bytes:
        return encode_response(
            response,
            received.request.request_id,
            self._date.line(),
            head=received.request.method == "HEAD",
            version=received.version,
            keep_alive=keep_alive,
        )

    def _put_error(self, error: ProtocolError) -> None:
        request_id = self._request_ids()
        response = error_response(error.status, error.reason, request_id, error.headers)
        date_line = self._date.line()
        self._outbox.put(
            encode_response(response, request_id, date_line, head=False, version="1.1", keep_alive=False)
        )

    async def _send_error(self, error: ProtocolError) -> None:
        self._put_error(error)
        with trio.CancelScope() as scope:
            await self._outbox.flush(scope)

    async def _linger(self) -> None:
        # Closing while the client still sends makes the kernel reset the connection, and the reset can overtake
        # the answer: say that no more will come, and give the client a moment to read and to stop.
        with trio.move_on_after(LINGER_SECONDS):
            await self._stream.send_eof()
            while await self._stream.receive_some(RECEIVE_BYTES):
                pass
