"""The request parser: what is a request, what is an error and with which status, however the bytes arrive."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mu.config import HttpLimits
from mu.http.errors import ProtocolError
from mu.http.message import Request
from mu.http.parser import ContinueExpected, Event, Phase, ReceivedRequest, RequestParser

LIMITS = HttpLimits(max_target_bytes=64, max_header_bytes=256, max_header_count=8, max_body_bytes=100)


def parse(pieces: Iterable[bytes], limits: HttpLimits = LIMITS) -> tuple[list[Event], RequestParser]:
    parser = RequestParser(limits, lambda: "id")
    return [event for piece in pieces for event in parser.feed(piece)], parser


def one_byte_at_a_time(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def outcome(events: list[Event]) -> list[object]:
    """Without what depends on how the bytes arrive: whether the client still waits, and how an error is worded."""
    return [
        event.status if isinstance(event, ProtocolError) else event
        for event in events
        if not isinstance(event, ContinueExpected)
    ]


def parse_both_ways(data: bytes) -> list[object]:
    whole = outcome(parse([data])[0])
    assert outcome(parse(one_byte_at_a_time(data))[0]) == whole
    return whole


def received(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: tuple[tuple[str, str], ...] = (("host", "a"),),
    body: bytes = b"",
    version: str = "1.1",
    keep_alive: bool = True,
) -> ReceivedRequest:
    return ReceivedRequest(Request(method, path, query, headers, body, "id"), version, keep_alive)


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


GET = head("GET / HTTP/1.1", "Host: a")
CHUNKED = head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")
CHUNKED_HEADERS = (("host", "a"), ("transfer-encoding", "chunked"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GET, [received()]),
        (b"\r\n\r\n" + GET, [received()]),
        (GET + GET, [received(), received()]),
        (
            head("GET /a%2Fb/../c?x=%20&y?z HTTP/1.1", "Host: a"),
            [received(path="/a%2Fb/../c", query="x=%20&y?z")],
        ),
        (head("GET http://b:1/p?q HTTP/1.1", "Host: a"), [received(path="/p", query="q")]),
        (head("GET HTTPS://b?q HTTP/1.1", "Host: a"), [received(path="/", query="q")]),
        (head("OPTIONS * HTTP/1.1", "Host: a"), [received("OPTIONS", "*")]),
        (head("GET / HTTP/1.1", "Host:"), [received(headers=(("host", ""),))]),
        (head("GET / HTTP/1.0"), [received(headers=(), version="1.0", keep_alive=False)]),
        (
            head("GET / HTTP/1.0", "Connection: keep-alive"),
            [received(headers=(("connection", "keep-alive"),), version="1.0")],
        ),
        (
            head("GET / HTTP/1.1", "Host: a", "Connection: x, close") + GET + b"garbage",
            [received(headers=(("host", "a"), ("connection", "x, close")), keep_alive=False)],
        ),
        (
            head("GET / HTTP/1.1", "Host: a", "X-Y: \t b\xe9 \t", "x-y:"),
            [received(headers=(("host", "a"), ("x-y", "b\xe9"), ("x-y", "")))],
        ),
        (
            head("POST / HTTP/1.1", "Host: a", "Content-Length: 3") + b"a\x00c" + GET,
            [received("POST", headers=(("host", "a"), ("content-length", "3")), body=b"a\x00c"), received()],
        ),
        (
            CHUNKED + b"3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n" + GET,
            [received("POST", headers=CHUNKED_HEADERS, body=b"abc0123456789"), received()],
        ),
        (CHUNKED + b"0\r\n\r\n", [received("POST", headers=CHUNKED_HEADERS)]),
    ],
)
def test_requests_are_received(data: bytes, expected: list[object]) -> None:
    assert parse_both_ways(data) == expected


UPGRADE = ("Connection: Upgrade", "Upgrade: h2c")
UPGRADE_HEADERS = (("host", "a"), ("connection", "Upgrade"), ("upgrade", "h2c"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (head("GET / HTTP/1.1", "Host: a", *UPGRADE), received(headers=UPGRADE_HEADERS)),
        (
            head("POST / HTTP/1.1", "Host: a", *UPGRADE, "Content-Length: 37") + GET + b"x" * (37 - len(GET)),
            received(
                "POST",
                headers=(*UPGRADE_HEADERS, ("content-length", "37")),
                body=GET + b"x" * (37 - len(GET)),
            ),
        ),
        (
            head("POST / HTTP/1.1", "Host: a", *UPGRADE, "Transfer-Encoding: chunked")
            + b"2\r\nhi\r\n0\r\n\r\n",
            received("POST", headers=(*UPGRADE_HEADERS, ("transfer-encoding", "chunked")), body=b"hi"),
        ),
        (
            head("POST / HTTP/1.1", "Host: a", *UPGRADE, "Content-Length: 0"),
            received("POST", headers=(*UPGRADE_HEADERS, ("content-length", "0"))),
        ),
    ],
)
def test_upgrades_are_ignored_and_their_bodies_are_not_taken_for_requests(
    data: bytes, expected: ReceivedRequest
) -> None:
    assert parse_both_ways(data) == [expected]
    assert parse_both_ways(data + data + GET) == [expected, expected, received()]


def get_with(*lines: str) -> bytes:
    return head("GET / HTTP/1.1", "Host: a", *lines)


def post_with(*lines: str) -> bytes:
    return head("POST / HTTP/1.1", "Host: a", *lines)


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, head("GET / HTTP/1.1")),
        (400, head("GET / HTTP/1.1", "Host: a", "Host: a")),
        (400, head("GET / HTTP/1.0", "Host: a", "Host: b")),
        (400, head("GET / HTTP/1.1", "Host: a b")),
        (400, head("GET / HTTP/1.1", "Host: user@a")),
        (400, get_with("X: a", " folded")),
        (400, get_with("X : a")),
        (400, get_with("X Y: a")),
        (400, get_with(": a")),
        (400, get_with("no colon")),
        (400, get_with("X\x00: a")),
        (400, get_with("X: a\x00b")),
        (400, get_with("X: a\rb")),
        (400, get_with("X: a\x7f")),
        (400, b"GET / HTTP/1.1\nHost: a\n\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        (400, head("GET / x HTTP/1.1", "Host: a")),
        (400, head("GET /\xe9 HTTP/1.1", "Host: a")),
        (400, head("GET /a#b HTTP/1.1", "Host: a")),
        (400, head("GET a HTTP/1.1", "Host: a")),
        (400, head("GET * HTTP/1.1", "Host: a")),
        (400, head("OPTIONS *x HTTP/1.1", "Host: a")),
        (400, head("GET ftp://a/b HTTP/1.1", "Host: a")),
        (400, head("GET http://u@b/ HTTP/1.1", "Host: a")),
        (400, head("GET http:///b HTTP/1.1", "Host: a")),
        (400, head("get / HTTP/1.1", "Host: a")),
        (400, head("GET / FTP/1.1", "Host: a")),
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        (400, post_with("Content-Length: 3", "Content-Length: 4") + b"abcd"),
        (400, post_with("Content-Length: 3", "Content-Length: 3") + b"abc"),
        (400, post_with("Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
        (400, post_with("Transfer-Encoding: chunked", "Content-Length: 3") + b"0\r\n\r\n"),
        (400, post_with("Content-Length: +3") + b"abc"),
        (400, post_with("Content-Length: -3") + b"abc"),
        (400, post_with("Content-Length: 3, 3") + b"abc"),
        (400, post_with("Content-Length: 0x3") + b"abc"),
        (400, post_with("Content-Length: ") + b"abc"),
        (400, post_with("Content-Length: 99999999999999999999") + b"abc"),
        (400, post_with("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
        (400, post_with("Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n"),
        (400, head("POST / HTTP/1.0", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
        (400, CHUNKED + b"0x1\r\na\r\n0\r\n\r\n"),
        (400, CHUNKED + b"-1\r\na\r\n0\r\n\r\n"),
        (400, CHUNKED + b"g\r\n"),
        (400, CHUNKED + b"\r\n"),
        (400, CHUNKED + b"1 \r\na\r\n0\r\n\r\n"),
        (400, CHUNKED + b"1\na\r\n0\r\n\r\n"),
        (400, CHUNKED + b"1\r\nab\r\n0\r\n\r\n"),
        (400, CHUNKED + b"1\r\na0\r\n\r\n"),
        (400, CHUNKED + b"11111111111111111\r\n"),
        (400, CHUNKED + b"0\r\nX : a\r\n\r\n"),
        (405, head("CONNECT a:1 HTTP/1.1", "Host: a")),
        (413, post_with("Content-Length: 101")),
        (413, CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n1\r\nx\r\n0\r\n\r\n"),
        (414, head("GET /" + "x" * 64 + " HTTP/1.1", "Host: a")),
        (417, post_with("Expect: miracles", "Content-Length: 1") + b"x"),
        (431, get_with("X: " + "x" * 256)),
        (431, get_with(*["X: y"] * 8)),
        (431, CHUNKED + b"0\r\n" + b"X: y\r\n" * 8 + b"\r\n"),
        (501, post_with("Transfer-Encoding: gzip") + b"abc"),
        (501, post_with("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
        (501, post_with("Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
        (505, head("GET / HTTP/2.0", "Host: a")),
        (505, head("GET / HTTP/0.9", "Host: a")),
        (505, head("GET / HTTP/1.2", "Host: a")),
        (505, b"GET /\r\n\r\n"),
        (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ],
)
def test_violations_carry_their_status_and_close(status: int, data: bytes) -> None:
    assert parse_both_ways(data) == [status]
    assert parse_both_ways(GET + data + GET) == [received(), status]


def test_limits_are_inclusive() -> None:
    target = "/" + "x" * 63
    assert parse_both_ways(head(f"GET {target} HTTP/1.1", "Host: a")) == [received(path=target)]
    value = "x" * (256 - len("host: a\r\nx: \r\n"))
    assert parse_both_ways(get_with(f"X: {value}")) == [received(headers=(("host", "a"), ("x", value)))]
    headers = (("host", "a"), *[("x", "y")] * 7)
    assert parse_both_ways(get_with(*["X: y"] * 7)) == [received(headers=headers)]
    body = b"b" * 100
    assert parse_both_ways(CHUNKED + b"64\r\n" + body + b"\r\n0\r\n\r\n") == [
        received("POST", headers=CHUNKED_HEADERS, body=body)
    ]


@pytest.mark.parametrize(
    ("status", "start", "endless"),
    [
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nX", b"x"),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x"),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nX:", b" "),
        (431, b"GET", b" "),
        (414, b"GET /", b"x"),
        (400, CHUNKED + b"1;", b"x"),
        (400, CHUNKED, b"0"),
        (400, CHUNKED + b"0\r\nX: ", b"x"),
    ],
)
def test_input_that_never_completes_anything_is_cut_off(status: int, start: bytes, endless: bytes) -> None:
    events, parser = parse([start, *[endless * 10] * 100])
    assert outcome(events) == [status]
    assert parser.phase is Phase.CLOSED


def test_one_byte_chunks_are_not_cut_off() -> None:
    events, _ = parse([CHUNKED, *[b"0001\r\nx\r\n"] * 100, b"0\r\n\r\n"])
    assert outcome(events) == [received("POST", headers=CHUNKED_HEADERS, body=b"x" * 100)]


EXPECT = post_with("Expect: 100-Continue", "Content-Length: 1")


def test_a_client_that_waits_is_told_to_continue_once() -> None:
    events, parser = parse([EXPECT])
    assert events == [ContinueExpected()]
    assert parser.feed(b"") == []
    (request,) = parser.feed(b"x")
    assert isinstance(request, ReceivedRequest)


@pytest.mark.parametrize(
    "data",
    [
        EXPECT + b"x",
        post_with("Expect: 100-continue", "Content-Length: 0"),
        get_with("Expect: 100-continue"),
        head("POST / HTTP/1.0", "Expect: 100-continue", "Content-Length: 1"),
        post_with("Expect: 100-continue", "Content-Length: 101"),
    ],
)
def test_a_client_that_need_not_or_must_not_send_a_body_is_not_told_to_continue(data: bytes) -> None:
    assert ContinueExpected() not in parse([data])[0]


SAMPLE = (
    GET
    + CHUNKED
    + b"3;x\r\nabc\r\n0\r\nT: t\r\n\r\n"
    + post_with(*UPGRADE, "Content-Length: 5")
    + b"hello"
    + post_with("Content-Length: 3", "Connection: close")
    + b"end"
)


@given(st.lists(st.integers(0, len(SAMPLE)), max_size=10))
def test_pieces_of_any_size_give_the_same_requests(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(SAMPLE)]
    pieces = [SAMPLE[a:b] for a, b in itertools.pairwise(edges)]
    expected = parse([SAMPLE])[0]
    assert len(expected) == 4
    assert parse(pieces)[0] == expected


def test_input_cut_anywhere_is_incomplete_unless_it_ends_between_requests() -> None:
    ends = set()
    for length in range(len(SAMPLE) + 1):
        events, parser = parse([SAMPLE[:length]])
        between = parser.phase in (Phase.IDLE, Phase.CLOSED)
        if between:
            ends.add(length)
        assert not any(isinstance(event, ProtocolError) for event in events)
        assert outcome(parser.feed_end()) == ([] if between else [400])
        assert parser.feed(GET) == []
    assert len(ends) == 5


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_random_input_gives_typed_errors_only(pieces: list[bytes]) -> None:
    events, parser = parse(pieces)
    assert all(isinstance(event, ProtocolError) for event in events) or parser.requests_begun


@given(st.data())
def test_damaged_requests_give_requests_or_one_typed_error_at_the_end(data: st.DataObject) -> None:
    damaged = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(SAMPLE) - 1))] = data.draw(st.integers(0, 255))
    whole = parse_both_ways(bytes(damaged))
    assert all(isinstance(event, ReceivedRequest) for event in whole[:-1])
