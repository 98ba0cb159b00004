"""Durable appends to the log's recorder on LMDB, beside the `eventsourcing` library's own SQLite recorder in a file.

Both wait for the disk at every commit: SQLite (WAL, `synchronous` FULL) flushes it once, LMDB twice. The first round is
not counted, and they take turns: a disk's speed drifts, and whoever came first would pay for its warming up. Many
writers are threads on SQLite; on LMDB they are measured as threads and as the trio tasks that a node's writers are.
"""

import itertools
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import trio
from eventsourcing.persistence import ApplicationRecorder, StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from benchmarks.output import rate, title
from events.engine.lmdb import LmdbEngine
from events.group_commit import Insert, TaskGroupCommit
from events.recorder import EngineProcessRecorder

ROUNDS = 5
STATE = bytes(200)
BATCHES, BATCH_EVENTS = 200, 100
WRITERS = (1, 8, 64, 512)
EVENTS_OF_ALL_WRITERS = 2_048

Measure = Callable[[ApplicationRecorder], float]


def run() -> None:
    """Measure one writer in batches, then 1 to 512 writers of single events, each on a fresh file."""
    title(f"append: durable, states of {len(STATE)} bytes, {ROUNDS} rounds after one that is not counted")
    compare(f"one writer, batches of {BATCH_EVENTS}", batches, ("", batches))
    for writers in WRITERS:
        threads, tasks = by_threads(writers), by_tasks(writers)
        compare(f"{writers} writers", threads, (", threads", threads), (", tasks", tasks))


def compare(label: str, of_peer: Measure, *of_ours: tuple[str, Measure]) -> None:
    """Rounds of the peer's and ours in turn."""
    rounds = [(on_sqlite(of_peer), [on_lmdb(measure) for _, measure in of_ours]) for _ in range(1 + ROUNDS)][
        1:
    ]
    peer = [sqlite for sqlite, _ in rounds]
    rate(f"{label}: SQLite", peer, "events")
    for number, (what, _) in enumerate(of_ours):
        rate(f"{label}{what}: mu on LMDB", [ours[number] for _, ours in rounds], "events", peer)


def on_lmdb(measure: Measure) -> float:
    """Measure the engine's recorder."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        engine = LmdbEngine(Path(folder))
        try:
            return measure(EngineProcessRecorder(engine))
        finally:
            engine.close()


def on_sqlite(measure: Measure) -> float:
    """Measure the library's recorder."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        datastore = SQLiteDatastore(str(Path(folder) / "events.db"), pool_size=max(WRITERS), max_overflow=0)
        try:
            recorder = SQLiteApplicationRecorder(datastore)
            recorder.create_table()
            return measure(recorder)
        finally:
            datastore.close()


def event(stream: str, version: int) -> StoredEvent:
    """An event of the size that a region's are."""
    return StoredEvent(stream, version, "StackStarted", STATE)


def batches(recorder: ApplicationRecorder) -> float:
    """Events per second, in batches."""
    versions = itertools.count(1)
    started = time.perf_counter()
    for _ in range(BATCHES):
        recorder.insert_events([event("stream", next(versions)) for _ in range(BATCH_EVENTS)])
    return BATCHES * BATCH_EVENTS / (time.perf_counter() - started)


def by_threads(writers: int) -> Measure:
    """Events per second of many threads, each with a stream of its own."""

    def measure(recorder: ApplicationRecorder) -> float:
        def write(stream: str) -> None:
            for version in range(1, 1 + EVENTS_OF_ALL_WRITERS // writers):
                recorder.insert_events([event(stream, version)])

        threads = [threading.Thread(target=write, args=(f"stream {number}",)) for number in range(writers)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return EVENTS_OF_ALL_WRITERS / (time.perf_counter() - started)

    return measure


def by_tasks(writers: int) -> Measure:
    """Events per second of many trio tasks, each with a stream of its own."""

    def measure(recorder: ApplicationRecorder) -> float:
        assert isinstance(recorder, EngineProcessRecorder)
        group = TaskGroupCommit(recorder.insert_together)

        async def write(stream: str) -> None:
            for version in range(1, 1 + EVENTS_OF_ALL_WRITERS // writers):
                await group.insert(Insert([event(stream, version)], None, version - 1))

        async def write_all() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(writers):
                    nursery.start_soon(write, f"stream {number}")

        started = time.perf_counter()
        trio.run(write_all)
        return EVENTS_OF_ALL_WRITERS / (time.perf_counter() - started)

    return measure
