"""Rebuilds a projection beside the live one, compares the two, and swaps them.

The rebuilt one is replayed from the log's first entry, with checkpoints of its own, so that nothing that was kept is
trusted. The swap is one transaction. A node that runs meanwhile takes the rebuilt one up with its next checkpoint, at
the latest when it leaves; until then it goes on with its own.
"""

from collections.abc import Callable
from typing import Any

from events.engine import Conflict, Engine
from events.engine.memory import MemoryEngine
from events.log import Log
from projections import snapshots
from projections.checkpoint import Place, prefix, put, rebuilds_at, remove
from projections.differences import Difference, differences, plain_state
from projections.fold import Progress
from projections.parking import Parked
from projections.projection import Projection
from projections.runner import Runner, RunnerLimits

MAX_ATTEMPTS = 16


class Rebuilding:
    """The rebuilding of one projection: `run`, then look at `differences`, then `swap`."""

    def __init__(
        self, log: Log, engine: Engine, kind: type[Projection[Any]], limits: RunnerLimits | None = None
    ) -> None:
        self._log = log
        self._engine = engine
        self._kind = kind
        self._limits = limits or RunnerLimits()
        self._beside = MemoryEngine()
        self._runner = Runner(log, self._beside, self._limits, (kind,))

    @property
    def position(self) -> int:
        """How far the rebuilt one has come."""
        return self._progress.position

    @property
    def parked(self) -> Parked | None:
        """What the rebuilt one has stopped at."""
        return self._progress.parked

    @property
    def _progress(self) -> Progress:
        return self._runner.progress[self._kind.name]

    def run(self, progress: Callable[[int], None] = lambda position: None) -> None:
        """Replay the log; `progress` is told the position, now and then."""
        self._runner.catch_up_keeping(progress)

    def differences(self) -> list[Difference]:
        """What the rebuilt one has otherwise than the live one, both of them after the log's present last entry."""
        live = Runner(self._log, self._engine, self._limits, (self._kind,))
        live.resume()
        head = self._log.head().position
        for runner in (live, self._runner):
            runner.catch_up(head)
        before, after = (plain_state(runner.get(self._kind)) for runner in (live, self._runner))
        return list(differences(before, after))

    def swap(self) -> None:
        """Put the rebuilt one, and its snapshots, in the place of the live one. Raises what an engine's commit does."""
        self._remove_snapshots()
        self._keep_snapshots(self._swap_checkpoints())

    def _swap_checkpoints(self) -> int:
        """Returns how often the projection was rebuilt then."""
        projection, progress = self._runner.get(self._kind), self._progress
        last, final = prefix(Place.LAST, self._kind.name), prefix(Place.FINAL, self._kind.name)
        attempts = 0
        while True:
            with self._engine.begin() as transaction:
                rebuilds = rebuilds_at(transaction, last, self._kind.version) + 1
                put(transaction, last, projection, progress.position, progress.hash, rebuilds)
                # all may have been made of what was wrong; a node that runs may have made one since
                remove(transaction, final)
                snapshots.remove_some(transaction, self._kind.name)
                try:
                    transaction.commit()
                except Conflict:
                    attempts += 1
                    if attempts == MAX_ATTEMPTS:
                        raise
                else:
                    return rebuilds

    def _remove_snapshots(self) -> None:
        more, attempts = True, 0
        while more:
            with self._engine.begin() as transaction:
                more = snapshots.remove_some(transaction, self._kind.name)
                try:
                    transaction.commit()
                except Conflict:
                    more, attempts = True, attempts + 1
                    if attempts == MAX_ATTEMPTS:
                        raise

    def _keep_snapshots(self, rebuilds: int) -> None:
        for position in snapshots.positions(self._beside, self._kind.name):
            found = snapshots.newest(self._beside, self._kind, position)
            if found is not None:
                kept, header = found
                max_bytes = self._limits.max_snapshot_bytes
                snapshots.save(
                    self._engine,
                    kept,
                    header.position,
                    header.hash,
                    max_bytes=max_bytes,
                    rebuilds=rebuilds,
                )
