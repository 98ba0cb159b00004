"""Replay of a log into all projections on one core, beside reading it without folding.

Each round is a process of its own, so that the memory it reports is that of a replay and not of writing the log.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.output import line, rate, title
from benchmarks.region_life import life
from events.catalogue import kind
from events.engine.lmdb import LmdbEngine
from events.log import Log
from events.recorder import EngineProcessRecorder
from projections.runner import Runner, RunnerLimits

ROUNDS = 3
EVENTS = 1_000_000
BATCH_EVENTS = 500
CORE = 0


class Replay(msgspec.Struct, frozen=True):
    """Rates in events per second, and memory in KiB: the most resident at any time, and how much of what is resident
    at the end are pages of the log's file, which the system takes back when it needs them.
    """

    reading: float
    replaying: float
    peak_kibibytes: int
    file_kibibytes: int


def run() -> None:
    """Write a log, then read and replay it in fresh processes."""
    title(f"replay: {EVENTS:,} events on LMDB, on core {CORE}, {ROUNDS} rounds")
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        for name, count in write(Path(folder)).most_common():
            line(name, f"{count:>10,} events")
        code = f"from benchmarks.log_replay import replay; replay({folder!r})"
        rounds = [
            msgspec.json.decode(
                subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout,
                type=Replay,
            )
            for _ in range(ROUNDS)
        ]
    reading = [replay.reading for replay in rounds]
    rate("reading and decoding alone", reading, "events")
    rate("replay into all projections", [replay.replaying for replay in rounds], "events", reading)
    most = max(rounds, key=lambda replay: replay.peak_kibibytes)
    line(
        "peak memory",
        f"{most.peak_kibibytes // 1024} MiB, {most.file_kibibytes // 1024} MiB of it mapped files",
    )


def write(folder: Path) -> Counter[str]:
    """Fill a log with a region's life; how many events there are of each kind."""
    engine = LmdbEngine(folder)
    try:
        log = Log(EngineProcessRecorder(engine), lambda: 1_700_000_000_000)
        kinds: Counter[str] = Counter()
        happened = life(random.Random(1))
        for version in range(0, EVENTS, BATCH_EVENTS):
            batch = [next(happened) for _ in range(BATCH_EVENTS)]
            kinds.update(kind(event) for _, event in batch)
            log.append("region", version, batch)
        return kinds
    finally:
        engine.close()


def replay(folder: str) -> None:
    """Read, then replay, the log in a folder, and print the `Replay` as JSON. For a process of its own."""
    if CORE in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {CORE})
    engine = LmdbEngine(Path(folder))
    try:
        log = Log(EngineProcessRecorder(engine), lambda: 0)
        started = time.perf_counter()
        for _ in log.replay():
            pass
        reading = EVENTS / (time.perf_counter() - started)
        runner = Runner(log, engine, RunnerLimits())
        started = time.perf_counter()
        runner.catch_up()
        replaying = EVENTS / (time.perf_counter() - started)
        if parked := {name: progress.parked for name, progress in runner.progress.items() if progress.parked}:
            raise RuntimeError(f"projections stopped, so nothing was measured: {parked}")
        print(
            msgspec.json.encode(
                Replay(reading, replaying, _memory_kibibytes("VmHWM"), _memory_kibibytes("RssFile"))
            ).decode()
        )
    finally:
        engine.close()


def _memory_kibibytes(field: str) -> int:
    """A field of proc(5)'s `status`. Unlike getrusage(2)'s figure its peak does not begin at the parent's."""
    for status in Path("/proc/self/status").read_text().splitlines():
        name, _, value = status.partition(":")
        if name == field:
            return int(value.split()[0])
    raise RuntimeError(f"this system does not tell {field}")
