"""Datagrams to and from other nodes: the port, and UDP on trio's sockets."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import SOCK_DGRAM, AddressFamily, socket
from typing import Protocol

import msgspec
import trio

logger = logging.getLogger(__name__)


class Peer(msgspec.Struct, frozen=True):
    """Where another node can be reached: an IP address and a port."""

    address: str
    port: int


class Datagrams(Protocol):
    """Sends and receives whole datagrams; any may be lost, doubled or late."""

    async def send(self, data: bytes, peer: Peer) -> None:
        """Send one. Raises `OSError` where that is known to be in vain, `ValueError` for what is no IP address, and
        `OverflowError` for what is no port.
        """
        ...

    async def receive(self, max_bytes: int, max_count: int) -> list[bytes]:
        """The first `max_bytes` of each that waits, or of the next one: of `max_count` at most. Raises `OSError`."""
        ...


class UdpDatagrams:
    """UDP over IPv4 and IPv6: receives on one socket, and sends from others, which no address ties to an interface."""

    def __init__(self, receiving: socket | None) -> None:
        """Use `open_udp`."""
        self._receiving = receiving
        self._sending: dict[AddressFamily, trio.socket.SocketType] = {}

    async def send(self, data: bytes, peer: Peer) -> None:
        family = _family(ip_address(peer.address))
        if (sending := self._sending.get(family)) is None:
            sending = self._sending[family] = trio.socket.socket(family, SOCK_DGRAM)
        await sending.sendto(data, (peer.address, peer.port))

    async def receive(self, max_bytes: int, max_count: int) -> list[bytes]:
        """As the port says; for ever without an answer where the socket could not be bound."""
        if self._receiving is None:
            await trio.sleep_forever()
        received: list[bytes] = []
        while not received:
            await trio.lowlevel.wait_readable(self._receiving)
            # those that wait are taken in one turn of the task: a turn costs far more than a datagram
            with suppress(BlockingIOError):
                while len(received) < max_count:
                    received.append(self._receiving.recv(max_bytes))
        return received

    def close(self) -> None:
        """Close all sockets."""
        for sending in self._sending.values():
            sending.close()
        if self._receiving is not None:
            self._receiving.close()


@asynccontextmanager
async def open_udp(
    listeners: Sequence[trio.SocketListener], address: str, port: int
) -> AsyncIterator[UdpDatagrams]:
    """UDP for a node that others reach at `address` and `port`: bound to where its listener for such addresses is.

    Where that cannot be, it is logged, and nothing is ever received. Raises `ValueError` for what is no IP address.
    """
    family = _family(ip_address(address))
    bound_to = [one.socket.getsockname() for one in listeners if one.socket.family == family]
    host, *scope = (bound_to[0][0], *bound_to[0][2:]) if bound_to else (address,)
    receiving: socket | None = None
    try:
        receiving = socket(family, SOCK_DGRAM)
        receiving.setblocking(False)
        receiving.bind((host, port, *scope))
    except OSError as error:
        logger.warning("UDP port %d of %s cannot be listened on: %s", port, host, error.strerror)
        if receiving is not None:
            receiving.close()
            receiving = None
    datagrams = UdpDatagrams(receiving)
    try:
        yield datagrams
    finally:
        datagrams.close()


def _family(address: IPv4Address | IPv6Address) -> AddressFamily:
    return AddressFamily.AF_INET if address.version == 4 else AddressFamily.AF_INET6
