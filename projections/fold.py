"""One projection as a runner keeps it: its state, how far it has come, and the states that it can go back to."""

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

from events.engine import Conflict, Engine
from events.log import Entry
from events.record import ZERO_HASH
from projections import snapshots
from projections.bases import Base, Bases
from projections.checkpoint import Header, Place, load, save
from projections.parking import Parked
from projections.projection import Projection
from projections.retraction import Unfinalized

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


class Start(msgspec.Struct, Generic[P], frozen=True):
    """Where to fold from: a projection, its position, and that entry's hash."""

    projection: P
    position: int
    hash: bytes


class Fold(Generic[P]):
    """A projection of the kind `kind`. `is_of_this_log` tells whether a checkpoint is."""

    def __init__(self, kind: type[P], engine: Engine, is_of_this_log: Callable[[Header], bool]) -> None:
        self.kind = kind
        self.projection = kind()
        self.progress = Progress()
        self.bases = Bases()
        self._engine = engine
        self._is_of_this_log = is_of_this_log

    @property
    def reached(self) -> int:
        """The last position that it has seen: what it is stopped at, or the last one folded."""
        return self.progress.position if self.progress.parked is None else self.progress.parked.position

    def apply(self, entry: Entry) -> Parked | None:
        """Fold an entry of a kind that the projection reads. The progress is for the caller to move, once for many.

        If it raised, what that was; it may have changed its state half then.
        """
        try:
            self.projection.apply(entry)
        except Exception:
            return Parked(entry.position, traceback.format_exc())
        return None

    def reach(self, entry: Entry) -> None:
        """It has folded everything up to `entry`."""
        self.progress.position, self.progress.hash = entry.position, entry.hash

    def is_waiting_for(self, position: int) -> bool:
        """Whether the entry at `position` is one that it has not folded, nor stopped before."""
        parked = self.progress.parked
        return position > self.progress.position and (parked is None or position < parked.position)

    def begin(self, start: Start[P]) -> None:
        """Go to where `start` is."""
        self.projection = start.projection
        self.progress.position, self.progress.hash = start.position, start.hash

    def beside(self, start: Start[P]) -> "Fold[P]":
        """A copy of it that is where `start` is, and not stopped."""
        copy = Fold(self.kind, self._engine, self._is_of_this_log)
        copy.projection = start.projection
        copy.progress = msgspec.structs.replace(
            self.progress, position=start.position, hash=start.hash, parked=None
        )
        copy.bases = self.bases
        return copy

    def become(self, copy: "Fold[P]") -> None:
        """Become what a copy has become."""
        self.projection, self.progress, self.bases = copy.projection, copy.progress, copy.bases

    def start_before(self, stop: int) -> Start[P]:
        """Where to fold from to get before position `stop`: the newest state kept that is no later."""
        final = self.bases.final
        start = Start(self.kind(), 0, ZERO_HASH)
        if final is not None and final.position < stop:
            start = Start(self.kind.decode(final.state), final.position, final.hash)
        elif final is None and (found := self._load(Place.FINAL)) and found[1].position < stop:
            start = Start(found[0], found[1].position, found[1].hash)
        kept = snapshots.newest(self._engine, self.kind, stop - 1)
        if kept is not None and kept[1].position > start.position and self._is_of_this_log(kept[1]):
            start = Start(kept[0], kept[1].position, kept[1].hash)
        return start

    def start_is_bad(self, first: int) -> None:
        """What was taken for final has folded the position `first`, which was taken back all the same."""
        if (final := self.bases.final) is not None and final.position >= first:
            self.bases.final = None

    def keep_base(self, position: int, unfinalized: Unfinalized, *, least_entries: int) -> None:
        """Keep the present state to go back to, if that is worth its cost."""
        if self.progress.position == position and self.bases.wants(
            position, unfinalized, least_entries=least_entries
        ):
            self.bases.take(Base(position, self.progress.hash, self.projection.encode()))

    def resume(self) -> None:
        """Begin anew with the checkpoint; from nothing, where there is none."""
        found = self._load(Place.LAST)
        snapshot_position = max(snapshots.positions(self._engine, self.kind.name), default=0)
        # only now, as the engine may fail before
        self.projection, self.progress, self.bases = self.kind(), Progress(), Bases()
        if found is not None:
            self.projection, header = found
            self.progress = Progress(
                header.position,
                header.hash,
                saved_position=header.position,
                snapshot_position=snapshot_position,
                rebuilds=header.rebuilds,
            )

    def taken_up(self) -> "Fold[P]":
        """A copy that has resumed."""
        copy = Fold(self.kind, self._engine, self._is_of_this_log)
        copy.resume()
        return copy

    def save(self) -> bool:
        """Keep a checkpoint; whether the present one is good: not where it was rebuilt meanwhile."""
        progress = self.progress
        try:
            saved = save(
                self._engine,
                self.projection,
                progress.position,
                progress.hash,
                rebuilds=progress.rebuilds,
            )
        except Conflict:
            # another process keeps one at this moment; a rebuilt one is seen the next time
            saved = True
        if saved:
            progress.saved_position = progress.position
        return saved

    def save_snapshot(self, *, max_bytes: int) -> None:
        """Keep the state for whoever asks for the past."""
        progress = self.progress
        with suppress(Conflict):
            snapshots.save(
                self._engine,
                self.projection,
                progress.position,
                progress.hash,
                max_bytes=max_bytes,
                rebuilds=progress.rebuilds,
            )
        progress.snapshot_position = progress.position

    def save_base(self) -> None:
        """Keep the base that no fork can undo, if it is a new one."""
        final = self.bases.final
        if final is not None and final.position != self.bases.saved_position:
            with suppress(Conflict):
                save(
                    self._engine,
                    self.kind.decode(final.state),
                    final.position,
                    final.hash,
                    place=Place.FINAL,
                    rebuilds=self.progress.rebuilds,
                )
            self.bases.saved_position = final.position

    def _load(self, place: Place) -> tuple[P, Header] | None:
        found = load(self._engine, self.kind, place)
        if found is not None and not self._is_of_this_log(found[1]):
            logger.warning("projection %s: its checkpoint is of another log, it is made anew", self.kind.name)
            return None
        return found
