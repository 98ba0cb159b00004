"""Opening a projection as it stood at positions all over a log of a million events, from snapshots and without."""

import random
import tempfile
import time
from pathlib import Path

from benchmarks.output import line, title
from benchmarks.region_life import life
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.log import Log
from events.recorder import EngineProcessRecorder
from projections import snapshots
from projections.history import state_at
from projections.runner import PROJECTIONS, Runner, RunnerLimits

EVENTS = 1_000_000
BATCH_EVENTS = 500
POSITIONS = 20


def run() -> None:
    """Write a log, fold it with snapshots, then open each projection at random positions."""
    title(f"time travel: {EVENTS:,} events on LMDB, {POSITIONS} positions of each projection")
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        engine = LmdbEngine(Path(folder))
        try:
            log = Log(EngineProcessRecorder(engine), lambda: 1_700_000_000_000)
            happened = life(random.Random(1))
            for version in range(0, EVENTS, BATCH_EVENTS):
                log.append("region", version, [next(happened) for _ in range(BATCH_EVENTS)])
            Runner(log, engine, RunnerLimits()).catch_up_keeping(lambda position: None)
            places = random.Random(2)
            positions = [places.randint(1, EVENTS) for _ in range(POSITIONS)]
            for kind in PROJECTIONS:
                times = sorted(_seconds(log, engine, kind, position) for position in [*positions, EVENTS])
                count = len(snapshots.positions(engine, kind.name))
                line(
                    f"{kind.name}, {count} snapshots",
                    f"median {times[len(times) // 2] * 1000:>6,.0f} ms, longest {times[-1] * 1000:>6,.0f} ms",
                )
            middle = _seconds(log, MemoryEngine(), PROJECTIONS[0], EVENTS // 2)
            line(f"{PROJECTIONS[0].name} in the middle, by a replay", f"{middle * 1000:>13,.0f} ms")
        finally:
            engine.close()


def _seconds(log: Log, engine: LmdbEngine | MemoryEngine, kind: type, position: int) -> float:
    started = time.perf_counter()
    past = state_at(log, engine, kind, position)
    if past.position != position:
        raise RuntimeError(f"{kind.__name__} stopped at {past.position}, so nothing was measured")
    return time.perf_counter() - started
