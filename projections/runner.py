"""Feeds the log to projections, in order: resumes from checkpoints, keeps new ones, parks what raises, and goes back to
before what a `Retracted` names.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
import trio

from events.catalogue import Finality
from events.engine import Engine, EngineError
from events.entries import EngineFailure
from events.log import FIRST_POSITION, READ_BATCH_ENTRIES, Entry, Log
from events.record import ZERO_HASH
from projections import snapshots
from projections.checkpoint import Header
from projections.deployments import Deployments
from projections.fold import Fold, Progress, Start
from projections.membership import Membership
from projections.parking import REVISIONS, Parked, Revision, revision_of
from projections.projection import Projection
from projections.retraction import SETTLING, Unfinalized
from projections.routes import Routes
from projections.stacks import Stacks

PROJECTIONS: tuple[type[Projection[Any]], ...] = (Membership, Stacks, Deployments, Routes)

BASE_CHECKS_PER_CHECKPOINT = 10

P = TypeVar("P", bound=Projection[Any])

logger = logging.getLogger(__name__)


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often the runner looks for entries of other processes, tries again after the engine has failed, keeps a
    checkpoint, and with it a snapshot.
    """

    poll_seconds: float = 0.5
    retry_seconds: float = 0.5
    checkpoint_entries: int = 10_000
    snapshot_entries: int = 10_000
    max_snapshot_bytes: int = snapshots.DEFAULT_MAX_BYTES
    """Of one projection."""

    commitments: Mapping[str, Finality] = {}
    """By projection, how settled the chain's events must be for it to fold them; confirmed where nothing is said.

    One at finalized keeps before the first event that a fork may still undo, whatever that event is about.
    """


