"""Feeds the log to projections, in order: resumes from checkpoints, keeps new ones, parks what raises, and goes back to
before what a `Retracted` names.
"""

import itertools
import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import trio

from events.catalogue import ProjectionEventSkipped, ProjectionRetried, Retracted
from events.engine import Engine, EngineError
from events.log import FIRST_POSITION, Entry, Log
from events.record import ZERO_HASH
from projections import snapshots
from projections.bases import Base, Bases
from projections.checkpoint import Header, Place, load, save
from projections.deployments import Deployments
from projections.membership import Membership
from projections.parking import Parked, Revision, revision_of
from projections.projection import Projection
from projections.retraction import Unfinalized
from projections.routes import Routes
from projections.stacks import Stacks

PROJECTIONS: tuple[type[Projection[Any]], ...] = (Membership, Stacks, Deployments, Routes)

BASE_CHECKS_PER_CHECKPOINT = 10

P = TypeVar("P", bound=Projection[Any])

logger = logging.getLogger(__name__)


class Progress(msgspec.Struct):
    """How far a projection has come: the last position folded, that entry's hash, what it is stopped at, and the
    positions of its last checkpoint and snapshot, and how often it was rebuilt before that.
    """

    position: int = 0
    hash: bytes = ZERO_HASH
    parked: Parked | None = None
    saved_position: int = 0
    snapshot_position: int = 0
    rebuilds: int = 0


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often the runner looks for entries of other processes, keeps a checkpoint, and with it a snapshot."""

    poll_seconds: float = 0.5
    checkpoint_entries: int = 10_000
    snapshot_entries: int = 10_000
    max_snapshot_bytes: int = snapshots.DEFAULT_MAX_BYTES
    """Of one projection."""


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
        self._bases: dict[str, Bases] = {kind.name: Bases() for kind in kinds}
        self._unfinalized = Unfinalized()
        self._noted_position = 0
        self._next_base_check = 0
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

    @property
    def unfinalized(self) -> Unfinalized:
        """What may still be retracted of what was fed."""
        return self._unfinalized

    def resume(self) -> None:
        """Take up the checkpoints. One that is not of this log (its hash differs) is left, and made anew."""
        noted: dict[int, Unfinalized] = {}
        for name, projection in self._projections.items():
            found = self._load(type(projection), Place.LAST)
            if found is None:
                noted[0] = Unfinalized()
                continue
            self._projections[name], progress, unfinalized = found
            self.progress[name] = progress
            progress.snapshot_position = max(snapshots.positions(self._engine, name), default=0)
            noted[progress.position] = unfinalized
        self._noted_position = min(noted, default=0)
        self._unfinalized = noted.get(self._noted_position, Unfinalized())

    def begin_before(self, position: int) -> None:
        """Begin at the newest snapshots that are no later than `position`, instead of at the first entry."""
        for name in self._projections:
            self._projections[name], start, entry_hash = self._base(name, position + 1)
            self.progress[name] = Progress(start, entry_hash)

    def _load(self, kind: type[P], place: Place) -> tuple[P, Progress, Unfinalized] | None:
        """A checkpoint, if there is one and it is of this log."""
        found = load(self._engine, kind, place)
        if found is None:
            return None
        loaded, header = found
        if not self._is_of_this_log(header):
            logger.warning("projection %s: its checkpoint is of another log, it is made anew", kind.name)
            return None
        progress = Progress(
            header.position, header.hash, saved_position=header.position, rebuilds=header.rebuilds
        )
        return loaded, progress, header.unfinalized

    def _is_of_this_log(self, header: Header) -> bool:
        entries = self._log.read(header.position, 1)
        return bool(entries) and (entries[0].position, entries[0].hash) == (header.position, header.hash)

    def feed(self, entries: Iterable[Entry]) -> None:
        """Fold entries into each projection that has not seen them."""
        for entry in entries:
            if (revision := revision_of(entry)) is not None:
                self._go_back(revision)
            for name in self._projections:
                progress = self.progress[name]
                if progress.parked is None and entry.position > progress.position:
                    self._apply(name, entry, known=entry.position)
            if entry.position > self._noted_position:
                self._unfinalized.apply(entry)
                self._noted_position = entry.position
                if entry.position >= self._next_base_check:
                    self._keep_bases(entry.position)

    def _apply(self, name: str, entry: Entry, *, known: int) -> None:
        """Fold an entry into a projection, or park that as it stood before. A revision up to `known` counts."""
        progress = self.progress[name]
        try:
            # what it takes back the projections have not seen, so they do not see this either
            if not isinstance(entry.event, Retracted | ProjectionRetried | ProjectionEventSkipped):
                self._projections[name].apply(entry)
        except Exception:
            progress.parked = Parked(entry.position, traceback.format_exc())
            logger.exception("projection %s: stopped at position %d", name, entry.position)
            # it may have changed its state half
            self._fold_again([name], entry.position, known=known)
        else:
            progress.position, progress.hash = entry.position, entry.hash

    def _go_back(self, revision: Revision) -> None:
        """Bring those projections that have seen what `revision` takes back to where they would be had they not."""
        names: list[str] = []
        for name, progress in self.progress.items():
            reached = progress.parked.position if progress.parked is not None else progress.position
            first = revision.first(name, progress.parked)
            if first is None or reached < first or progress.position >= revision.position:
                continue
            self._bases[name].drop_from(first)
            progress.parked = None
            names.append(name)
        if names:
            logger.warning("position %d: folding again, %s", revision.position, ", ".join(names))
            self._fold_again(names, revision.position, known=revision.position)

    def _fold_again(self, names: Sequence[str], stop: int, *, known: int) -> None:
        """Bring projections to where they stand before position `stop`, from their bases; parked ones stay so.

        A base that a revision up to `known` reaches behind is no good: an older one is.
        """
        starts = {name: self._base(name, stop) for name in names}
        while True:
            start = min(position for _, position, _ in starts.values())
            revisions = [
                revision
                for entry in self._between(start, known + 1)
                if (revision := revision_of(entry)) is not None
            ]
            bad = {
                name: min(behind)
                for name, (_, position, _) in starts.items()
                if (
                    behind := [
                        gone
                        for revision in revisions
                        for gone in revision.left_out(name)
                        if revision.position > position >= gone
                    ]
                )
            }
            if not bad:
                break
            for name, first in bad.items():
                if (final := self._bases[name].final) is not None and final.position >= first:
                    self._bases[name].final = None
                starts[name] = self._base(name, first)
        for name, (projection, position, entry_hash) in starts.items():
            self._projections[name] = projection
            self.progress[name].position, self.progress[name].hash = position, entry_hash
        left_out = {
            name: {gone for revision in revisions for gone in revision.left_out(name)} for name in names
        }
        for entry in self._between(start, stop):
            for name in names:
                progress = self.progress[name]
                if (
                    entry.position > progress.position
                    and entry.position not in left_out[name]
                    and not _stopped_before(progress, entry.position)
                ):
                    self._apply(name, entry, known=known)

    def _base(self, name: str, stop: int) -> tuple[Projection[Any], int, bytes]:
        """Where to fold from to get before position `stop`: a projection, its position, and that entry's hash."""
        kind = type(self._projections[name])
        final = self._bases[name].final
        base: tuple[Projection[Any], int, bytes] = kind(), 0, ZERO_HASH
        if final is not None and final.position < stop:
            base = kind.decode(final.state), final.position, final.hash
        elif final is None and (found := self._load(kind, Place.FINAL)) and found[1].position < stop:
            base = found[0], found[1].position, found[1].hash
        kept = snapshots.newest(self._engine, kind, stop - 1)
        if kept is not None and kept[1].position > base[1] and self._is_of_this_log(kept[1]):
            base = kept[0], kept[1].position, kept[1].hash
        return base

    def _between(self, after: int, stop: int) -> Iterable[Entry]:
        return itertools.takewhile(
            lambda entry: entry.position < stop, self._log.replay(after + FIRST_POSITION)
        )

    def _keep_bases(self, position: int) -> None:
        least_entries = self._limits.checkpoint_entries
        for name, projection in self._projections.items():
            bases, progress = self._bases[name], self.progress[name]
            if progress.position == position and bases.wants(
                position, self._unfinalized, least_entries=least_entries
            ):
                bases.take(Base(position, progress.hash, projection.encode()))
        self._next_base_check = position + max(1, least_entries // BASE_CHECKS_PER_CHECKPOINT)

    def catch_up(self) -> None:
        """Feed what the log has and the projections have not."""
        self.feed(self._log.replay(self._start()))

    def catch_up_keeping(self, progress: Callable[[int], None]) -> None:
        """As `catch_up`, with a checkpoint whenever one is due; `progress` is told the position then."""
        entries = self._log.replay(self._start())
        while batch := list(itertools.islice(entries, self._limits.checkpoint_entries)):
            self.feed(batch)
            self.checkpoint()
            progress(batch[-1].position)

    def checkpoint(self) -> None:
        """Save every projection that has come further than its last checkpoint, and its base.

        One that was rebuilt meanwhile, by another process, is taken up instead.
        """
        for name in self._projections:
            if self.progress[name].position > self.progress[name].saved_position and not self._save(name):
                self._take_up(name)
                self._save(name)
            self._save_base(name)

    def _save(self, name: str) -> bool:
        """Whether the checkpoint was saved: it is not over one that was rebuilt."""
        projection, progress = self._projections[name], self.progress[name]
        unfinalized = self._unfinalized if progress.parked is None else Unfinalized()
        saved = save(
            self._engine,
            projection,
            progress.position,
            progress.hash,
            unfinalized,
            rebuilds=progress.rebuilds,
        )
        if saved:
            progress.saved_position = progress.position
            self._keep_snapshot(projection, progress)
        return saved

    def _save_base(self, name: str) -> None:
        bases = self._bases[name]
        if bases.final is not None and bases.final.position != bases.saved_position:
            base = type(self._projections[name]).decode(bases.final.state)
            save(self._engine, base, bases.final.position, bases.final.hash, place=Place.FINAL)
            bases.saved_position = bases.final.position

    def _take_up(self, name: str) -> None:
        found = self._load(type(self._projections[name]), Place.LAST)
        if found is None:
            return
        logger.warning("projection %s: the rebuilt one takes its place", name)
        reached = self.position
        self._projections[name], self.progress[name], _ = found
        self._bases[name] = Bases()
        self.feed(self._between(self.progress[name].position, reached + 1))

    def _keep_snapshot(self, projection: Projection[Any], progress: Progress) -> None:
        if progress.position - progress.snapshot_position >= self._limits.snapshot_entries:
            max_bytes = self._limits.max_snapshot_bytes
            snapshots.save(self._engine, projection, progress.position, progress.hash, max_bytes=max_bytes)
            progress.snapshot_position = progress.position

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


def _stopped_before(progress: Progress, position: int) -> bool:
    return progress.parked is not None and position >= progress.parked.position
