"""A function's stdin, stdout and stderr, seen from the host: WASI preview 1's fd_read and fd_write."""

import struct
from enum import IntEnum

import wasmtime

from mu.runtime.output import LogSink, MessageReader

MAX_TRANSFER_BYTES = 1024 * 1024
"""One fd_read or fd_write moves no more (the guest calls again): this bounds what a host call may cost."""

_VECTOR = struct.Struct("<II")
_STDIN, _STDOUT, _STDERR = 0, 1, 2


class Errno(IntEnum):
    """What a host call answers (WASI preview 1, `errno`)."""

    SUCCESS = 0
    BADF = 8
    FAULT = 21
    INVAL = 28
    IO = 29
    NOTSUP = 58


class Refused(Exception):
    """A host call cannot be done as asked; the guest gets the errno."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno


class GuestMemory:
    """The guest's memory as its host calls see it: every pointer is checked before it is followed."""

    def __init__(self, store: wasmtime.Store, memory: wasmtime.Memory) -> None:
        self._store = store
        self._memory = memory

    @property
    def size_bytes(self) -> int:
        """The size of the memory now; it only grows."""
        return self._memory.data_len(self._store)

    def read(self, start: int, size: int) -> bytearray:
        """A copy of `size` bytes. Raises `Refused`."""
        self._check(start, size)
        return self._memory.read(self._store, start, start + size) if size else bytearray()

    def write(self, start: int, data: bytes) -> None:
        """Put `data` there. Raises `Refused`."""
        self._check(start, len(data))
        if data:
            self._memory.write(self._store, data, start)

    def vectors(self, start: int, count: int) -> list[tuple[int, int]]:
        """The (address, size) pairs of an iovec array, cut off where they sum to `MAX_TRANSFER_BYTES`."""
        vectors: list[tuple[int, int]] = []
        room = MAX_TRANSFER_BYTES
        for address, size in _VECTOR.iter_unpack(self.read(start, count * _VECTOR.size)):
            self._check(address, size)
            vectors.append((address, min(size, room)))
            room -= vectors[-1][1]
        return vectors

    def _check(self, start: int, size: int) -> None:
        if start + size > self.size_bytes:
            raise Refused(Errno.FAULT)


class Call:
    """What one running call reads and writes. Its host calls run in the thread that runs the guest.

    `memory` is None until the module is instantiated: its start function, if it has one, finds the files
    closed.
    """

    def __init__(self, store: wasmtime.Store, stdin: bytes, reader: MessageReader, sink: LogSink) -> None:
        self.memory: GuestMemory | None = None
        self.stopped_by: Exception | None = None
        self._store = store
        self._fuel_left_at_stop = 0
        self._stdin = stdin
        self._stdin_at = 0
        self._reader = reader
        self._sink = sink

    def stop(self, reason: Exception) -> None:
        """End the guest at its next fuel check.

        Raising from a host call would do so at once, but Wasmtime's bindings carry that exception in one
        variable for all threads.
        """
        self.stopped_by = reason
        self._fuel_left_at_stop = self._store.get_fuel()
        self._store.set_fuel(0)

    def fuel_left(self) -> int:
        """The instructions that the call has not used."""
        return self._store.get_fuel() if self.stopped_by is None else self._fuel_left_at_stop

    def fd_read(self, descriptor: int, vectors_at: int, count: int, size_at: int) -> None:
        """Fill the guest's buffers from stdin; 0 bytes are its end. Raises `Refused`."""
        if self.memory is None or descriptor != _STDIN:
            raise Refused(Errno.BADF)
        before = self._stdin_at
        self.memory.write(size_at, bytes(4))
        for address, size in self.memory.vectors(vectors_at, count):
            part = self._stdin[self._stdin_at : self._stdin_at + size]
            self.memory.write(address, part)
            self._stdin_at += len(part)
        self.memory.write(size_at, (self._stdin_at - before).to_bytes(4, "little"))

    def fd_write(self, descriptor: int, vectors_at: int, count: int, size_at: int) -> None:
        """Take the guest's buffers. Raises `Refused`, and what `MessageReader.feed` raises."""
        if self.memory is None or descriptor not in (_STDOUT, _STDERR):
            raise Refused(Errno.BADF)
        data = b"".join(self.memory.read(*vector) for vector in self.memory.vectors(vectors_at, count))
        self.memory.write(size_at, len(data).to_bytes(4, "little"))
        if descriptor == _STDERR:
            self._sink.stderr(data)
        else:
            self._reader.feed(data)
