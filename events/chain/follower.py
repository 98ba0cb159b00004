"""Follows one scope account of the program: each of its events enters the log once, in order, none missing.

The subscription only wakes it. What happened it asks over RPC (`events.chain.backfill`): while the account's sequence
is ahead of the log's, it brings what is missing. Events enter as confirmed; when the chain has finalized them, a
`Finalized` follows, and a `Retracted` when it has finalized something else (`events.chain.settlement`).
"""

import itertools
import logging
from collections.abc import Sequence
from contextlib import aclosing
from enum import StrEnum

import msgspec
import trio

from contract.accounts import Scope
from contract.errors import DecodeError
from events.catalogue import ChainSource, Event, Finality, NodeSource, Retracted, Source
from events.chain.backfill import MAX_REMEMBERED_EVENTS, Backfill, Gap, ScopeAnswer, together
from events.chain.pubsub import LogsSubscription, SubscriptionLost
from events.chain.reader import ChainReader, ChainUnavailable
from events.chain.recovery import Found
from events.chain.settlement import settlement
from events.chain.standing import Standing
from events.engine import EngineError
from events.entries import EngineFailure
from events.log import Log, StreamConflict

__all__ = ["Follower", "FollowerLimits", "FollowerState", "Gap", "Health"]

MAX_EVENTS_PER_APPEND = 100
"""A transaction's events are appended together: no more than 64 (`events.chain.backfill.together`)."""

logger = logging.getLogger(__name__)


class Health(StrEnum):
    """How the follower stands: caught up with the chain, behind it, or unable to tell."""

    STARTING = "starting"
    CAUGHT_UP = "caught up"
    BEHIND = "behind"
    UNAVAILABLE = "unavailable"


class FollowerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times of a follower. `answer_seconds` bounds the wait for an answer, `poll_seconds` how long a silent
    subscription goes unnoticed, `stalled_seconds` for how long the chain may stand at one slot; a node that asks to be
    left alone is, up to `longest_wait_seconds`. A problem is logged when it comes, and every `reminder_seconds`.

    `commitment` is how settled an event must be to enter the log. Confirmed ones come within a second, and `Finalized`
    or, where their fork died, `Retracted` follows; finalized ones come some 13 seconds late and are never undone;
    what entered as confirmed before is still settled.
    """

    commitment: Finality = Finality.CONFIRMED
    answer_seconds: float = 3.0
    poll_seconds: float = 1.5
    stalled_seconds: float = 2.5
    first_retry_seconds: float = 0.1
    longest_retry_seconds: float = 5.0
    longest_wait_seconds: float = 60.0
    reminder_seconds: float = 600.0


class ScopeUnknown(ChainUnavailable):
    """The RPC node has no account of a scope that the log has events of: it lags, or a fork died with all of them."""


class FollowerState(msgspec.Struct, frozen=True):
    """How a follower stands: what its problem is, the last slot it has heard of, the sequence of the last event in the
    log, that of the last one on chain, and that up to which events are final.
    """

    scope: str
    health: Health
    problem: str | None
    slot: int
    sequence: int
    chain_sequence: int
    final_sequence: int

    @property
    def lag_events(self) -> int:
        """How many events the chain is known to be ahead."""
        return max(0, self.chain_sequence - self.sequence)


class Follower:
    """Brings the events of `scope` (base58) into the log's stream of the same name.

    `source` is the node that records what became of events that were only confirmed; without one nothing is recorded
    but the events.
    """

    def __init__(
        self,
        log: Log,
        reader: ChainReader,
        scope: str,
        limits: FollowerLimits,
        *,
        source: NodeSource | None = None,
    ) -> None:
        self._log = log
        self._reader = reader
        self._scope = scope
        self._limits = limits
        self._backfill = Backfill(reader, scope, limits.commitment, self._recall)
        self._source = source
        self._standing = Standing()
        self._news = trio.Event()
        self._slot = 0
        self._slot_changed_at = 0.0
        self._chain_sequence = 0
        self._problem_logged_at = 0.0
        self.health = Health.STARTING
        self.problem: str | None = None

    @property
    def state(self) -> FollowerState:
        """How it stands now."""
        return FollowerState(
            self._scope,
            self.health,
            self.problem,
            self._slot,
            self._standing.tip.sequence,
            self._chain_sequence,
            self._standing.final.sequence,
        )

    def wake(self) -> None:
        """Look at the chain now: something may have happened."""
        self._news.set()

    async def run(self, *subscriptions: LogsSubscription) -> None:
        """Follow for ever, woken by one of the subscriptions and every `poll_seconds`.

        An outage, of the RPC node or of the log's engine, is waited out.
        """
        async with trio.open_nursery() as nursery:
            if subscriptions:
                nursery.start_soon(self._listen, subscriptions)
            retry_seconds = self._limits.first_retry_seconds
            while True:
                self._news = trio.Event()
                try:
                    await self.catch_up()
                except (ChainUnavailable, Gap, DecodeError, EngineFailure, EngineError) as error:
                    self._stand(*_problem(error))
                    await trio.sleep(max(retry_seconds, self._asked_to_wait_seconds(error)))
                    retry_seconds = min(2 * retry_seconds, self._limits.longest_retry_seconds)
                else:
                    self._stand(*self._stalled())
                    retry_seconds = self._limits.first_retry_seconds
                    with trio.move_on_after(self._limits.poll_seconds):
                        await self._news.wait()

    async def catch_up(self) -> int:
        """Append what the chain has and the log has not; returns how many chain events were appended here.

        Raises `ChainUnavailable`, `Gap`, `DecodeError`, and `EngineFailure`; what was appended before that is whole.
        """
        appended = 0
        while True:
            try:
                count, moved = await self._look()
            except StreamConflict:
                # another node recording the same first is as good: go on from where it came to
                continue
            except (Gap, ChainUnavailable, DecodeError) as error:
                if not self._reader.doubt(str(error)):
                    raise
                continue
            appended += count
            if not moved:
                return appended

    async def _look(self) -> tuple[int, bool]:
        """Append what follows from the log's last event, and what has become of those that were only confirmed.

        Returns how many chain events that were, and whether to look again.
        """
        standing = await self._read_standing()
        answer = await self._ask_account()
        gap: Gap | ScopeUnknown | None = None
        appended, died = 0, False
        try:
            appended = await self._advance(standing, answer)
        except (Gap, ScopeUnknown) as error:
            # either the node's history has a hole, or the log's events are of a fork that has died
            gap = error
        if self._source is not None:
            standing = await self._read_standing()
            died = bool(standing.pending) and await self._settle(standing)
        if gap is not None and not died:
            raise gap
        return appended, died or appended > 0

    async def _advance(self, standing: Standing, answer: ScopeAnswer) -> int:
        """Append what follows from the log's last event up to the last one that the account vouches for."""
        tip, account = standing.tip, answer.account
        if account is None and tip.sequence > 0:
            raise ScopeUnknown(f"the RPC node knows nothing of {self._scope}, which the log has events of")
        if account is None or account.sequence < tip.sequence:
            return 0
        if account.sequence == tip.sequence:
            if account.event_hash != tip.hash:
                raise Gap(f"event {tip.sequence} of {self._scope} in the log is not the one on chain")
            return 0
        try:
            return await self._append_after(standing, account, tip.slot)
        except Gap:
            if standing.final.slot >= tip.slot:
                raise
        # on the fork that survives the same transactions may be in earlier slots than on the one where they were seen
        standing = await self._read_standing()
        return await self._append_after(standing, account, standing.final.slot)

    async def _append_after(self, standing: Standing, account: Scope, since_slot: int) -> int:
        """Append what follows from the log's last event out of the history from a slot on."""
        version, appended = standing.version, 0
        async with aclosing(self._backfill.events(standing.tip, account, since_slot)) as batches:
            async for found in batches:
                for batch in together(found, MAX_EVENTS_PER_APPEND):
                    await self._append(version, batch)
                    version += len(batch)
                    appended += len(batch)
        return appended

    async def _settle(self, standing: Standing) -> bool:
        """Record what the chain has finalized of `pending`; returns whether a fork was found to have died."""
        assert self._source is not None
        found = await settlement(self._backfill, self._reader, self._scope, standing)
        if found is None:
            return False
        batch: list[tuple[Source, Event]] = [(self._source, found.event)]
        # in one append, so that what has happened on the other fork too is never gone between the two
        for instead in together(found.instead, MAX_EVENTS_PER_APPEND - 1)[:1]:
            batch += instead
        logger.log(logging.WARNING if found.died else logging.DEBUG, "following the chain: %s", found.event)
        await self._append(standing.version, batch)
        return found.died

    async def _append(self, version: int, batch: Sequence[tuple[Source, Event]]) -> None:
        """Append to the scope's stream after `version`, which guards it: of several nodes one succeeds."""
        await self._log.append_from_task(self._scope, version, batch)

    async def _read_standing(self) -> Standing:
        standing = self._standing

        def read() -> None:
            if self._log.version(self._scope) != standing.version:
                standing.catch_up(self._log.newest_first(self._scope))

        await trio.to_thread.run_sync(read)
        return standing

    async def _recall(self) -> list[Found]:
        """The scope's last events in the log that count, in order."""

        def read() -> list[Found]:
            newest_first = self._log.newest_first(self._scope)
            entries = list(itertools.islice(newest_first, MAX_REMEMBERED_EVENTS))[::-1]
            retracted = {
                position
                for entry in entries
                if isinstance(entry.event, Retracted)
                for position in entry.event.positions
            }
            return [
                (entry.source, entry.event)
                for entry in entries
                if isinstance(entry.source, ChainSource) and entry.position not in retracted
            ]

        return await trio.to_thread.run_sync(read)

    async def _ask_account(self) -> ScopeAnswer:
        answer = await self._backfill.account()
        if answer.slot != self._slot:
            self._slot, self._slot_changed_at = answer.slot, trio.current_time()
        if isinstance(answer.account, Scope):
            self._chain_sequence = answer.account.sequence
        return answer

    def _stalled(self) -> tuple[Health, str | None]:
        stood_seconds = trio.current_time() - self._slot_changed_at
        if stood_seconds < self._limits.stalled_seconds:
            return Health.CAUGHT_UP, None
        return Health.UNAVAILABLE, f"the RPC node has stood at slot {self._slot}"

    def _asked_to_wait_seconds(self, error: Exception) -> float:
        seconds = error.retry_after_seconds if isinstance(error, ChainUnavailable) else None
        return min(seconds or 0.0, self._limits.longest_wait_seconds)

    def _stand(self, health: Health, problem: str | None) -> None:
        now = trio.current_time()
        if problem is not None:
            # not whenever its words change: during an outage of hours they do with every slot or question
            if health != self.health or now - self._problem_logged_at >= self._limits.reminder_seconds:
                self._problem_logged_at = now
                logger.warning("following the chain: %s", problem)
        elif self.problem is not None:
            logger.info("following the chain: caught up again")
        self.health, self.problem = health, problem

    async def _listen(self, subscriptions: tuple[LogsSubscription, ...]) -> None:
        retry_seconds, turn = self._limits.first_retry_seconds, 0
        while True:
            started = trio.current_time()
            try:
                await subscriptions[turn % len(subscriptions)].run(self.wake)
            except SubscriptionLost as error:
                logger.info("chain subscription: %s", error)
            turn += 1
            if trio.current_time() - started > self._limits.longest_retry_seconds:
                retry_seconds = self._limits.first_retry_seconds
            await trio.sleep(retry_seconds)
            retry_seconds = min(2 * retry_seconds, self._limits.longest_retry_seconds)


def _problem(error: Exception) -> tuple[Health, str]:
    if isinstance(error, EngineFailure | EngineError):
        return Health.UNAVAILABLE, f"the log: {error}"
    return Health.UNAVAILABLE if isinstance(error, ChainUnavailable) else Health.BEHIND, str(error)
