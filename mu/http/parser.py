"""Turns the bytes of a client into whole requests or a typed error; no I/O and no clock (RFC 9112).

`httptools` (llhttp in its strict mode) reads the syntax, and by itself refuses obs-fold, a space before the colon,
bare CR or LF, control characters, a repeated Content-Length, Content-Length with Transfer-Encoding and bad chunk
sizes. Here are the rules above the syntax: versions, targets, Host, codings, expectations, upgrades and limits.
"""

import enum
from collections.abc import Callable

import httptools
import msgspec

from mu.config import HttpLimits
from mu.http.errors import ProtocolError
from mu.http.message import Request
from mu.http.target import split_request_target, valid_host

_LINE_OVERHEAD_BYTES = 64
"""Method, version and separators of a request line, beside its target."""

_FRAMING_BYTES_PER_BODY_BYTE = 16
"""Room for one-byte chunks with padded sizes; chunk extensions beyond it are an attack."""

_VERSION_ERRORS = frozenset({"Invalid HTTP version", "Pause on PRI/Upgrade"})
"""How llhttp words a version that it doesn't know, and the preface of HTTP/2."""


class Phase(enum.Enum):
    """What the parser waits for."""

    IDLE = "the first byte of a request"
    HEAD = "the rest of a request's line and headers"
    BODY = "the rest of a request's body"
    CLOSED = "nothing: whatever follows is ignored"


class ReceivedRequest(msgspec.Struct, frozen=True):
    """A whole request. `version` is "1.0" or "1.1"; after one without `keep_alive` the parser is closed."""

    request: Request
    version: str
    keep_alive: bool


class ContinueExpected(msgspec.Struct, frozen=True):
    """The client waits for `100 Continue` before it sends a body that will be taken (RFC 9110 section 10.1.1)."""


Event = ReceivedRequest | ContinueExpected | ProtocolError