class Runner:
    """One of each kind of projection, fed from one log.

    The projections change only inside `feed` and `run`, between two `await`s: whoever reads them from a trio task sees
    all of the same commitment at the same position, but for parked ones.
    """

    def __init__(
        self,
        log: Log,
        engine: Engine,
        limits: RunnerLimits,
        kinds: Sequence[type[Projection[Any]]] = PROJECTIONS,
    ) -> None:
        self._log = log
        self._limits = limits
        self._folds: dict[str, Fold[Any]] = {
            kind.name: Fold(kind, engine, self._is_of_this_log) for kind in kinds
        }
        self._cautious = [
            fold
            for name, fold in self._folds.items()
            if limits.commitments.get(name, Finality.CONFIRMED) is Finality.FINALIZED
        ]
        self._prompt = [fold for fold in self._folds.values() if fold not in self._cautious]
        self._readers: dict[type[Any], list[Fold[Any]]] = {}
        for fold in self._prompt:
            for event_kind in fold.kind.reads:
                self._readers.setdefault(event_kind, []).append(fold)
        self._stopped: dict[Fold[Any], Parked] = {}
        self._unfinalized = Unfinalized()
        self._noted_position = 0
        self._next_base_check = 0
        self.changed = trio.Event()
        """Set, and replaced, whenever entries have been fed."""

    def get(self, kind: type[P]) -> P:
        """The projection of this kind."""
        found = self._folds[kind.name].projection
        assert isinstance(found, kind)
        return found

    @property
    def projections(self) -> Iterable[Projection[Any]]:
        """All projections."""
        return [fold.projection for fold in self._folds.values()]

    @property
    def progress(self) -> Mapping[str, Progress]:
        """How far each projection has come, by name."""
        return {name: fold.progress for name, fold in self._folds.items()}

    @property
    def position(self) -> int:
        """The position that every projection has come to, but for parked ones and those at finalized."""
        return max((fold.progress.position for fold in self._folds.values()), default=0)

    @property
    def unfinalized(self) -> Unfinalized:
        """What may still be retracted of what was fed."""
        return self._unfinalized

    def resume(self) -> None:
        """Take up the checkpoints. One that is not of this log (its hash differs) is left, and made anew."""
        noted: dict[int, Unfinalized] = {}
        for fold in self._folds.values():
            unfinalized = fold.resume()
            if unfinalized and fold in self._cautious and unfinalized.scopes:
                # it was saved when it acted at confirmed
                fold.begin_anew()
                unfinalized = None
            noted[fold.progress.position] = unfinalized or Unfinalized()
        self._noted_position = min(noted, default=0)
        self._unfinalized = noted.get(self._noted_position, Unfinalized())

    def begin_before(self, position: int) -> None:
        """Begin at the newest snapshots that are no later than `position`, instead of at the first entry."""
        for fold in self._folds.values():
            fold.begin(fold.start_before(position + 1))
        self._noted_position = min(fold.progress.position for fold in self._folds.values())

    def _is_of_this_log(self, header: Header) -> bool:
        if header.position < FIRST_POSITION:
            return header.hash == ZERO_HASH
        entries = self._log.read(header.position, 1)
        return bool(entries) and (entries[0].position, entries[0].hash) == (header.position, header.hash)

    def feed(self, entries: Iterable[Entry]) -> None:
        """Fold entries into each projection that has not seen them.

        Where the log cannot be read, nothing is half done: feeding from the least position on goes on from there.
        """
        iterator = iter(entries)
        while batch := list(itertools.islice(iterator, READ_BATCH_ENTRIES)):
            self._feed(batch)

    def _feed(self, batch: Sequence[Entry]) -> None:
        self._park_stopped()
        last: Entry | None = None
        for entry in batch:
            event_kind = type(entry.event)
            if event_kind in REVISIONS and (revision := revision_of(entry)) is not None:
                self._reach(last)
                self._go_back(revision)
            for fold in self._readers.get(event_kind, ()):
                progress = fold.progress
                if (
                    progress.parked is None
                    and entry.position > progress.position
                    and (parked := fold.apply(entry)) is not None
                ):
                    self._stopped[fold] = parked
            last = entry
            if self._stopped:
                self._reach(last)
                self._park_stopped()
            if entry.position > self._noted_position:
                if event_kind in SETTLING:
                    self._unfinalized.apply(entry)
                self._noted_position = entry.position
                if entry.position >= self._next_base_check:
                    self._reach(last)
                    self._keep_bases(entry.position)
        self._reach(last)
        if self._cautious:
            self._feed_finalized()

    def _reach(self, entry: Entry | None) -> None:
        """The projections have folded everything up to `entry`: said once for many, as most entries concern few."""
        if entry is None:
            return
        for fold in self._prompt:
            if (
                fold.progress.parked is None
                and fold.progress.position < entry.position
                and fold not in self._stopped
            ):
                fold.reach(entry)

    def _feed_finalized(self) -> None:
        """Bring the projections that wait for that to before what may still be retracted."""
        stop = self._stop_of_finalized()
        waiting = [
            fold for fold in self._cautious if fold.progress.parked is None and fold.reached + 1 < stop
        ]
        # copies: what fails half-way must not have changed them
        starts = {
            fold: Start(
                fold.kind.decode(fold.projection.encode()), fold.progress.position, fold.progress.hash
            )
            for fold in waiting
        }
        if starts:
            self._fold_from(starts, stop, known=self._noted_position)

    def _stop_of_finalized(self) -> int:
        return self._unfinalized.first_position() or self._noted_position + 1

    def _park_stopped(self) -> None:
        """Bring projections that have just stopped, and may have changed their state half, to as they were before."""
        for fold, parked in list(self._stopped.items()):
            self._park(fold, parked, known=parked.position)
            del self._stopped[fold]

    def _park(self, fold: Fold[Any], parked: Parked, *, known: int) -> None:
        self._fold_again([fold], parked.position, known=known)
        fold.progress.parked = parked

    def _go_back(self, revision: Revision) -> None:
        """Bring those projections that have seen what `revision` takes back to where they would be had they not."""
        folds: list[Fold[Any]] = []
        for name, fold in self._folds.items():
            first = revision.first(name, fold.progress.parked)
            if first is None or fold.reached < first or fold.progress.position >= revision.position:
                continue
            fold.bases.drop_from(first)
            fold.progress.parked = None
            folds.append(fold)
        if folds:
            names = ", ".join(fold.kind.name for fold in folds)
            logger.warning("position %d: folding again, %s", revision.position, names)
        stop_of_finalized = min(revision.position, self._stop_of_finalized())
        for group, stop in ((self._prompt, revision.position), (self._cautious, stop_of_finalized)):
            if again := [fold for fold in folds if fold in group]:
                self._fold_again(again, stop, known=revision.position)

    def _fold_again(self, folds: Sequence[Fold[Any]], stop: int, *, known: int) -> None:
        """Bring projections to where they stand before position `stop`, from their bases; parked ones stay so."""
        self._fold_from({fold: fold.start_before(stop) for fold in folds}, stop, known=known)

    def _fold_from(self, starts: dict[Fold[Any], Start[Any]], stop: int, *, known: int) -> None:
        """Bring projections from where they start to before position `stop`, all of the way or not at all.

        A start that a revision up to `known` reaches behind is no good: an older one is.
        """
        while True:
            start = min(one.position for one in starts.values())
            revisions = [
                revision
                for entry in self._between(start, known + 1)
                if (revision := revision_of(entry)) is not None
            ]
            bad = {
                fold: min(behind)
                for fold, one in starts.items()
                if (
                    behind := [
                        gone
                        for revision in revisions
                        for gone in revision.left_out(fold.kind.name)
                        if revision.position > one.position >= gone
                    ]
                )
            }
            if not bad:
                break
            for fold, first in bad.items():
                fold.start_is_bad(first)
                starts[fold] = fold.start_before(first)
        left_out = {
            fold: {gone for revision in revisions for gone in revision.left_out(fold.kind.name)}
            for fold in starts
        }
        beside = {fold: fold.beside(one) for fold, one in starts.items()}
        for entry in self._between(start, stop):
            for fold, copy in beside.items():
                if not copy.is_waiting_for(entry.position):
                    continue
                if entry.position not in left_out[fold] and type(entry.event) in fold.kind.reads:
                    parked = copy.apply(entry)
                    if parked is not None:
                        self._park(copy, parked, known=known)
                if copy.progress.parked is None or entry.position < copy.progress.parked.position:
                    copy.reach(entry)
        for fold, copy in beside.items():
            fold.replace(copy)

    def _between(self, after: int, stop: int) -> Iterable[Entry]:
        return itertools.takewhile(
            lambda entry: entry.position < stop, self._log.replay(after + FIRST_POSITION)
        )

    def _keep_bases(self, position: int) -> None:
        least_entries = self._limits.checkpoint_entries
        for fold in self._prompt:
            fold.keep_base(position, self._unfinalized, least_entries=least_entries)
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
        for fold in self._folds.values():
            if fold.progress.position > fold.progress.saved_position and not self._save(fold):
                self._take_up(fold)
                self._save(fold)
            fold.save_base()

    def _save(self, fold: Fold[Any]) -> bool:
        return fold.save(
            # nothing of what a projection at finalized has folded may still be retracted
            Unfinalized() if fold in self._cautious else self._unfinalized,
            snapshot_entries=self._limits.snapshot_entries,
            max_snapshot_bytes=self._limits.max_snapshot_bytes,
        )

    def _take_up(self, fold: Fold[Any]) -> None:
        reached = self.position
        if fold.resume() is None:
            return
        logger.warning("projection %s: the rebuilt one takes its place", fold.kind.name)
        self.feed(self._between(fold.progress.position, reached + 1))

    async def run(self) -> None:
        """Follow the log for ever, keeping checkpoints. An outage of the engine is waited out."""
        problem = ""
        while True:
            try:
                follow = self._log.follow(self._start(), poll_seconds=self._limits.poll_seconds)
                async with aclosing(follow):
                    async for entries in follow:
                        problem = ""
                        before = {name: progress.parked for name, progress in self.progress.items()}
                        self.feed(entries)
                        self._say_stopped(before)
                        self.changed.set()
                        self.changed = trio.Event()
                        self._checkpoint_if_due()
            except (EngineFailure, EngineError) as error:
                if str(error) != problem:
                    problem = str(error)
                    logger.warning("the projections wait for the log: %s", error)
                await trio.sleep(self._limits.retry_seconds)

    def _say_stopped(self, before: Mapping[str, Parked | None]) -> None:
        for name, progress in self.progress.items():
            if (parked := progress.parked) is not None and parked != before[name]:
                reason = parked.traceback.strip().rpartition("\n")[2]
                logger.error("projection %s: stopped at position %d: %s", name, parked.position, reason)

    def _checkpoint_if_due(self) -> None:
        saved = max((fold.progress.saved_position for fold in self._folds.values()), default=0)
        if self.position - saved >= self._limits.checkpoint_entries:
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
        live = [fold.progress.position for fold in self._folds.values() if fold.progress.parked is None]
        return min(live, default=self.position) + FIRST_POSITION
