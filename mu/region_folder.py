"""Where things stand in the folder of a region's node, and who may use it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from contract.errors import InvalidInput
from events.engine.lmdb import LmdbEngine
from events.log import Log
from events.recorder import EngineProcessRecorder
from projections.runner import Runner, RunnerLimits

DATA_FOLDER = ".mu"


class RegionFolder(msgspec.Struct, frozen=True):
    """The paths in a region's folder."""

    root: Path

    @property
    def log(self) -> Path:
        """The engine of the log and of the projections' checkpoints."""
        return self.root / "log"

    @property
    def chain(self) -> Path:
        """The engine of the local chain's journal."""
        return self.root / "chain"

    @property
    def binaries(self) -> Path:
        """The binaries of functions, by content id."""
        return self.root / "binaries"

    @property
    def modules(self) -> Path:
        """The cache of compiled functions."""
        return self.root / "modules"

    def keypair(self, role: str) -> Path:
        """The keypair file of a role, such as `node`."""
        return self.root / "keys" / f"{role}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against a second node. Raises `InvalidInput` when one has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.root / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InvalidInput(
                    "folder", f"{self.root} is in use by another `mu run`; stop that first"
                ) from None
            yield
        finally:
            os.close(lock)


def find_region_folder(folder: Path) -> RegionFolder:
    """The region's folder that `folder` is, or holds as `.mu`. Raises `InvalidInput` where there is none."""
    for candidate in (folder / DATA_FOLDER, folder):
        if (candidate / "log").is_dir():
            return RegionFolder(candidate)
    raise InvalidInput("--folder", f"{folder} holds no region; name the folder of a `mu run`")


def wall_clock_milliseconds() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


class OpenLog(msgspec.Struct, frozen=True):
    """A region's log and all that is read with it."""

    engine: LmdbEngine
    recorder: EngineProcessRecorder
    log: Log

    def runner(self, limits: RunnerLimits) -> Runner:
        """The projections as of the last checkpoints, caught up with the log."""
        runner = Runner(self.log, self.engine, limits)
        runner.resume()
        runner.catch_up()
        return runner

    def fresh_runner(self, limits: RunnerLimits) -> Runner:
        """The projections replayed from the log's first entry."""
        runner = Runner(self.log, self.engine, limits)
        runner.catch_up()
        return runner


@contextmanager
def open_log(folder: RegionFolder) -> Iterator[OpenLog]:
    """Open the log in a folder; a running node may have it open too."""
    engine = LmdbEngine(folder.log)
    try:
        recorder = EngineProcessRecorder(engine)
        yield OpenLog(engine, recorder, Log(recorder, wall_clock_milliseconds))
    finally:
        engine.close()
