"""The follower and its adapters on a live local chain, over real connections that are broken on purpose."""

import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.keypair import Keypair

from contract import client as program
from contract.addresses import PROGRAM_ID, stack_address
from events.chain.follower import Health
from events.chain.pubsub import SubscriptionLost
from events.chain.rpc import ChainUnavailable, RpcChainReader
from events.engine import Engine
from events.engine.memory import MemoryEngine
from mu.config import HttpLimits
from mu.http.message import Request, Response
from mu.http.server import serve
from mu.localnet.ledger import Ledger
from mu.localnet.server import open_listeners, serve_localnet
from tests.entries import open_log
from tests.events.chain.histories import OWNER, REGION, SCOPE
from tests.events.chain.live import (
    NEVER_SECONDS,
    PATIENCE_SECONDS,
    Actor,
    follower,
    subscription,
    until_whole,
)
from tests.events.chain.proxy import open_proxy

SLOT_SECONDS = 0.02


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


async def test_events_from_before_and_after_the_follower_starts():
    log = open_log(MemoryEngine())
    async with chain(MemoryEngine()) as port, trio.open_nursery() as nursery:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        await actor.deploy(2)
        following = follower(log, port, NEVER_SECONDS)
        nursery.start_soon(following.run, subscription(port + 1))
        await until_whole(log, 3)
        await actor.deploy(3)
        await until_whole(log, 6)
        assert following.health is Health.CAUGHT_UP
        nursery.cancel_scope.cancel()


async def test_the_websocket_is_killed_again_and_again():
    log = open_log(MemoryEngine())
    async with chain(MemoryEngine()) as port, open_proxy(port + 1) as proxy, trio.open_nursery() as nursery:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        nursery.start_soon(follower(log, port, NEVER_SECONDS).run, subscription(proxy.port))
        for _ in range(5):
            await actor.deploy()
            proxy.kill_connections()
            await actor.deploy()
        await until_whole(log, 11)
        assert proxy.accepted > 3
        nursery.cancel_scope.cancel()


async def test_every_second_notification_is_lost():
    log = open_log(MemoryEngine())
    async with chain(MemoryEngine()) as port, open_proxy(port + 1) as proxy, trio.open_nursery() as nursery:
        proxy.drop_every_second_message = True
        actor = Actor(port, itertools.count())
        await actor.set_up()
        nursery.start_soon(follower(log, port, 0.2).run, subscription(proxy.port))
        for deployed in range(1, 8):
            await actor.deploy()
            await until_whole(log, 1 + deployed)
        nursery.cancel_scope.cancel()


async def test_the_chain_is_restarted_and_deployed_to_meanwhile():
    log, ledger = open_log(MemoryEngine()), MemoryEngine()
    seeds = itertools.count()
    async with trio.open_nursery() as nursery:
        async with chain(ledger) as port:
            actor = Actor(port, seeds)
            await actor.set_up()
            following = follower(log, port, 0.2)
            nursery.start_soon(following.run, subscription(port + 1))
            await actor.deploy(2)
            await until_whole(log, 3)
        with trio.fail_after(PATIENCE_SECONDS):
            while following.health is not Health.UNAVAILABLE:
                await trio.lowlevel.checkpoint()
        async with chain(ledger, port):
            await Actor(port, seeds).deploy(3)
            await until_whole(log, 6)
        nursery.cancel_scope.cancel()


async def test_the_follower_is_restarted_with_its_log_at_any_moment():
    engine = MemoryEngine()
    async with chain(MemoryEngine()) as port:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        for _ in range(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follower(open_log(engine), port, 0.2).run, subscription(port + 1))
                await actor.deploy()
                nursery.cancel_scope.cancel()
        await follower(open_log(engine), port, NEVER_SECONDS).catch_up()
        await until_whole(open_log(engine), 6)


