"""Hints: a node that has appended to the region's log tells the others how far it has come, so that they look at once.

A hint is one UDP datagram, to the address and the port that the other node has joined with; nobody answers one. A lost
one does no harm: the other looks by itself before long (`Log.follow`). Nor does a forged one, which costs a node one
look, at a bounded rate, and tells it nothing that it would act on: so hints are neither signed nor secret.
"""

import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Self

import msgspec
import trio
from solders.pubkey import Pubkey

from contract.errors import DecodeError
from events.log import FIRST_POSITION, Log
from mu.peers.datagrams import Datagrams, Peer
from projections.membership import Member

MAGIC = b"muH"
VERSION = 1
REGION_ID_BYTES = 8
_LAYOUT = struct.Struct(f">3sB{REGION_ID_BYTES}sQ")

logger = logging.getLogger(__name__)


def region_id(region: Pubkey) -> bytes:
    """What hints name a region by: the first 8 bytes of its account's address."""
    return bytes(region)[:REGION_ID_BYTES]


class Hint(msgspec.Struct, frozen=True):
    """The log of a region has come to a position. 20 bytes, integers big-endian:

    0   3  `muH`
    3   1  version, 1
    4   8  the region (see `region_id`)
    12  8  the position, 1 or more
    """

    region: bytes
    position: int

    def encode(self) -> bytes:
        """The datagram."""
        return _LAYOUT.pack(MAGIC, VERSION, self.region, self.position)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The hint in a datagram. Raises `DecodeError`."""
        if len(data) != _LAYOUT.size:
            raise DecodeError(f"a hint has {_LAYOUT.size} bytes, this datagram has another number")
        magic, version, region, position = _LAYOUT.unpack(data)
        if (magic, version) != (MAGIC, VERSION):
            raise DecodeError(f"a hint begins with {MAGIC!r} and version {VERSION}")
        if position < FIRST_POSITION:
            raise DecodeError(f"a position is {FIRST_POSITION} or more")
        return cls(region, position)


class HintLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many datagrams a node sends and takes. After one it sends a peer no other for `send_pause_seconds`. It takes
    up to `max_received_at_once`, then none for `receive_pause_seconds`: 10,000 a second, and a flood keeps a true hint
    out for no longer. After an error of its socket it receives nothing for `retry_seconds`.
    """

    send_pause_seconds: float = 0.005
    receive_pause_seconds: float = 0.005
    max_received_at_once: int = 50
    retry_seconds: float = 1.0


class HintCounts(msgspec.Struct):
    """How many datagrams were sent and could not be; how many hints were taken; and how many datagrams were ignored."""

    sent: int = 0
    unsent: int = 0
    taken: int = 0
    ignored: int = 0


class Hints:
    """Tells the other nodes of a region of this process's appends to `log`, and the log of theirs.

    `region` is the region's id; `peers` gives the other nodes as they are now.
    """

    def __init__(
        self,
        log: Log,
        region: bytes,
        peers: Callable[[], Sequence[Peer]],
        datagrams: Datagrams,
        limits: HintLimits,
    ) -> None:
        self._log = log
        self._region = region
        self._peers = peers
        self._datagrams = datagrams
        self._limits = limits
        self._unreachable: set[Peer] = set()
        self.counts = HintCounts()

    async def run(self) -> None:
        """Send and receive for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            nursery.start_soon(self._receive)

    async def _send(self) -> None:
        async with aclosing(self._log.appends()) as appends:
            async for position in appends:
                data = Hint(self._region, position).encode()
                peers = self._peers()
                self._unreachable.intersection_update(peers)
                for peer in peers:
                    await self._send_one(data, peer)
                await trio.sleep(self._limits.send_pause_seconds)

    async def _send_one(self, data: bytes, peer: Peer) -> None:
        try:
            await self._datagrams.send(data, peer)
        except (OSError, ValueError, OverflowError) as error:
            self.counts.unsent += 1
            if peer not in self._unreachable:
                self._unreachable.add(peer)
                logger.warning("no hints to the node at %s, port %d: %s", peer.address, peer.port, error)
        else:
            self.counts.sent += 1

    async def _receive(self) -> None:
        logged = False
        while True:
            try:
                received = await self._datagrams.receive(_LAYOUT.size + 1, self._limits.max_received_at_once)
            except OSError as error:
                if not logged:
                    logged = True
                    logger.warning("hints cannot be received: %s", error)
                await trio.sleep(self._limits.retry_seconds)
            else:
                self._take(received)
                await trio.sleep(self._limits.receive_pause_seconds)

    def _take(self, received: Sequence[bytes]) -> None:
        newest = FIRST_POSITION - 1
        for data in received:
            try:
                hint = Hint.decode(data)
            except DecodeError:
                hint = None
            if hint is None or hint.region != self._region:
                self.counts.ignored += 1
            else:
                self.counts.taken += 1
                newest = max(newest, hint.position)
        if newest >= FIRST_POSITION:
            self._log.hint(newest)


def peers_of(node: str, members: Mapping[str, Member]) -> list[Peer]:
    """Where the members other than `node` can be reached."""
    return [Peer(member.address, member.port) for name, member in members.items() if name != node]
