"""A load client: keep-alive connections that ask for one path again and again, and check every answer."""

import os
import selectors
import socket
import time
from pathlib import Path

import msgspec

CONNECTIONS = 32
RECEIVE_BYTES = 64 * 1024
END_OF_HEADERS = b"\r\n\r\n"


class UnexpectedAnswer(Exception):
    """The server answered with another status than 200, or hung up."""


class Load(msgspec.Struct, frozen=True):
    """Answers per second, and how many cores the server, the client and all other processes kept busy meanwhile.

    The rate is the server's own only if the client had rest, and if others left it its core.
    """

    per_second: float
    server_cores: float
    client_cores: float
    other_cores: float


class _Client:
    """One connection with one request under way."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._answer = b""

    def ask(self) -> None:
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Take what has come; says whether the answer is whole. Raises `UnexpectedAnswer`."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise UnexpectedAnswer("the server hung up")
        self._answer += data
        end = self._answer.find(END_OF_HEADERS)
        if end < 0:
            return False
        if not self._answer.startswith(b"HTTP/1.1 200 "):
            raise UnexpectedAnswer(self._answer[:200].decode(errors="replace"))
        headers = self._answer[:end].lower()
        at = headers.index(b"content-length:") + len(b"content-length:")
        length = int(headers[at:].split(b"\r\n", 1)[0])
        if len(self._answer) < end + len(END_OF_HEADERS) + length:
            return False
        self._answer = b""
        return True


def load(server: int, port: int, path: str, *, seconds: float, warm_up_seconds: float, core: int) -> Load:
    """What the process `server` on this machine answers, asked from one core, after a warm-up."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    selector = selectors.DefaultSelector()
    clients = [_Client(("127.0.0.1", port), request) for _ in range(CONNECTIONS)]
    try:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        _ask_for(selector, warm_up_seconds)
        before, started = _cpu_seconds(server), time.perf_counter()
        answered = _ask_for(selector, seconds)
        elapsed = time.perf_counter() - started
        busy = [
            (after - earlier) / elapsed for earlier, after in zip(before, _cpu_seconds(server), strict=True)
        ]
        return Load(answered / elapsed, busy[0], busy[1], max(0.0, busy[2] - busy[0] - busy[1]))
    finally:
        for client in clients:
            client.socket.close()
        selector.close()
        os.sched_setaffinity(0, cores)


def _cpu_seconds(server: int) -> tuple[float, float, float]:
    """CPU time so far of the server's threads, of this process, and of the whole machine, by proc(5)."""
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    # utime and stime are the fields 14 and 15, and the second, in brackets, may hold blanks
    fields = Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()
    user, nice, system, _, _, interrupts, soft_interrupts = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (
        (int(fields[11]) + int(fields[12])) / ticks_per_second,
        time.process_time(),
        (user + nice + system + interrupts + soft_interrupts) / ticks_per_second,
    )


def _ask_for(selector: selectors.BaseSelector, seconds: float) -> int:
    answered = 0
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for key, _ in selector.select(timeout=1.0):
            client: _Client = key.data
            if client.receive():
                answered += 1
                client.ask()
    return answered