class RequestParser:
    """One connection's requests, in order; after a `ProtocolError` it is closed and ignores what follows."""

    def __init__(self, limits: HttpLimits, request_ids: Callable[[], str]) -> None:
        self.phase = Phase.IDLE
        self.requests_begun = 0
        self._limits = limits
        self._request_ids = request_ids
        self._events: list[Event] = []
        self._syntax = httptools.HttpRequestParser(self)
        self._begin_request()

    def _begin_request(self) -> None:
        self._method = ""
        self._version = ""
        self._path = ""
        self._query = ""
        self._keep_alive = False
        self._continue_expected = False
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._header_count = 0
        self._header_bytes = 0
        self._pending_head_bytes = 0
        self._framing_bytes = 0
        self._body: bytes | bytearray = b""
        self._upgrade_body_framing: bytes | None = None
        self._replaying = False

    def feed(self, data: bytes) -> list[Event]:
        """What `data` completes: requests in order, then at most one `ContinueExpected` or `ProtocolError`."""
        self._events = []
        if self.phase is Phase.CLOSED:
            return self._events
        phase, begun, body_bytes = self.phase, self.requests_begun, len(self._body)
        try:
            self._parse(data)
            if begun == self.requests_begun and phase is self.phase:
                self._check_unfinished(len(data), len(self._body) - body_bytes)
        except ProtocolError as error:
            self._fail(error)
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, ProtocolError):
                self._fail(error.__context__)
            elif self.phase is not Phase.CLOSED:
                reason = str(error)
                self._fail(ProtocolError(505 if reason in _VERSION_ERRORS else 400, reason))
        if self._continue_expected and self.phase is Phase.BODY:
            self._continue_expected = False
            if not self._body:
                self._events.append(ContinueExpected())
        return self._events

    def feed_end(self) -> list[Event]:
        """The client will send no more: a `ProtocolError` if that cuts a request short."""
        cut_short = self.phase in (Phase.HEAD, Phase.BODY)
        self.phase = Phase.CLOSED
        return [ProtocolError(400, "the request is incomplete")] if cut_short else []

    def _fail(self, error: ProtocolError) -> None:
        self.phase = Phase.CLOSED
        self._events.append(error)

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self._syntax.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # An upgrade is ignored (RFC 9110 section 7.8), but llhttp has stopped, and has taken the request
                # for one without a body: a body read as the next request would be smuggled in.
                if self.phase is Phase.CLOSED:
                    return
                data = data[upgrade.args[0] :]
                self._syntax = httptools.HttpRequestParser(self)
                framing, self._upgrade_body_framing = self._upgrade_body_framing, None
                if framing is not None:
                    self._replaying = True
                    self._syntax.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
                    self._replaying = False
            else:
                return

    def _check_unfinished(self, fed_bytes: int, body_bytes: int) -> None:
        # What llhttp has not yet handed over (half a header, a chunk extension) is seen only in the bytes fed.
        limits = self._limits
        if self.phase is Phase.HEAD:
            self._pending_head_bytes += fed_bytes
            allowed = limits.max_target_bytes + limits.max_header_bytes + _LINE_OVERHEAD_BYTES
            if self._pending_head_bytes > allowed:
                raise ProtocolError(431, "the headers are too large")
        elif self.phase is Phase.BODY:
            self._framing_bytes += fed_bytes - body_bytes
            if self._framing_bytes > limits.max_header_bytes + _FRAMING_BYTES_PER_BODY_BYTE * len(self._body):
                raise ProtocolError(400, "the chunks carry too much beside their data")

    # Called by httptools, which turns what they raise into the __context__ of an HttpParserCallbackError.

    def on_message_begin(self) -> None:
        if self._replaying:
            return
        self._begin_request()
        self.phase = Phase.HEAD
        self.requests_begun += 1

    def on_url(self, url: bytes) -> None:
        if self._replaying:
            return
        self._target += url
        if len(self._target) > self._limits.max_target_bytes:
            raise ProtocolError(414, "the target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._replaying:
            return
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + len(b": \r\n")
        if self._header_count > self._limits.max_header_count:
            raise ProtocolError(431, "there are too many headers")
        if self._header_bytes > self._limits.max_header_bytes:
            raise ProtocolError(431, "the headers are too large")
        if self.phase is Phase.HEAD:
            self._headers.append((name.decode("ascii").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        if self._replaying:
            return
        syntax = self._syntax
        self._version = syntax.get_http_version()
        if self._version not in ("1.1", "1.0"):
            raise ProtocolError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        self._method = syntax.get_method().decode("ascii")
        if self._method == "CONNECT":
            raise ProtocolError(405, "this server is not a proxy", (("allow", ""),))
        self._path, self._query = split_request_target(self._method, self._target)
        self._keep_alive = syntax.should_keep_alive()
        framing = self._read_headers()
        self.phase = Phase.BODY
        if framing is not None and syntax.should_upgrade():
            self._upgrade_body_framing = framing

    def _read_headers(self) -> bytes | None:
        """Check the headers that rule the connection; the header that frames the body, or None without a body."""
        hosts = 0
        framing = expectation = None
        for name, value in self._headers:
            if name == "host":
                hosts += 1
                if not valid_host(value):
                    raise ProtocolError(400, "the Host header is not a host")
            elif name == "content-length":
                length = int(value)
                if length > self._limits.max_body_bytes:
                    raise ProtocolError(413, "the body is too large")
                if length > 0:
                    framing = b"Content-Length: %d" % length
            elif name == "transfer-encoding":
                self._check_transfer_coding(value)
                framing = b"Transfer-Encoding: chunked"
            elif name == "expect":
                expectation = value
        if hosts > 1 or (hosts == 0 and self._version == "1.1"):
            raise ProtocolError(400, "a request has exactly one Host header")
        if expectation is not None and self._version == "1.1":
            if expectation.lower() != "100-continue":
                raise ProtocolError(417, "the only expectation known is 100-continue")
            self._continue_expected = framing is not None
        return framing

    def _check_transfer_coding(self, value: str) -> None:
        if self._version == "1.0":
            raise ProtocolError(400, "HTTP/1.0 has no Transfer-Encoding")
        if value.lower() != "chunked":
            raise ProtocolError(501, "the only transfer coding known is chunked")

    def on_body(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._limits.max_body_bytes:
            raise ProtocolError(413, "the body is too large")
        if not self._body:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data

    def on_message_complete(self) -> None:
        if self._upgrade_body_framing is not None:
            return
        request = Request(
            self._method,
            self._path,
            self._query,
            tuple(self._headers),
            bytes(self._body),
            self._request_ids(),
        )
        self._events.append(ReceivedRequest(request, self._version, self._keep_alive))
        self._body = b""
        self.phase = Phase.IDLE if self._keep_alive else Phase.CLOSED
