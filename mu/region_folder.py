"""Where things stand in the folder of a region's node, and who may use it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from contract.errors import InvalidInput
from events.engine import Engine
from events.engine.lmdb import DATA_FILE
from events.log import Log
from events.recorder import EngineProcessRecorder
from mu.log_claim import claimed_by
from mu.log_location import is_on_tikv, open_engine, split_tikv
from projections.runner import Runner, RunnerLimits

DATA_FOLDER = ".mu"
LOCATION_FILE = "log-location"


class RegionFolder(msgspec.Struct, frozen=True):
    """The paths in a region's folder."""

    root: Path

    @property
    def log(self) -> Path:
        """The engine of the log and of the projections' checkpoints, unless they are elsewhere."""
        return self.root / "log"

    @property
    def log_location(self) -> str:
        """Where the engine of the log is (`mu.log_location`): where `keep_log_at` said, in this folder otherwise.

        Raises `InvalidInput` for a file that says nothing of the kind.
        """
        file = self.root / LOCATION_FILE
        try:
            location = file.read_bytes().decode(errors="replace").strip()
        except FileNotFoundError:
            return str(self.log)
        if not is_on_tikv(location):
            raise InvalidInput(str(file), "must hold the tikv:// address at which the region's log is kept")
        return location

    def keep_log_at(self, location: str, field: str) -> None:
        """Keep the region's log at a location on TiKV, from its first entry on.

        Raises `InvalidInput` when it is kept elsewhere already, or another log is there; `Unavailable` when the
        cluster does not answer.
        """
        if not split_tikv(location)[1]:
            raise InvalidInput(field, f"{location} lacks the prefix that is the region's own: add /NAME")
        if self.holds_region:
            if self.log_location != location:
                raise InvalidInput(field, f"the region's log is kept at {self.log_location} already")
            return
        engine = open_engine(location, field)
        try:
            if EngineProcessRecorder(engine).head()[0] > 0 or claimed_by(engine):
                raise InvalidInput(field, f"{location} has another region's log; choose another prefix")
        finally:
            engine.close()
        self.root.mkdir(parents=True, exist_ok=True)
        unfinished = self.root / f"{LOCATION_FILE}.new"
        unfinished.write_text(location + "\n")
        # whole or not at all: a killed process must not leave an empty one
        unfinished.rename(self.root / LOCATION_FILE)

    @property
    def holds_region(self) -> bool:
        """Whether there is a region in the folder."""
        return (self.log / DATA_FILE).is_file() or (self.root / LOCATION_FILE).is_file()

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
                    "--folder", f"{self.root} is in use by another `mu run`; stop that first"
                ) from None
            yield
        finally:
            os.close(lock)


def find_region_folder(folder: Path, field: str = "--folder") -> RegionFolder:
    """The region's folder that `folder` is, or holds as `.mu`.

    Raises `InvalidInput`, for what `field` names, where there is none.
    """
    for candidate in (folder / DATA_FOLDER, folder):
        if (region := RegionFolder(candidate)).holds_region:
            return region
    raise InvalidInput(field, f"{folder} holds no region; name the folder of a `mu run`")


def wall_clock_milliseconds() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


class OpenLog(msgspec.Struct, frozen=True):
    """A region's log and all that is read with it."""

    engine: Engine
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
    """Open the log of a region; a running node may have it open too."""
    engine = open_engine(folder.log_location, "--folder")
    try:
        recorder = EngineProcessRecorder(engine)
        yield OpenLog(engine, recorder, Log(recorder, wall_clock_milliseconds))
    finally:
        engine.close()
