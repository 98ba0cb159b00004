"""Turns responses into the bytes of HTTP/1.1 (RFC 9112), refusing those that would break the framing."""

import re
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

from mu.http.errors import InvalidResponse
from mu.http.message import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_SERVER_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
"""Hop-by-hop fields (RFC 9110 section 7.6.1) and those that the server states itself."""

_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode() for status in range(200, 600)
}


class DateHeader:
    """The `date` header line for the current second, formatted once a second (RFC 9110 section 6.6.1)."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        """`wall_clock` gives seconds since the Unix epoch."""
        self._wall_clock = wall_clock
        self._second = -1
        self._line = b""

    def line(self) -> bytes:
        """The whole line, with its CRLF."""
        second = int(self._wall_clock())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


def header_line(name: str, value: str) -> bytes:
    """The line of a header field. Raises `InvalidResponse` for a name or a value that RFC 9110 forbids."""
    if _TOKEN.fullmatch(name) is None:
        raise InvalidResponse(f"the header name {name!r} is not a token")
    if _CONTROL.search(value) is not None:
        raise InvalidResponse(f"the value of the header {name!r} holds a control character")
    try:
        return f"{name}: {value}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidResponse(f"the value of the header {name!r} is not latin-1") from None


def encode_response(
    response: Response, request_id: str, date_line: bytes, *, head: bool, version: str, keep_alive: bool
) -> bytes:
    """The bytes of `response` to a request of HTTP `version` ("1.0" or "1.1"); `head`: the request was a HEAD.

    Raises `InvalidResponse` for a status outside 200 to 599 and for header names or values with characters that
    RFC 9110 section 5.5 forbids (a CR or LF in a value would let its author write further headers).
    """
    status_line = _STATUS_LINES.get(response.status)
    if status_line is None:
        raise InvalidResponse(f"{response.status!r} is not a final HTTP status")
    lines = [status_line, date_line]
    lines += [
        header_line(name, value) for name, value in response.headers if name.lower() not in _SERVER_HEADERS
    ]
    lines.append(b"x-request-id: %b\r\n" % request_id.encode("ascii"))
    bodiless = response.status in (204, 304)
    if not bodiless:
        lines.append(b"content-length: %d\r\n" % len(response.body))
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    elif version == "1.0":
        lines.append(b"connection: keep-alive\r\n")
    lines.append(b"\r\n")
    if not (bodiless or head):
        lines.append(response.body)
    return b"".join(lines)
