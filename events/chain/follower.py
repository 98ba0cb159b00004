"""Follows one scope account of the program: each of its events enters the log once, in order, none missing.

The subscription only wakes it. What happened it asks over RPC: while the account's sequence is ahead of the cursor, it
pages back through the account's transactions to the cursor's slot, takes the events from their log lines, orders them
by sequence, and checks that each follows from the one before by sequence and hash, and the last one against the hash
that the account holds.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum

import msgspec
import trio

from contract.accounts import Scope, decode_account
from contract.addresses import PROGRAM_ID
from contract.errors import DecodeError, MuError
from events.catalogue import ChainEvent, ChainSource, Event, Finality
from events.chain.decode import LogsTruncated, chain_events
from events.chain.pubsub import LogsSubscription, SubscriptionLost
from events.chain.rpc import ChainReader, ChainUnavailable, SignatureInfo
from events.log import Log, StreamConflict
from events.record import ZERO_HASH

MAX_EVENTS_PER_APPEND = 100
MAX_CONCURRENT_TRANSACTION_READS = 8
MAX_TRANSACTIONS_PER_ROUND = 256

logger = logging.getLogger(__name__)


class Gap(MuError):
    """The events that the RPC node shows do not follow from the last one in the log: one is missing or altered."""


class Health(StrEnum):
    """How the follower stands: caught up with the chain, behind it, or unable to tell."""

    STARTING = "starting"
    CAUGHT_UP = "caught up"
    BEHIND = "behind"
    UNAVAILABLE = "unavailable"


class Cursor(msgspec.Struct, frozen=True):
    """The last event of the scope in the log: its sequence, its hash, and the slot it was seen in."""

    sequence: int
    hash: bytes
    slot: int


class FollowerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times of a follower. `poll_seconds` bounds how long a silent subscription goes unnoticed."""

    poll_seconds: float = 2.0
    first_retry_seconds: float = 0.1
    longest_retry_seconds: float = 5.0


