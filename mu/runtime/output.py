"""What a function writes, made into messages: stdout is the protocol, stderr is lines for the log."""

from collections.abc import Callable

from contract.errors import DecodeError, MuError
from mu.runtime.protocol import FatalError, FunctionResult, Level, Log, decode_from_function

STDERR_LEVEL = Level.ERROR
"""Panics and aborts arrive on stderr, so its lines count as errors."""

MAX_LINE_BYTES = 8192
"""A stderr line that grows longer is delivered in parts."""

MAX_MESSAGES_PER_CALL = 100_000
"""Decoding a message costs the host time that the function is not charged for."""


class TooMuchOutput(MuError):
    """A function wrote more bytes or more messages to stdout than a call may."""


class LogSink:
    """Passes a call's log on, up to `max_bytes` in UTF-8; then says once that it drops the rest."""

    def __init__(self, deliver: Callable[[Log], None], max_bytes: int) -> None:
        self._deliver = deliver
        self._max_bytes = max_bytes
        self._left_bytes = max_bytes
        self._line = bytearray()
        self._dropping = False
        self.last_line = ""

    def log(self, log: Log) -> None:
        """Pass `log` on whole, or drop it and everything that follows."""
        if self._dropping:
            return
        # The line's end counts too: without it, any number of empty lines would pass.
        size = len(log.body.encode()) + 1
        if size > self._left_bytes:
            self._dropping = True
            log = Log(
                f"the log of this call is above {self._max_bytes} bytes; the rest is dropped", Level.WARN
            )
        self._left_bytes -= size
        self._deliver(log)

    def stderr(self, data: bytes) -> None:
        """Take bytes of stderr, and pass on the lines they complete."""
        if self._dropping:
            return
        self._line += data
        *lines, rest = self._line.split(b"\n")
        for line in lines:
            self._emit(line)
        while len(rest) >= MAX_LINE_BYTES:
            self._emit(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._line = rest

    def finish(self) -> None:
        """Pass on the last line, if it lacks its end."""
        if self._line:
            self._emit(self._line)
            self._line = bytearray()

    def _emit(self, line: bytearray) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        if text:
            self.last_line = text
            self.log(Log(text, STDERR_LEVEL))


class MessageReader:
    """Cuts stdout into messages: passes logs on, and keeps the one result.

    A message may arrive in many pieces, and each attempt at decoding starts at its first byte. So an attempt
    that lacks bytes is repeated only when their number has doubled, or at the end: the whole work stays
    linear.
    """

    def __init__(self, sink: LogSink, max_bytes: int) -> None:
        self._sink = sink
        self._left_bytes = max_bytes
        self._left_messages = MAX_MESSAGES_PER_CALL
        self._pending = bytearray()
        self._attempt_at_bytes = 0
        self.result: FunctionResult | FatalError | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes of stdout. Raises `TooMuchOutput`; `DecodeError` if they are bad or follow the
        result."""
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise TooMuchOutput("the function writes more bytes to stdout than a call may")
        self._pending += data
        if self.result is not None or len(self._pending) >= self._attempt_at_bytes:
            self._drain()

    def finish(self) -> None:
        """Say that no more bytes come. Raises as `feed`; `DecodeError` if the last message is incomplete."""
        self._drain()
        if self._pending:
            raise DecodeError(f"stdout ends within a message, {len(self._pending)} bytes into it")

    def _drain(self) -> None:
        buffer = bytes(self._pending)
        at = 0
        while at < len(buffer):
            if self.result is not None:
                raise DecodeError(f"{len(buffer) - at} bytes follow the result on stdout")
            decoded = decode_from_function(buffer, at)
            if decoded is None:
                break
            message, at = decoded
            self._left_messages -= 1
            if self._left_messages < 0:
                raise TooMuchOutput("the function writes more messages than a call may")
            if isinstance(message, Log):
                self._sink.log(message)
            else:
                self.result = message
        self._pending = bytearray(buffer[at:])
        self._attempt_at_bytes = 2 * len(self._pending)
