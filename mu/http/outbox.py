"""What a connection has yet to send: answers gather here and leave together, each send under the write timeout."""

import math

import trio
from trio.abc import SendStream

MAX_UNSENT_BYTES = 256 * 1024
"""Above this, answers to pipelined requests wait for the client to read."""


class Outbox:
    """Bytes for one stream, in order; only one task at a time may flush."""

    def __init__(self, stream: SendStream, write_timeout_seconds: float) -> None:
        self._stream = stream
        self._write_timeout_seconds = write_timeout_seconds
        self._pieces: list[bytes] = []
        self._unsent_bytes = 0
        self._wake = trio.Event()
        self._drained = trio.Event()
        self._finished = False

    def put(self, data: bytes) -> None:
        """Add `data` behind what is unsent."""
        self._pieces.append(data)
        self._unsent_bytes += len(data)

    async def flush(self, scope: trio.CancelScope) -> None:
        """Send everything; moves the deadline of `scope`, which encloses the call, to the write timeout."""
        while self._pieces:
            pieces, self._pieces = self._pieces, []
            scope.deadline = trio.current_time() + self._write_timeout_seconds
            await self._stream.send_all(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            self._unsent_bytes = sum(map(len, self._pieces))

    async def flush_in_background(self) -> None:
        """Send what is put whenever the answering task waits, until `finish`: one slow answer holds up no earlier one.

        Raises `trio.BrokenResourceError` when the client does not read within the write timeout.
        """
        with trio.CancelScope() as scope:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                finished, self._finished = self._finished, False
                await self.flush(scope)
                scope.deadline = math.inf
                self._drained.set()
                if finished:
                    return
        raise trio.BrokenResourceError("the client does not read its answers")

    async def offer(self) -> None:
        """Let `flush_in_background` send; waits only while too much is unsent."""
        self._wake.set()
        while self._unsent_bytes > MAX_UNSENT_BYTES:
            self._drained = trio.Event()
            await self._drained.wait()

    def finish(self) -> None:
        """Let `flush_in_background` send the rest and return."""
        self._finished = True
        self._wake.set()
