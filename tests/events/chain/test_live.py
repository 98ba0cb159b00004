"""The follower on a live local chain, over real connections that are broken on purpose."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
import trio.testing

from events.chain.follower import Health
from events.chain.pubsub import LogsSubscription
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.log import Log
from mu.config import NodeLimits
from tests.entries import open_log
from tests.events.chain.histories import SCOPE
from tests.events.chain.live import (
    NEVER_SECONDS,
    PATIENCE_SECONDS,
    Actor,
    chain,
    follower,
    subscription,
    until_whole,
)
from tests.events.chain.proxy import open_proxy


@contextmanager
def lmdb(folder: Path) -> Iterator[LmdbEngine]:
    """The engine of a folder, closed when the context ends."""
    engine = LmdbEngine(folder)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def kept_log(folder: Path) -> Iterator[Log]:
    """The log of a folder, closed when the context ends."""
    with lmdb(folder) as engine:
        yield open_log(engine)


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


async def test_half_open_subscriptions_are_noticed_within_five_seconds_and_the_next_one_is_used():
    limits = NodeLimits()
    log = open_log(MemoryEngine())
    async with (
        chain(MemoryEngine()) as port,
        open_proxy(port + 1) as one,
        open_proxy(port + 1) as other,
        trio.open_nursery() as nursery,
    ):
        actor = Actor(port, itertools.count())
        await actor.set_up()
        quick = {"connect_seconds": 0.5, "ping_seconds": 0.3, "pong_seconds": 0.2}
        assert limits.chain.ping_seconds + limits.chain.pong_seconds <= 5.0
        assert limits.chain.connect_seconds <= 5.0
        nursery.start_soon(
            follower(log, port, NEVER_SECONDS).run,
            *(LogsSubscription(f"ws://127.0.0.1:{proxy.port}", SCOPE, commitment="confirmed", **quick)
              for proxy in (one, other)))  # fmt: skip
        await actor.deploy()
        await until_whole(log, 2)
        assert (one.accepted, other.accepted) == (1, 0)
        one.is_half_open = True
        with trio.fail_after(PATIENCE_SECONDS):
            while not other.accepted:
                await trio.testing.wait_all_tasks_blocked(0.01)
        await actor.deploy()
        await until_whole(log, 3)
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


async def test_the_chain_is_restarted_and_deployed_to_meanwhile(tmp_path: Path):
    log, seeds = open_log(MemoryEngine()), itertools.count()
    async with trio.open_nursery() as nursery:
        with lmdb(tmp_path) as ledger:
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
        with lmdb(tmp_path) as ledger:
            async with chain(ledger, port):
                await Actor(port, seeds).deploy(3)
                await until_whole(log, 6)
        nursery.cancel_scope.cancel()


async def test_the_follower_is_restarted_with_its_log_at_any_moment(tmp_path: Path):
    async with chain(MemoryEngine()) as port:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        for _ in range(5):
            with kept_log(tmp_path) as log:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(follower(log, port, 0.2).run, subscription(port + 1))
                    await actor.deploy()
                    nursery.cancel_scope.cancel()
        with kept_log(tmp_path) as log:
            await follower(log, port, NEVER_SECONDS).catch_up()
            await until_whole(log, 6)


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


async def test_everything_breaks_again_and_again(tmp_path: Path):
    """The chain and the log are closed and opened from their files each time; messages and connections are lost."""
    rounds, seeds, port = 4, itertools.count(), 0
    for number in range(rounds):
        with lmdb(tmp_path / "chain") as ledger, kept_log(tmp_path / "log") as log:
            async with (
                chain(ledger, port) as port,
                open_proxy(port + 1) as proxy,
                trio.open_nursery() as nursery,
            ):
                proxy.drop_every_second_message = True
                actor = Actor(port, seeds)
                if number == 0:
                    await actor.set_up()
                for _ in range(2):
                    nursery.start_soon(follower(log, port, 0.1).run, subscription(proxy.port))
                for _ in range(3):
                    await actor.deploy()
                    proxy.kill_connections()
                nursery.cancel_scope.cancel()
    with lmdb(tmp_path / "chain") as ledger, kept_log(tmp_path / "log") as log:
        async with chain(ledger, port) as port:
            await follower(log, port, NEVER_SECONDS).catch_up()
            await until_whole(log, 1 + 3 * rounds)
