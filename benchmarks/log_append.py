"""Durable appends to the log on LMDB, beside the `eventsourcing` library's own SQLite recorder in a file; and on TiKV.

Both wait for the disk at every commit: SQLite (WAL, `synchronous` FULL) flushes it once, LMDB twice. The first round is
not counted, and they take turns: a disk's speed drifts, and whoever came first would pay for its warming up. SQLite is
given events that are encoded already; the log encodes them, and checks each writer's expected version. Many writers are
threads on SQLite; on the log they are measured as threads and as the trio tasks that a node's writers are.

`MU_BENCH_PD` names a cluster's placement driver, host:port; what is written there is removed again.
"""

import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from benchmarks.output import line, rate, title
from events import codec
from events.catalogue import NodeSource, StackFailed, kind
from events.codec import Recorded
from events.engine import MAX_KEYS_PER_TRANSACTION, Engine
from events.engine.lmdb import LmdbEngine
from events.log import Log
from events.recorder import EngineProcessRecorder

ROUNDS = 5
BATCHES, BATCH_EVENTS = 200, 100
EVENTS_BY_WRITERS = {1: 512, 8: 2_048, 64: 24_576, 512: 24_576}
"""How many events so many writers append together: enough for some tenths of a second of the faster one."""
PD_ADDRESS = os.environ.get("MU_BENCH_PD", "")

SOURCE = NodeSource("n" * 44, 1)
EVENT = StackFailed(stack="s" * 44, revision=1, node="n" * 44, reason="")
RECORDED_AT = 1_764_000_000_000
TOPIC = kind(EVENT)
STATE = codec.encode(Recorded(SOURCE, RECORDED_AT, EVENT))

Append = Callable[[str, int, int], object]
"""Appends to a stream, after a version, a number of events."""

Measure = Callable[[Log], float]
"""Events per second."""


def run() -> None:
    """Measure one writer in batches, then 1 to 512 writers of single events, each on a fresh file."""
    title(f"append: durable, states of {len(STATE)} bytes, {ROUNDS} rounds after one that is not counted")
    label = f"one writer, batches of {BATCH_EVENTS}"
    compare(label, batches, {"": lambda log: batches(to_log(log))})
    for writers in EVENTS_BY_WRITERS:
        threads = by_threads(writers)
        ours: dict[str, Measure] = {
            ", threads": lambda log, threads=threads: threads(to_log(log)),
            ", tasks": by_tasks(writers),
        }
        compare(f"{writers} writers", threads, ours)
    if not PD_ADDRESS:
        line("TiKV", "left out: MU_BENCH_PD=host:port names the cluster to measure")
        return
    measure_tikv(label, lambda log: batches(to_log(log)))
    for writers in EVENTS_BY_WRITERS:
        measure_tikv(f"{writers} writers, tasks", by_tasks(writers))


def compare(label: str, of_peer: Callable[[Append], float], ours: dict[str, Measure]) -> None:
    """Rounds of the peer's and ours in turn."""
    peer: list[float] = []
    rates: dict[str, list[float]] = {what: [] for what in ours}
    for _ in range(1 + ROUNDS):
        with sqlite() as append:
            peer.append(of_peer(append))
        for what, measure in ours.items():
            with lmdb() as engine:
                rates[what].append(measure(open_log(engine)))
    rate(f"{label}: SQLite", peer[1:], "events")
    for what, per_second in rates.items():
        rate(f"{label}{what}: mu on LMDB", per_second[1:], "events", peer[1:])


def measure_tikv(label: str, measure: Measure) -> None:
    """Rounds on the cluster, which has no peer here."""
    rates: list[float] = []
    for _ in range(1 + ROUNDS):
        with tikv() as engine:
            rates.append(measure(open_log(engine)))
    rate(f"{label}: mu on TiKV", rates[1:], "events")


@contextmanager
def sqlite() -> Iterator[Append]:
    """The library's recorder."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        datastore = SQLiteDatastore(
            str(Path(folder) / "events.db"), pool_size=max(EVENTS_BY_WRITERS), max_overflow=0
        )
        recorder = SQLiteApplicationRecorder(datastore)
        recorder.create_table()

        def append(stream: str, after: int, count: int) -> None:
            versions = range(after + 1, after + 1 + count)
            recorder.insert_events([StoredEvent(stream, version, TOPIC, STATE) for version in versions])

        try:
            yield append
        finally:
            datastore.close()


@contextmanager
def lmdb() -> Iterator[Engine]:
    """The embedded engine, in a fresh file."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        engine = LmdbEngine(Path(folder))
        try:
            yield engine
        finally:
            engine.close()


@contextmanager
def tikv() -> Iterator[Engine]:
    """The cluster, under a prefix of its own."""
    from events.engine.tikv import TikvEngine

    engine = TikvEngine.open([PD_ADDRESS], b"benchmark/" + secrets.token_bytes(8))
    try:
        yield engine
    finally:
        remove_everything(engine)
        engine.close()


def remove_everything(engine: Engine) -> None:
    """Leave nothing of a log behind."""
    while True:
        with engine.begin() as transaction:
            keys = [key for key, _ in transaction.scan(b"", None, limit=MAX_KEYS_PER_TRANSACTION)]
            for key in keys:
                transaction.delete(key)
            transaction.commit()
        if not keys:
            return


def open_log(engine: Engine) -> Log:
    """A log there, whose clock stands still."""
    return Log(EngineProcessRecorder(engine), lambda: RECORDED_AT)


def to_log(log: Log) -> Append:
    """Appends to our log, from a thread."""

    def append(stream: str, after: int, count: int) -> None:
        log.append(stream, after, [(SOURCE, EVENT)] * count)

    return append


def batches(append: Append) -> float:
    """Events per second, in batches."""
    started = time.perf_counter()
    for number in range(BATCHES):
        append("stream", number * BATCH_EVENTS, BATCH_EVENTS)
    return BATCHES * BATCH_EVENTS / (time.perf_counter() - started)


def by_threads(writers: int) -> Callable[[Append], float]:
    """Events per second of many threads, each with a stream of its own."""
    events = EVENTS_BY_WRITERS[writers]

    def measure(append: Append) -> float:
        def write(stream: str) -> None:
            for after in range(events // writers):
                append(stream, after, 1)

        threads = [threading.Thread(target=write, args=(f"stream {number}",)) for number in range(writers)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return events / (time.perf_counter() - started)

    return measure


def by_tasks(writers: int) -> Measure:
    """Events per second of many trio tasks, each with a stream of its own."""
    events = EVENTS_BY_WRITERS[writers]

    def measure(log: Log) -> float:
        async def write(stream: str) -> None:
            for after in range(events // writers):
                await log.append_from_task(stream, after, [(SOURCE, EVENT)])

        async def write_all() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(writers):
                    nursery.start_soon(write, f"stream {number}")

        started = time.perf_counter()
        trio.run(write_all)
        return events / (time.perf_counter() - started)

    return measure
