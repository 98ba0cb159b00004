"""The bytes of responses: framing, what the server states itself, and what it refuses to send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mu.http.encoder import DateHeader, encode_response
from mu.http.errors import InvalidResponse, error_response
from mu.http.message import Response

DATE = b"date: now\r\n"


def encode(
    response: Response, *, head: bool = False, version: str = "1.1", keep_alive: bool = True
) -> tuple[list[bytes], bytes]:
    data = encode_response(response, "id", DATE, head=head, version=version, keep_alive=keep_alive)
    lines, _, body = data.partition(b"\r\n\r\n")
    return lines.split(b"\r\n"), body


def test_a_response_is_framed_dated_and_named() -> None:
    assert encode(Response(200, (("X-A", "b\xe9"),), b"hi")) == (
        [b"HTTP/1.1 200 OK", b"date: now", b"X-A: b\xe9", b"x-request-id: id", b"content-length: 2"],
        b"hi",
    )


def test_head_has_the_length_of_the_body_and_no_body() -> None:
    lines, body = encode(Response(200, (), b"hello"), head=True)
    assert b"content-length: 5" in lines
    assert body == b""


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_no_length(status: int) -> None:
    lines, body = encode(Response(status, (), b"hello"))
    assert not any(line.startswith(b"content-length") for line in lines)
    assert body == b""


def test_connection_says_what_the_version_does_not_imply() -> None:
    assert b"connection: close" in encode(Response(200), keep_alive=False)[0]
    assert b"connection: keep-alive" in encode(Response(200), version="1.0")[0]
    assert not any(line.startswith(b"connection") for line in encode(Response(200))[0])


def test_headers_of_the_connection_are_the_servers_own() -> None:
    names = "Connection Transfer-Encoding Content-Length Keep-Alive TE Trailer Upgrade Date X-Request-Id"
    headers = tuple((name, "7") for name in names.split())
    assert encode(Response(200, headers)) == encode(Response(200))


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, -1])
def test_only_final_statuses_are_sent(status: int) -> None:
    with pytest.raises(InvalidResponse):
        encode(Response(status))


def test_a_status_without_a_registered_phrase_is_sent() -> None:
    assert encode(Response(299))[0][0] == b"HTTP/1.1 299 "


@pytest.mark.parametrize(
    "header",
    [("x", "a\r\nset-cookie: b"), ("x", "a\n"), ("x", "\r"), ("x", "a\x00"), ("x", "\u20ac"), ("x", "\x7f")]
    + [("", "a"), ("x y", "a"), ("x:", "a"), ("x\r\ny", "a"), ("x\n", "a"), ("\xe9", "a")],
)
def test_headers_that_would_break_the_framing_are_refused(header: tuple[str, str]) -> None:
    with pytest.raises(InvalidResponse):
        encode(Response(200, (header,)))


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=3).map(tuple), st.binary())
def test_no_header_adds_a_line(headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    try:
        lines, sent = encode(Response(200, headers, body))
    except InvalidResponse:
        return
    assert len(lines) <= 4 + len(headers)
    assert sent == body


def test_the_date_is_formatted_once_a_second() -> None:
    now = 784111777.9
    date = DateHeader(lambda: now)
    first = date.line()
    assert first == b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert date.line() is first
    now += 1
    assert date.line() == b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"


def test_error_bodies_have_one_shape() -> None:
    response = error_response(404, 'no "such" path', "id", (("allow", "GET"),))
    assert response.status == 404
    assert response.headers == (("content-type", "application/json"), ("allow", "GET"))
    assert response.body == b'{"error":{"status":404,"reason":"no \\"such\\" path","request_id":"id"}}'
