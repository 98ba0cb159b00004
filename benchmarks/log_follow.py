"""How long after an append another process has the entry, on LMDB: the median, and what following costs when idle."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import trio

from benchmarks.output import line, title
from events.catalogue import NodeLeft, NodeSource
from events.engine.lmdb import LmdbEngine
from events.log import Log
from events.recorder import EngineProcessRecorder

ENTRIES = 200
PAUSE_SECONDS = 0.02
IDLE_SECONDS = 5.0
POLL_SECONDS = 3600.0
"""So long that only the look at the engine's commits can be what finds an entry."""


def run() -> None:
    """Follow a log that another process appends to, then one that nobody does."""
    title(f"follow: {ENTRIES} entries of another process, one every {PAUSE_SECONDS * 1000:.0f} ms, on LMDB")
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        delays = trio.run(_delays, folder)
    line(
        "from append to follower",
        f"{median(delays):>10.1f} ms (median)  {quantiles(delays, n=20)[-1]:.1f} ms (95 %)",
    )
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        line("an idle follower", f"{trio.run(_idle, folder) * 100:>10.2f} % of a core")


def append(folder: str) -> None:
    """Append, each entry with its time in nanoseconds. For a process of its own."""
    engine = LmdbEngine(Path(folder))
    log = Log(EngineProcessRecorder(engine), lambda: time.time_ns() // 1_000_000)
    for version in range(ENTRIES):
        time.sleep(PAUSE_SECONDS)
        event = NodeLeft(node="node", generation=time.monotonic_ns())
        log.append("node", version, [(NodeSource("node", 1), event)])
    engine.close()


async def _delays(folder: str) -> list[float]:
    """In milliseconds; they include the append itself."""
    engine = LmdbEngine(Path(folder))
    log = Log(EngineProcessRecorder(engine), lambda: 0)
    code = f"from benchmarks.log_follow import append; append({folder!r})"
    found: list[float] = []
    with subprocess.Popen([sys.executable, "-c", code]):
        async for entries in log.follow(poll_seconds=POLL_SECONDS):
            now = time.monotonic_ns()
            found += [(now - entry.event.generation) / 1e6 for entry in entries]
            if len(found) >= ENTRIES:
                break
    engine.close()
    return found


async def _idle(folder: str) -> float:
    engine = LmdbEngine(Path(folder))
    log = Log(EngineProcessRecorder(engine), lambda: 0)
    before = time.process_time()
    with trio.move_on_after(IDLE_SECONDS):
        async for _ in log.follow(poll_seconds=POLL_SECONDS):
            pass
    engine.close()
    return (time.process_time() - before) / IDLE_SECONDS
