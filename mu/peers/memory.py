"""Datagrams in memory: a network of one process, for tests and simulations."""

import errno
from collections.abc import Callable
from contextlib import suppress

import trio

from mu.peers.datagrams import Peer

MAX_QUEUED_DATAGRAMS = 256
"""As a socket's buffer does, a place loses what comes when so many wait."""


class MemoryNetwork:
    """Brings datagrams to the places that are open on it, in order and at once, but for those that `is_lost`.

    Sending to one of the `unreachable` fails. What is sent to where nothing is open is lost.
    """

    def __init__(self, is_lost: Callable[[bytes, Peer], bool] = lambda data, peer: False) -> None:
        self._is_lost = is_lost
        self._places: dict[Peer, trio.MemorySendChannel[bytes]] = {}
        self.unreachable: set[Peer] = set()

    def open(self, peer: Peer) -> "MemoryDatagrams":
        """What the node at this place sends and receives with."""
        self._places[peer], receiving = trio.open_memory_channel[bytes](MAX_QUEUED_DATAGRAMS)
        return MemoryDatagrams(self, receiving)

    def deliver(self, data: bytes, peer: Peer) -> None:
        """Bring a datagram there. Raises `OSError`."""
        if peer in self.unreachable:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        place = self._places.get(peer)
        if place is None or self._is_lost(data, peer):
            return
        try:
            place.send_nowait(data)
        except trio.WouldBlock:
            return


class MemoryDatagrams:
    """See `mu.peers.datagrams.Datagrams`."""

    def __init__(self, network: MemoryNetwork, receiving: trio.MemoryReceiveChannel[bytes]) -> None:
        """Use `MemoryNetwork.open`."""
        self._network = network
        self._receiving = receiving

    async def send(self, data: bytes, peer: Peer) -> None:
        await trio.lowlevel.checkpoint()
        self._network.deliver(data, peer)

    async def receive(self, max_bytes: int, max_count: int) -> list[bytes]:
        received = [await self._receiving.receive()]
        with suppress(trio.WouldBlock):
            while len(received) < max_count:
                received.append(self._receiving.receive_nowait())
        return [data[:max_bytes] for data in received]
