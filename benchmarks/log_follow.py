"""How long after an append another process's follower has the entry, without peers' hints and with them, on LMDB and on
TiKV; and what following costs when nothing comes.

`MU_BENCH_PD` names a cluster's placement driver, host:port; what is written there is removed again.
"""

import math
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager
from statistics import median

import trio
from solders.pubkey import Pubkey

from benchmarks.log_append import PD_ADDRESS, remove_everything
from benchmarks.output import line, title
from events.catalogue import NodeLeft, NodeSource
from events.log import Log
from events.recorder import EngineProcessRecorder
from mu.log_location import TIKV_SCHEME, open_engine
from mu.peers.datagrams import Peer, open_udp
from mu.peers.hints import Hint, HintLimits, Hints, region_id
from projections.runner import RunnerLimits

PACES = {200: 0.02, 10: 2.0}
"""How many entries to append, and the seconds between two: half of that to one and a half, so that they keep no time
with the follower.
"""

IDLE_SECONDS = 5.0
FALSE_HINTS_PER_SECOND = 1000
POLL_SECONDS = RunnerLimits().poll_seconds
ADDRESS = "127.0.0.1"
REGION = region_id(Pubkey([1] * 32))


def run() -> None:
    """Follow a log that another process appends to, often and seldom, then one that nobody does."""
    title(
        f"follow: entries of another process, as a node does, which looks every {POLL_SECONDS:g} s at least"
    )
    measure("LMDB", lmdb)
    if PD_ADDRESS:
        measure("TiKV", tikv)
    else:
        line("TiKV", "left out: MU_BENCH_PD=host:port names the cluster to measure")


def measure(name: str, place: Callable[[], AbstractContextManager[str]]) -> None:
    """The delays on an engine, and what it costs to follow."""
    for entries, pause_seconds in PACES.items():
        for hinted in (False, True):
            with place() as location:
                found = sorted(trio.run(delays, location, entries, hinted))
            late = found[math.ceil(0.95 * entries) - 1]
            label = f"{name}, one every {pause_seconds:g} s, {'hints' if hinted else 'no hints'}"
            line(label, f"{median(found):>10.1f} ms (median)  {late:.1f} ms (95 %)")
    for per_second in (0, FALSE_HINTS_PER_SECOND):
        with place() as location:
            share = trio.run(idle, location, per_second)
        line(f"{name}, idle, {per_second} false hints a second", f"{share * 100:>10.2f} % of a core")


@contextmanager
def lmdb() -> Iterator[str]:
    """A fresh folder."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        yield folder


@contextmanager
def tikv() -> Iterator[str]:
    """A prefix of its own on the cluster."""
    location = f"{TIKV_SCHEME}{PD_ADDRESS}/benchmark-{secrets.token_hex(8)}"
    try:
        yield location
    finally:
        engine = open_engine(location, "MU_BENCH_PD")
        remove_everything(engine)
        engine.close()


@contextmanager
def opened(location: str) -> Iterator[Log]:
    """The log there."""
    engine = open_engine(location, "MU_BENCH_PD")
    try:
        yield Log(EngineProcessRecorder(engine), lambda: time.time_ns() // 1_000_000)
    finally:
        engine.close()


@asynccontextmanager
async def hinting(log: Log, *peers: Peer) -> AsyncIterator[int]:
    """Hints to `peers`, and from them at the port that this gives."""
    [listener] = await trio.open_tcp_listeners(0, host=ADDRESS)
    port = listener.socket.getsockname()[1]
    async with listener, open_udp([listener], ADDRESS, port) as datagrams, trio.open_nursery() as nursery:
        nursery.start_soon(Hints(log, REGION, lambda: peers, datagrams, HintLimits()).run)
        yield port
        nursery.cancel_scope.cancel()


def append(location: str, entries: int, port: int) -> None:
    """Append, each entry with its time in nanoseconds; hints go to `port`, unless it is 0. For a process of its own."""
    trio.run(_append, location, entries, port)


async def _append(location: str, entries: int, port: int) -> None:
    randomness = random.Random(0)
    with opened(location) as log:
        async with hinting(log, *([Peer(ADDRESS, port)] if port else [])):
            for version in range(entries):
                await trio.sleep(PACES[entries] * randomness.uniform(0.5, 1.5))
                event = NodeLeft(node="node", generation=time.monotonic_ns())
                await log.append_from_task("node", version, [(NodeSource("node", 1), event)])
            # the last hint
            await trio.sleep(PACES[entries])


async def delays(location: str, entries: int, hinted: bool) -> list[float]:
    """In milliseconds; they include the append itself."""
    found: list[float] = []
    with opened(location) as log:
        async with hinting(log) as port, aclosing(log.follow(poll_seconds=POLL_SECONDS)) as follow:
            call = f"append({location!r}, {entries}, {port if hinted else 0})"
            code = f"from benchmarks.log_follow import append; {call}"
            with subprocess.Popen([sys.executable, "-c", code]):
                async for batch in follow:
                    now = time.monotonic_ns()
                    events = [entry.event for entry in batch]
                    found += [
                        (now - event.generation) / 1e6 for event in events if isinstance(event, NodeLeft)
                    ]
                    if len(found) >= entries:
                        break
    return found


def lie(port: int, per_second: int) -> None:
    """Send false hints until it is ended. For a process of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for position in range(10**9, 2 * 10**9):
            sending.sendto(Hint(REGION, position).encode(), (ADDRESS, port))
            time.sleep(1 / per_second)


async def idle(location: str, false_hints_per_second: int) -> float:
    """The share of a core that a follower takes to which nothing comes but such hints."""
    with opened(location) as log:
        async with hinting(log) as port, trio.open_nursery() as nursery:
            if false_hints_per_second:
                code = f"from benchmarks.log_follow import lie; lie({port}, {false_hints_per_second})"
                nursery.start_soon(trio.run_process, [sys.executable, "-c", code])
            nursery.start_soon(_follow_nothing, log)
            # until the liar has started, and the follower looks as seldom as it ever does
            await trio.sleep(IDLE_SECONDS)
            before = time.process_time()
            await trio.sleep(IDLE_SECONDS)
            share = (time.process_time() - before) / IDLE_SECONDS
            nursery.cancel_scope.cancel()
    return share


async def _follow_nothing(log: Log) -> None:
    async with aclosing(log.follow(poll_seconds=POLL_SECONDS)) as follow:
        async for _ in follow:
            raise AssertionError("nobody appends here")
