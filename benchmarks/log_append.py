"""Durable appends to the log's recorder on LMDB, beside the `eventsourcing` library's own SQLite recorder in a file.

Both wait for the disk at every commit: SQLite (WAL, `synchronous` FULL) flushes it once, LMDB twice. The first round is
not counted, and the two take turns: a disk's speed drifts, and whoever came first would pay for its warming up.
"""

import itertools
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from eventsourcing.persistence import ApplicationRecorder, StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from benchmarks.output import rate, title
from events.engine.lmdb import LmdbEngine
from events.recorder import EngineProcessRecorder

ROUNDS = 5
STATE = bytes(200)
SINGLE_EVENTS = 2_000
BATCHES, BATCH_EVENTS = 200, 100
WRITERS, EVENTS_PER_WRITER = 64, 30


def run() -> None:
    """Measure one writer, batches, and many writers, each on a fresh file."""
    title(f"append: durable, states of {len(STATE)} bytes, {ROUNDS} rounds after one that is not counted")
    for label, measure in (
        ("one writer, one event at a time", one_writer),
        (f"one writer, batches of {BATCH_EVENTS}", batches),
        (f"{WRITERS} writers, one event at a time", many_writers),
    ):
        rounds = [(on_sqlite(measure), on_lmdb(measure)) for _ in range(1 + ROUNDS)][1:]
        sqlite = [peer for peer, _ in rounds]
        rate(f"{label}: SQLite", sqlite, "events")
        rate(f"{label}: mu on LMDB", [ours for _, ours in rounds], "events", sqlite)


def on_lmdb(measure: Callable[[ApplicationRecorder], float]) -> float:
    """Measure the engine's recorder."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        engine = LmdbEngine(Path(folder))
        try:
            return measure(EngineProcessRecorder(engine))
        finally:
            engine.close()


def on_sqlite(measure: Callable[[ApplicationRecorder], float]) -> float:
    """Measure the library's recorder."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        datastore = SQLiteDatastore(str(Path(folder) / "events.db"), pool_size=WRITERS, max_overflow=WRITERS)
        try:
            recorder = SQLiteApplicationRecorder(datastore)
            recorder.create_table()
            return measure(recorder)
        finally:
            datastore.close()


def event(stream: str, version: int) -> StoredEvent:
    """An event of the size that a region's are."""
    return StoredEvent(stream, version, "StackStarted", STATE)


def one_writer(recorder: ApplicationRecorder) -> float:
    """Events per second, one an append."""
    started = time.perf_counter()
    for version in range(1, SINGLE_EVENTS + 1):
        recorder.insert_events([event("stream", version)])
    return SINGLE_EVENTS / (time.perf_counter() - started)


def batches(recorder: ApplicationRecorder) -> float:
    """Events per second, in batches."""
    versions = itertools.count(1)
    started = time.perf_counter()
    for _ in range(BATCHES):
        recorder.insert_events([event("stream", next(versions)) for _ in range(BATCH_EVENTS)])
    return BATCHES * BATCH_EVENTS / (time.perf_counter() - started)


def many_writers(recorder: ApplicationRecorder) -> float:
    """Events per second of many threads, each with a stream of its own."""

    def write(stream: str) -> None:
        for version in range(1, EVENTS_PER_WRITER + 1):
            recorder.insert_events([event(stream, version)])

    threads = [threading.Thread(target=write, args=(f"stream {number}",)) for number in range(WRITERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return WRITERS * EVENTS_PER_WRITER / (time.perf_counter() - started)
