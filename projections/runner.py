"""Feeds the log to projections, in order: resumes from checkpoints, keeps new ones, parks what raises, and goes back to
before what a `Retracted` names.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
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
from projections.refolding import AnyFold, between, fold_again, fold_from
from projections.retraction import SETTLING, Unfinalized, UnfinalizedEvents
from projections.routes import Routes
from projections.stacks import Stacks
from projections.steps import Steps, take, take_beside

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
    all of the same commitment at the same position, but for parked ones. One that has just stopped at an event may be
    seen with half of it folded, until its state before that is there again.
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
        self._folds: dict[str, AnyFold] = {
            kind.name: Fold(kind, engine, self._is_of_this_log) for kind in kinds
        }
        self._cautious = [
            fold
            for name, fold in self._folds.items()
            if limits.commitments.get(name, Finality.CONFIRMED) is Finality.FINALIZED
        ]
        self._prompt = [fold for fold in self._folds.values() if fold not in self._cautious]
        self._readers: dict[type[Any], list[AnyFold]] = {}
        for fold in self._prompt:
            for event_kind in fold.kind.reads:
                self._readers.setdefault(event_kind, []).append(fold)
        self._stopped: dict[AnyFold, Parked] = {}
        self._unfinalized = Fold(UnfinalizedEvents, engine, self._is_of_this_log)
        self._next_base_check = 0
        self.changed = trio.Event()
        """Set, and replaced, whenever entries have been fed, or a rebuilt projection was taken up."""

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
        return self._unfinalized.projection.state

    def resume(self) -> None:
        """Take up the checkpoints. One that is not of this log (its hash differs) is left, and made anew."""
        for fold in (self._unfinalized, *self._folds.values()):
            fold.resume()
        stop = self._stop_of_finalized()
        for fold in self._cautious:
            if fold.progress.position >= stop:
                # it was saved by one that acts at confirmed
                fold.become(fold.beside(fold.start_before(stop)))

    def begin_before(self, position: int) -> None:
        """Begin at the newest snapshots that are no later than `position`, instead of at the first entry."""
        for fold in self._folds.values():
            fold.become(fold.beside(fold.start_before(position + 1)))
        first = min(self._folds.values(), key=lambda fold: fold.progress.position).progress
        start = Start(UnfinalizedEvents(), first.position, first.hash)
        self._unfinalized.become(self._unfinalized.beside(start))

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
            take(self._feed(batch))

    def _feed(self, batch: Sequence[Entry]) -> Steps[None]:
        yield from self._park_stopped()
        last: Entry | None = None
        for entry in batch:
            event_kind = type(entry.event)
            if event_kind in REVISIONS and (revision := revision_of(entry)) is not None:
                self._reach(last)
                yield from self._go_back(revision)
            is_new = entry.position > self._unfinalized.progress.position
            if is_new and event_kind in SETTLING:
                self._unfinalized.apply(entry)
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
                yield from self._park_stopped()
            if is_new and entry.position >= self._next_base_check:
                self._reach(last)
                self._keep_bases(entry.position)
        self._reach(last)
        if self._cautious:
            yield from self._feed_finalized()

    def _reach(self, entry: Entry | None) -> None:
        """The projections have folded everything up to `entry`: said once for many, as most entries concern few."""
        if entry is None:
            return
        for fold in (self._unfinalized, *self._prompt):
            if (
                fold.progress.parked is None
                and fold.progress.position < entry.position
                and fold not in self._stopped
            ):
                fold.reach(entry)

    def _feed_finalized(self) -> Steps[None]:
        """Bring the projections that wait for that to before what may still be retracted."""
        stop = self._stop_of_finalized()
        waiting = [
            fold for fold in self._cautious if fold.progress.parked is None and fold.reached + 1 < stop
        ]

        def fold_on() -> dict[AnyFold, AnyFold]:
            # from copies of the states
            starts = {
                fold: Start(
                    fold.kind.decode(fold.projection.encode()), fold.progress.position, fold.progress.hash
                )
                for fold in waiting
            }
            return fold_from(self._log, starts, stop, known=self._unfinalized.progress.position)

        if waiting:
            _replace((yield fold_on))

    def _stop_of_finalized(self) -> int:
        return self.unfinalized.first_position() or self._unfinalized.progress.position + 1

    def _park_stopped(self) -> Steps[None]:
        """Bring projections that have just stopped, and may have changed their state half, to as they were before."""
        for fold, parked in list(self._stopped.items()):
            stop = parked.position
            _replace((yield partial(fold_again, self._log, [fold], stop, known=stop)))
            fold.progress.parked = parked
            del self._stopped[fold]

    def _go_back(self, revision: Revision) -> Steps[None]:
        """Bring those projections that have seen what `revision` takes back to where they would be had they not."""
        folds: list[AnyFold] = []
        for name, fold in self._folds.items():
            first = revision.first(name, fold.progress.parked)
            if first is None or fold.reached < first or fold.progress.position >= revision.position:
                continue
            fold.bases.drop_from(first)
            folds.append(fold)
        if folds:
            names = ", ".join(fold.kind.name for fold in folds)
            logger.info("position %d: folding again, %s", revision.position, names)
        stop_of_finalized = min(revision.position, self._stop_of_finalized())
        for group, stop in ((self._prompt, revision.position), (self._cautious, stop_of_finalized)):
            if again := [fold for fold in folds if fold in group]:
                known = revision.position
                _replace((yield partial(fold_again, self._log, again, stop, known=known)))

    def _keep_bases(self, position: int) -> None:
        least_entries = self._limits.checkpoint_entries
        for fold in self._prompt:
            fold.keep_base(position, self.unfinalized, least_entries=least_entries)
        self._next_base_check = position + max(1, least_entries // BASE_CHECKS_PER_CHECKPOINT)

    def catch_up(self, last: int | None = None) -> None:
        """Feed what the log has and the projections have not, up to the position `last` if one is given."""
        if last is None:
            self.feed(self._log.replay(self._start()))
        else:
            self.feed(between(self._log, self._start() - FIRST_POSITION, last + 1))

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
        take(self._checkpoint())

    def _checkpoint(self) -> Steps[bool]:
        """Returns whether a rebuilt one was taken up."""
        took_up = False
        yield self._unfinalized.save
        for fold in self._folds.values():
            # one that is stopped goes on as soon as it is rebuilt
            if fold.progress.position > fold.progress.saved_position or fold.progress.parked is not None:
                if not (yield fold.save):
                    yield from self._take_up(fold)
                    took_up = True
                    yield fold.save
                if fold.progress.position - fold.progress.snapshot_position >= self._limits.snapshot_entries:
                    yield partial(fold.save_snapshot, max_bytes=self._limits.max_snapshot_bytes)
            yield fold.save_base
        return took_up

    def _take_up(self, fold: AnyFold) -> Steps[None]:
        known = self._unfinalized.progress.position
        stop = self._stop_of_finalized() if fold in self._cautious else known + 1

        def taken_up() -> dict[AnyFold, AnyFold]:
            copy = fold.taken_up()
            progress = copy.progress
            start = Start(copy.projection, progress.position, progress.hash)
            starts = {copy: start if start.position < stop else copy.start_before(stop)}
            [new] = fold_from(self._log, starts, stop, known=known).values()
            return {fold: new}

        logger.warning("projection %s: the rebuilt one takes its place", fold.kind.name)
        _replace((yield taken_up))

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
                        await take_beside(self._feed(entries))
                        self._say_stopped(before)
                        self._tell_changed()
                        await self._checkpoint_if_due()
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

    async def _checkpoint_if_due(self) -> None:
        saved = max((fold.progress.saved_position for fold in self._folds.values()), default=0)
        if self.position - saved >= self._limits.checkpoint_entries:
            try:
                if await take_beside(self._checkpoint()):
                    self._tell_changed()
            except EngineError as error:
                # a checkpoint only saves time at the next start
                logger.warning("no checkpoint of the projections: %s", error)

    def _tell_changed(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, looking at each change."""
        while not condition():
            await self.changed.wait()

    def _start(self) -> int:
        live = [fold.progress.position for fold in self._folds.values() if fold.progress.parked is None]
        return min((self._unfinalized.progress.position, *live)) + FIRST_POSITION


def _replace(folds: Mapping[AnyFold, AnyFold]) -> None:
    for fold, copy in folds.items():
        fold.become(copy)