class Follower:
    """Brings the events of `scope` (base58) into the log's stream of the same name."""

    def __init__(
        self,
        log: Log,
        reader: ChainReader,
        scope: str,
        limits: FollowerLimits,
        *,
        finality: Finality = Finality.CONFIRMED,
    ) -> None:
        self._log = log
        self._reader = reader
        self._scope = scope
        self._limits = limits
        self._finality = finality
        self._news = trio.Event()
        self.health = Health.STARTING
        self.problem: str | None = None

    def wake(self) -> None:
        """Look at the chain now: something may have happened."""
        self._news.set()

    async def run(self, subscription: LogsSubscription | None = None) -> None:
        """Follow for ever, woken by `subscription` and every `poll_seconds`; an outage is waited out."""
        async with trio.open_nursery() as nursery:
            if subscription is not None:
                nursery.start_soon(self._listen, subscription)
            retry_seconds = self._limits.first_retry_seconds
            while True:
                self._news = trio.Event()
                try:
                    await self.catch_up()
                except (ChainUnavailable, Gap, DecodeError) as error:
                    self._stand(
                        Health.UNAVAILABLE if isinstance(error, ChainUnavailable) else Health.BEHIND,
                        str(error),
                    )
                    await trio.sleep(retry_seconds)
                    retry_seconds = min(2 * retry_seconds, self._limits.longest_retry_seconds)
                else:
                    self._stand(Health.CAUGHT_UP, None)
                    retry_seconds = self._limits.first_retry_seconds
                    with trio.move_on_after(self._limits.poll_seconds):
                        await self._news.wait()

    async def catch_up(self) -> int:
        """Append what the chain has and the log has not; returns how many events were appended here.

        Raises `ChainUnavailable`, `Gap`, or `DecodeError`; what was appended before that is whole.
        """
        appended = 0
        while True:
            cursor = await self._cursor()
            account = await self._account()
            if account is None or account.sequence < cursor.sequence:
                return appended
            if account.sequence == cursor.sequence:
                if account.event_hash != cursor.hash:
                    raise Gap(f"event {cursor.sequence} of {self._scope} in the log is not the one on chain")
                return appended
            # another node recording the same events first is as good: go on from where it came to
            with suppress(StreamConflict):
                appended += await self._round(cursor, account)

    async def _round(self, cursor: Cursor, account: Scope) -> int:
        """Append what follows from `cursor`, up to the last event that `account` vouches for.

        Raises `StreamConflict` too, when another node was faster.
        """
        infos = await self._signatures_since(cursor.slot)
        events: dict[int, tuple[ChainSource, Event]] = {}
        appended = 0
        for start in range(0, len(infos), MAX_TRANSACTIONS_PER_ROUND):
            for source, event in await self._events_of(infos[start : start + MAX_TRANSACTIONS_PER_ROUND]):
                if (
                    isinstance(event, ChainEvent)
                    and event.scope == self._scope
                    and cursor.sequence < event.sequence <= account.sequence
                ):
                    events.setdefault(event.sequence, (source, event))
            next_events = following(cursor, events, account)
            for first in range(0, len(next_events), MAX_EVENTS_PER_APPEND):
                batch = next_events[first : first + MAX_EVENTS_PER_APPEND]
                cursor = await self._append(cursor, batch)
                appended += len(batch)
            for sequence in [sequence for sequence in events if sequence <= cursor.sequence]:
                del events[sequence]
        if events or not appended:
            raise Gap(
                f"event {cursor.sequence + 1} of {self._scope} is not in the history that the RPC node shows"
            )
        return appended

    async def _append(self, cursor: Cursor, batch: list[tuple[ChainSource, Event]]) -> Cursor:
        last_source, last = batch[-1]
        assert isinstance(last, ChainEvent)

        def append() -> None:
            self._log.append(
                self._scope, cursor.sequence, batch, tracking=(f"chain/{self._scope}", last.sequence)
            )

        await trio.to_thread.run_sync(append)
        return Cursor(last.sequence, last.event_hash, last_source.slot)

    async def _events_of(self, infos: list[SignatureInfo]) -> Iterable[tuple[ChainSource, Event]]:
        """The events of some transactions, in no particular order."""
        found: list[tuple[ChainSource, Event]] = []
        places = trio.CapacityLimiter(MAX_CONCURRENT_TRANSACTION_READS)
        failures: list[MuError] = []

        async def read(info: SignatureInfo) -> None:
            async with places:
                try:
                    found.extend(await self._transaction_events(info))
                except (ChainUnavailable, DecodeError) as error:
                    failures.append(error)
                    # a node that hangs would otherwise be waited for once for each of the others
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for info in infos:
                nursery.start_soon(read, info)
        if failures:
            raise failures[0]
        return found

    async def _transaction_events(self, info: SignatureInfo) -> list[tuple[ChainSource, Event]]:
        logs = await self._reader.transaction_logs(info.signature)
        if logs is None:
            raise ChainUnavailable(f"the RPC node lists transaction {info.signature} but does not have it")
        if logs.failed:
            return []
        try:
            return chain_events(
                logs.logs,
                program=str(PROGRAM_ID),
                slot=logs.slot,
                signature=info.signature,
                finality=self._finality,
            )
        except LogsTruncated:
            # any event in it shows as a gap; with none of ours in it there is nothing to miss
            return []

    async def _signatures_since(self, slot: int) -> list[SignatureInfo]:
        """The transactions of the scope that did not fail, from `slot` on, oldest first."""
        found: list[SignatureInfo] = []
        before: str | None = None
        # paged by `before` alone: `until` would stop at the cursor's transaction, and the order within its slot
        # is not reliable
        while page := await self._reader.signatures(self._scope, before):
            found.extend(info for info in page if info.slot >= slot and not info.failed)
            if page[-1].slot < slot:
                break
            if page[-1].signature == before:
                raise ChainUnavailable("the RPC node shows the same page of history again and again")
            before = page[-1].signature
        found.reverse()
        return found

    async def _cursor(self) -> Cursor:
        last = await trio.to_thread.run_sync(self._log.last, self._scope)
        if last is None:
            return Cursor(0, ZERO_HASH, 0)
        assert isinstance(last.event, ChainEvent)
        assert isinstance(last.source, ChainSource)
        return Cursor(last.event.sequence, last.event.event_hash, last.source.slot)

    async def _account(self) -> Scope | None:
        """The account, which tells the sequence and hash of its last event; None where there is none (yet)."""
        data = await self._reader.account_data(self._scope)
        if data is None:
            return None
        account = decode_account(data)
        if not isinstance(account, Scope):
            raise DecodeError(
                f"the account {self._scope} is a {type(account).__name__}, which has no events of its own"
            )
        return account

    def _stand(self, health: Health, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            logger.warning("following the chain: %s", problem)
        elif self.problem is not None and problem is None:
            logger.info("following the chain: caught up again")
        self.health, self.problem = health, problem

    async def _listen(self, subscription: LogsSubscription) -> None:
        retry_seconds = self._limits.first_retry_seconds
        while True:
            started = trio.current_time()
            try:
                await subscription.run(self.wake)
            except SubscriptionLost as error:
                logger.info("chain subscription: %s", error)
            if trio.current_time() - started > self._limits.longest_retry_seconds:
                retry_seconds = self._limits.first_retry_seconds
            await trio.sleep(retry_seconds)
            retry_seconds = min(2 * retry_seconds, self._limits.longest_retry_seconds)


def following(
    cursor: Cursor, events: dict[int, tuple[ChainSource, Event]], account: Scope
) -> list[tuple[ChainSource, Event]]:
    """Those of `events` (by sequence) that follow from `cursor` without a gap, in order.

    Raises `Gap` when one does not hold the hash of the one before it, or the last one's hash is not in `account`.
    """
    found: list[tuple[ChainSource, Event]] = []
    sequence, previous_hash = cursor.sequence, cursor.hash
    while (pair := events.get(sequence + 1)) is not None:
        event = pair[1]
        assert isinstance(event, ChainEvent)
        if event.previous_hash != previous_hash:
            raise Gap(
                f"event {event.sequence} of {event.scope} does not hold the hash of the event before it"
            )
        found.append(pair)
        sequence, previous_hash = event.sequence, event.event_hash
    if sequence == account.sequence and previous_hash != account.event_hash:
        raise Gap(f"event {sequence} is not the one whose hash the account holds")
    return found
