"""Feeds the log to projections, in order: resumes from checkpoints, keeps new ones, parks what raises."""

import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import trio

from events.engine import Engine, EngineError
from events.log import FIRST_POSITION, Entry, Log
from events.record import ZERO_HASH
from projections.checkpoint import load, save
from projections.deployments import Deployments
from projections.membership import Membership
from projections.projection import Projection
from projections.routes import Routes
from projections.stacks import Stacks

PROJECTIONS: tuple[type[Projection[Any]], ...] = (Membership, Stacks, Deployments, Routes)

P = TypeVar("P", bound=Projection[Any])

logger = logging.getLogger(__name__)


class Parked(msgspec.Struct, frozen=True):
    """The event that a projection failed on: its position, and the traceback."""

    position: int
    traceback: str


class Progress(msgspec.Struct):
    """How far a projection has come: the last position folded, that entry's hash, what it is stopped at, and the
    position of its last checkpoint.
    """

    position: int = 0
    hash: bytes = ZERO_HASH
    parked: Parked | None = None
    saved_position: int = 0


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often the runner looks for entries of other processes, and keeps a checkpoint."""

    poll_seconds: float = 0.5
    checkpoint_entries: int = 10_000


class Runner:
    """One of each kind of projection, fed from one log.

    The projections change only inside `feed` and `run`, between two `await`s: whoever reads them from a trio task sees
    all of them at the same position, but for parked ones.
    """

    def __init__(
        self,
        log: Log,
        engine: Engine,
        limits: RunnerLimits,
        kinds: Sequence[type[Projection[Any]]] = PROJECTIONS,
    ) -> None:
        self._log = log
        self._engine = engine
        self._limits = limits
        self._projections: dict[str, Projection[Any]] = {kind.name: kind() for kind in kinds}
        self.progress: dict[str, Progress] = {kind.name: Progress() for kind in kinds}
        self.changed = trio.Event()
        """Set, and replaced, whenever entries have been fed."""

    def get(self, kind: type[P]) -> P:
        """The projection of this kind."""
        found = self._projections[kind.name]
        assert isinstance(found, kind)
        return found

    @property
    def projections(self) -> Iterable[Projection[Any]]:
        """All projections."""
        return self._projections.values()

    @property
    def position(self) -> int:
        """The position that every projection has come to, but for parked ones."""
        return max((p.position for p in self.progress.values()), default=0)

    def resume(self) -> None:
        """Take up the checkpoints. One that is not of this log (its hash differs) is left, and made anew."""
        for name, projection in self._projections.items():
            found = load(self._engine, type(projection))
            if found is None:
                continue
            loaded, header = found
            if not self._is_ours(header.position, header.hash):
                logger.warning("projection %s: its checkpoint is of another log, it is made anew", name)
                continue
            self._projections[name] = loaded
            self.progress[name] = Progress(header.position, header.hash, None, header.position)

    def _is_ours(self, position: int, entry_hash: bytes) -> bool:
        entries = self._log.read(position, 1)
        return bool(entries) and entries[0].position == position and entries[0].hash == entry_hash

    def feed(self, entries: Iterable[Entry]) -> None:
        """Fold entries into each projection that has not seen them."""
        for entry in entries:
            for name, projection in self._projections.items():
                progress = self.progress[name]
                if progress.parked is not None or entry.position <= progress.position:
                    continue
                try:
                    projection.apply(entry)
                except Exception:
                    progress.parked = Parked(entry.position, traceback.format_exc())
                    logger.exception("projection %s: stopped at position %d", name, entry.position)
                    self._projections[name] = self._before(type(projection), entry.position)
                else:
                    progress.position, progress.hash = entry.position, entry.hash

    def _before(self, kind: type[P], position: int) -> P:
        """The projection as it stands before `position`: one that raised may have changed its state half."""
        found = load(self._engine, kind)
        projection, start = (found[0], found[1].position + 1) if found else (kind(), FIRST_POSITION)
        for entry in self._log.replay(start):
            if entry.position >= position:
                break
            projection.apply(entry)
        return projection

    def catch_up(self) -> None:
        """Feed what the log has and the projections have not."""
        self.feed(self._log.replay(self._start()))

    def checkpoint(self) -> None:
        """Save every projection that has come further than its last checkpoint."""
        for name, projection in self._projections.items():
            progress = self.progress[name]
            if progress.position > progress.saved_position:
                save(self._engine, projection, progress.position, progress.hash)
                progress.saved_position = progress.position

    async def run(self) -> None:
        """Follow the log for ever, keeping checkpoints."""
        follow = self._log.follow(self._start(), poll_seconds=self._limits.poll_seconds)
        saved = self.position
        async for entries in follow:
            self.feed(entries)
            self.changed.set()
            self.changed = trio.Event()
            if self.position - saved >= self._limits.checkpoint_entries:
                saved = self.position
                try:
                    self.checkpoint()
                except EngineError as error:
                    # a checkpoint only saves time at the next start
                    logger.warning("no checkpoint of the projections: %s", error)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, looking whenever entries have been fed."""
        while not condition():
            await self.changed.wait()

    def _start(self) -> int:
        live = [p.position for p in self.progress.values() if p.parked is None]
        return min(live, default=self.position) + FIRST_POSITION
