"""Stdout in pieces, and the log with its cap."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from mu.runtime import output
from mu.runtime.output import LogSink, MessageReader, TooMuchOutput
from mu.runtime.protocol import FatalError, FunctionResponse, FunctionResult, Header, Level, Log, encode

RESULT = FunctionResult(FunctionResponse(200, (Header("a", "b"),), b"body"))
LOGS = [Log("one", Level.INFO), Log("two", Level.TRACE)]
STDOUT = b"".join(encode(message) for message in [*LOGS, RESULT])


def reader(max_bytes: int = 1000) -> tuple[MessageReader, list[Log]]:
    logs: list[Log] = []
    return MessageReader(LogSink(logs.append, 1000), max_bytes), logs


@given(st.lists(st.integers(0, len(STDOUT)), max_size=8))
def test_any_cut_of_stdout_gives_the_same_messages(cuts: list[int]) -> None:
    messages, logs = reader()
    edges = [0, *sorted(cuts), len(STDOUT)]
    for start, end in itertools.pairwise(edges):
        messages.feed(STDOUT[start:end])
    messages.finish()
    assert (logs, messages.result) == (LOGS, RESULT)


def test_byte_by_byte_and_never_decoded_more_often_than_doubling_asks(monkeypatch) -> None:
    attempts = 0

    def counting(buffer: bytes, start: int):
        nonlocal attempts
        attempts += 1
        return decode(buffer, start)

    decode = output.decode_from_function
    monkeypatch.setattr(output, "decode_from_function", counting)
    messages, _ = reader(100_000)
    data = encode(FatalError("x" * 50_000))
    for byte in data:
        messages.feed(bytes([byte]))
    messages.finish()
    assert messages.result == FatalError("x" * 50_000)
    assert attempts < 25


def test_a_log_is_delivered_as_it_comes() -> None:
    messages, logs = reader()
    messages.feed(encode(LOGS[0]))
    assert logs == LOGS[:1]


def test_bytes_after_the_result_are_refused_together_or_later() -> None:
    for pieces in ([STDOUT + b"\0"], [STDOUT, b"\0"], [STDOUT + encode(RESULT)]):
        messages, _ = reader()
        *before, last = pieces
        for piece in before:
            messages.feed(piece)
        with pytest.raises(DecodeError, match="follow the result"):
            messages.feed(last)


def test_every_truncation_is_told_at_the_end() -> None:
    ends = {len(encode(LOGS[0])), len(encode(LOGS[0])) + len(encode(LOGS[1])), 0}
    for size in set(range(len(STDOUT))) - ends:
        messages, _ = reader()
        messages.feed(STDOUT[:size])
        with pytest.raises(DecodeError, match="within a message"):
            messages.finish()


def test_too_many_bytes_and_too_many_messages_are_refused(monkeypatch) -> None:
    messages, _ = reader(len(STDOUT) - 1)
    with pytest.raises(TooMuchOutput, match="bytes"):
        messages.feed(STDOUT)
    monkeypatch.setattr(output, "MAX_MESSAGES_PER_CALL", 2)
    messages, _ = reader()
    with pytest.raises(TooMuchOutput, match="messages"):
        messages.feed(STDOUT)


def test_stderr_becomes_lines_with_what_is_left_at_the_end() -> None:
    logs: list[Log] = []
    sink = LogSink(logs.append, 1000)
    for piece in (b"one\ntw", b"o\r\n", b"\n", b"\xff\xfe", b"three"):
        sink.stderr(piece)
    assert logs == [Log("one", Level.ERROR), Log("two", Level.ERROR)]
    sink.finish()
    assert logs[2:] == [Log("\ufffd\ufffdthree", Level.ERROR)]
    assert sink.last_line == "\ufffd\ufffdthree"


def test_an_endless_stderr_line_is_delivered_in_parts() -> None:
    logs: list[Log] = []
    sink = LogSink(logs.append, 100_000)
    sink.stderr(b"x" * (2 * output.MAX_LINE_BYTES + 1))
    assert [len(log.body) for log in logs] == [output.MAX_LINE_BYTES] * 2


def test_the_log_ends_with_one_line_that_says_so() -> None:
    logs: list[Log] = []
    sink = LogSink(logs.append, 10)
    for body in ("é" * 2, "abcde", "x", "y"):
        sink.log(Log(body, Level.INFO))
    sink.stderr(b"more\n")
    sink.finish()
    assert logs == [
        Log("éé", Level.INFO),
        Log("the log of this call is above 10 bytes; the rest is dropped", Level.WARN),
    ]


def test_empty_lines_use_up_the_log_too() -> None:
    logs: list[Log] = []
    sink = LogSink(logs.append, 10)
    for _ in range(100):
        sink.log(Log("", Level.INFO))
    assert len(logs) == 11
