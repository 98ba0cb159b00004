"""Replay of a log into all projections on one core, beside reading it without folding."""

import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from solders.pubkey import Pubkey

from benchmarks.output import line, rate, title
from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    NodeJoined,
    NodeLeft,
    NodeSource,
    Source,
    StackDeleted,
    StackDeployed,
    StackStarted,
    StackStopped,
    StackUpdated,
)
from events.engine.lmdb import LmdbEngine
from events.log import Log
from events.manifest import Endpoint, Function, Gateway, Manifest, Method, Route, RuntimeName, binary_id
from events.manifest_codec import encode
from events.node import node_hash
from events.recorder import EngineProcessRecorder
from projections.runner import Runner, RunnerLimits

EVENTS = 200_000
BATCH_EVENTS = 500
STACKS, NODES, MANIFESTS = 500, 8, 20_000


def run() -> None:
    """Write a log, then read it, then replay it."""
    title(f"replay: {EVENTS:,} events on LMDB, {STACKS} stacks, {NODES} nodes")
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        engine = LmdbEngine(Path(folder))
        try:
            log = Log(EngineProcessRecorder(engine), lambda: 1_700_000_000_000)
            write(log)
            started = time.perf_counter()
            for _ in log.replay():
                pass
            reading = EVENTS / (time.perf_counter() - started)
            rate("reading and decoding alone", reading, "events")
            runner = Runner(log, engine, RunnerLimits())
            started = time.perf_counter()
            runner.catch_up()
            rate("replay into all projections", EVENTS / (time.perf_counter() - started), "events", reading)
            line("peak memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
        finally:
            engine.close()


def write(log: Log) -> None:
    """Fill the log with a region's life."""
    life = happenings(random.Random(1))
    for version in range(0, EVENTS, BATCH_EVENTS):
        log.append("region", version, [next(life) for _ in range(BATCH_EVENTS)])


def happenings(randomness: random.Random) -> Iterator[tuple[Source, Event]]:
    """Mostly starts and stops; now and then a deployment, an update, a deletion, a node that comes or goes."""
    function = Function("greeter_function", binary_id(b"x"), RuntimeName.WASI_1_0, 256)
    route = Route(Method.GET, "greeter_function", "greet_user")
    gateway = Gateway("greeting", (Endpoint("/greet/{name}", (route,)),))
    # more than are remembered, so that each is decoded
    manifests = [
        encode(Manifest("GreetingApp", f"0.{number}", (function, gateway))) for number in range(MANIFESTS)
    ]
    stacks = [str(Pubkey(randomness.randbytes(32))) for _ in range(STACKS)]
    nodes = [node_hash("10.0.0.1", 7000 + number, 1) for number in range(NODES)]
    zeros, scope, owner = bytes(32), str(Pubkey(bytes(32))), str(Pubkey(bytes([1] * 32)))
    chain = {"scope": scope, "sequence": 1, "previous_hash": zeros, "event_hash": zeros}
    on_chain = ChainSource(5, "s" * 88, 0, Finality.CONFIRMED)
    by_node = NodeSource(nodes[0], 1)
    revisions = dict.fromkeys(stacks, 1)
    while True:
        stack, number, dice = randomness.choice(stacks), randomness.randrange(NODES), randomness.random()
        happened: Event
        manifest = randomness.choice(manifests)
        if dice < 0.10:
            happened = StackDeployed(stack=stack, owner=owner, seed=0, revision=1, manifest=manifest, **chain)
            revisions[stack] = 1
        elif dice < 0.20:
            revisions[stack] += 1
            happened = StackUpdated(
                stack=stack,
                owner=owner,
                revision=revisions[stack],
                manifest=randomness.choice(manifests),
                **chain,
            )
        elif dice < 0.22:
            happened = StackDeleted(stack=stack, owner=owner, revision=revisions[stack], **chain)
        elif dice < 0.221:
            happened = NodeLeft(node=nodes[number], generation=1)
        elif dice < 0.223:
            happened = NodeJoined(
                node=nodes[number],
                address="10.0.0.1",
                port=7000 + number,
                generation=1,
                public_key=f"{number}",
            )
        elif dice < 0.62:
            happened = StackStopped(stack=stack, revision=revisions[stack], node=nodes[number])
        else:
            happened = StackStarted(stack=stack, revision=revisions[stack], node=nodes[number])
        yield (on_chain if isinstance(happened, ChainEvent) else by_node), happened