async def test_two_nodes_on_one_log():
    engine = MemoryEngine()
    async with chain(MemoryEngine()) as port, trio.open_nursery() as nursery:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        for _ in range(2):
            nursery.start_soon(follower(open_log(engine), port, 0.2).run, subscription(port + 1))
        await actor.deploy(6)
        await until_whole(open_log(engine), 7)
        nursery.cancel_scope.cancel()


async def test_the_subscription_is_answered_and_tells_of_each_transaction():
    async with chain(MemoryEngine()) as port, trio.open_nursery() as nursery:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        send, heard = trio.open_memory_channel[None](100)
        nursery.start_soon(subscription(port + 1).run, lambda: send.send_nowait(None))
        with trio.fail_after(PATIENCE_SECONDS):
            await heard.receive()
            await actor.deploy()
            await heard.receive()
        assert heard.statistics().current_buffer_used == 0
        nursery.cancel_scope.cancel()


async def test_a_half_open_connection_is_found():
    async with chain(MemoryEngine()) as port, open_proxy(port + 1) as proxy, trio.open_nursery() as nursery:
        stands = trio.Event()

        async def listen() -> None:
            with pytest.raises(SubscriptionLost, match="silent"):
                await subscription(proxy.port, ping_seconds=0.05, pong_seconds=0.05).run(stands.set)

        with trio.fail_after(PATIENCE_SECONDS):
            async with trio.open_nursery() as listening:
                listening.start_soon(listen)
                await stands.wait()
                proxy.hold = True
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def peer(said: bytes, *, closes: bool = True) -> AsyncIterator[int]:
    """A server that says `said` to whoever connects; gives its port."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(65536)
            await stream.send_all(said)
            if not closes:
                await trio.sleep_forever()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, answer, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 403 Forbidden\r\n\r\n", b"\0\1\2", b"HTTP/1.1 101 X\r\n\r\n", b"x" * 99_999]
)
async def test_a_peer_that_is_no_pubsub(said: bytes):
    async with peer(said) as port:
        with trio.fail_after(PATIENCE_SECONDS), pytest.raises(SubscriptionLost):
            await subscription(port).run(lambda: None)


async def test_nobody_listens():
    async with peer(b"") as port:
        pass
    with pytest.raises(SubscriptionLost, match="no connection"):
        await subscription(port).run(lambda: None)
    with pytest.raises(ChainUnavailable):
        await RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}"), timeout_seconds=5.0).account_data(SCOPE)


ERROR = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32002, "message": "no data"}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (429, b"slow down"),
        (200, b""),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b'{"jsonrpc":"2.0","id":0,"result":"surprise"}'),
        (200, json.dumps(ERROR).encode()),
    ],
)
async def test_answers_that_are_none_are_outages(status: int, body: bytes):
    async def answer(request: Request) -> Response:
        return Response(status, (("content-type", "application/json"),), body)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]

        async def server(task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
            await serve(answer, listeners, HttpLimits(), request_ids=lambda: "id", task_status=task_status)

        await nursery.start(server)
        reader = RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}"), timeout_seconds=5.0)
        signature = str(Keypair().sign_message(b""))
        with pytest.raises(ChainUnavailable):
            await reader.account_data(SCOPE)
        with pytest.raises(ChainUnavailable):
            await reader.signatures(SCOPE, None)
        with pytest.raises(ChainUnavailable):
            await reader.transaction_logs(signature)
        nursery.cancel_scope.cancel()


async def test_a_silent_rpc_node_is_an_outage():
    async with peer(b"", closes=False) as port:
        reader = RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}"), timeout_seconds=0.05)
        with pytest.raises(ChainUnavailable, match=r"within 0\.05 s"):
            await reader.account_data(SCOPE)


async def test_what_the_chain_does_not_have():
    async with chain(MemoryEngine()) as port:
        reader = RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}", Confirmed), timeout_seconds=5.0)
        address = str(stack_address(REGION, OWNER.pubkey(), 0)[0])
        assert await reader.account_data(address) is None
        assert await reader.signatures(address, None) == []
        assert await reader.transaction_logs(str(Keypair().sign_message(b""))) is None
