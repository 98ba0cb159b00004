"""What a test of a live chain needs: a chain, the owner of a region, who acts, and a follower that watches."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed

from contract import client as program
from contract.addresses import PROGRAM_ID
from events.catalogue import ChainEvent
from events.chain.follower import Follower, FollowerLimits
from events.chain.pubsub import LogsSubscription
from events.chain.rpc import RpcChainReader
from events.engine import Engine
from events.log import Log
from mu.localnet.ledger import Ledger
from mu.localnet.server import open_listeners, serve_localnet
from mu.marketplace import Marketplace
from tests.events.chain.histories import (
    MINT,
    OWNER,
    PROVIDER,
    REGION,
    SCOPE,
    set_up_region,
    set_up_tokens,
)

SLOT_SECONDS = 0.02
STATUS_SECONDS = 0.01
PATIENCE_SECONDS = 20.0
NEVER_SECONDS = 3600.0
"""So long that only the subscription, never the timer, can be what woke a follower."""


@asynccontextmanager
async def chain(engine: Engine, port: int = 0) -> AsyncIterator[int]:
    """A local chain with the region, on `port` and the one after it; gives the port."""
    rpc, pubsub = await open_listeners(port)
    port = rpc[0].socket.getsockname()[1]
    ledger = Ledger.open(engine, {PROGRAM_ID: program.program_bytes()}, seed=bytes(32), now=time.time)

    async def serve_chain(task_status: trio.TaskStatus[None]) -> None:
        await serve_localnet(
            ledger, rpc_listeners=rpc, pubsub_listeners=pubsub, now=time.time, request_ids=lambda: "id",
            slot_seconds=SLOT_SECONDS, task_status=task_status)  # fmt: skip

    async with trio.open_nursery() as nursery:
        await nursery.start(serve_chain)
        yield port
        nursery.cancel_scope.cancel()


class Actor:
    """The owner of a region, who deploys stacks to it."""

    def __init__(self, port: int, seeds: "itertools.count[int]") -> None:
        self.client = AsyncClient(f"http://127.0.0.1:{port}", Confirmed)
        self.marketplace = Marketplace(self.client, poll_seconds=STATUS_SECONDS)
        self._seeds = seeds

    async def set_up(self) -> None:
        owner = OWNER.pubkey()
        await self.marketplace.airdrop(owner, 10**12)
        escrow = program.create_escrow(owner, PROVIDER, mint=MINT)
        for instructions in (*set_up_tokens(), set_up_region(), [escrow]):
            await self.marketplace.send(instructions, OWNER)

    async def deploy(self, count: int = 1) -> None:
        for seed in itertools.islice(self._seeds, count):
            await self.marketplace.send(
                [program.deploy_stack(OWNER.pubkey(), PROVIDER, REGION, seed, b"m")], OWNER
            )


def subscription(port: int) -> LogsSubscription:
    return LogsSubscription(
        f"ws://127.0.0.1:{port}", SCOPE, connect_seconds=5.0, ping_seconds=5.0, pong_seconds=5.0,
        commitment="confirmed")  # fmt: skip


def follower(log: Log, port: int, poll_seconds: float) -> Follower:
    reader = RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}", Confirmed), timeout_seconds=5.0)
    limits = FollowerLimits(poll_seconds=poll_seconds, first_retry_seconds=0.01, longest_retry_seconds=0.1)
    return Follower(log, reader, SCOPE, limits)


async def until_whole(log: Log, events: int) -> None:
    """Wait until the log has so many events, and check that none is missing, doubled or out of its chain."""
    with trio.fail_after(PATIENCE_SECONDS):
        async for _ in log.follow(poll_seconds=1.0):
            if log.head().position >= events:
                break
    previous = bytes(32)
    for entry in log.replay():
        assert isinstance(entry.event, ChainEvent)
        assert (entry.event.sequence, entry.event.previous_hash) == (entry.position, previous)
        previous = entry.event.event_hash
    assert log.head().position == events
