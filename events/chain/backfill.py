"""Reads a scope's history from the chain: the events that follow from one, each proven by the hash of the next.

The order is that of the sequence numbers; the order in which an RPC node lists transactions plays no part.
"""

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec
import trio

from contract.accounts import Scope, decode_account
from contract.addresses import PROGRAM_ID
from contract.errors import DecodeError, MuError
from events.catalogue import ChainEvent, Event, Finality
from events.chain.clues import Clues
from events.chain.decode import LogsTruncated, event_data, sourced_events
from events.chain.reader import ChainReader, ChainTransaction, ChainUnavailable, SignatureInfo
from events.chain.recovery import Found
from events.chain.standing import Cursor, cursor_at

MAX_CONCURRENT_TRANSACTION_READS = 8
MAX_TRANSACTIONS_PER_ROUND = 256
MAX_REMEMBERED_EVENTS = 1000


class Gap(MuError):
    """The events that the RPC node shows do not follow from the last one in the log: one is missing or altered."""


class ScopeAnswer(msgspec.Struct, frozen=True):
    """A scope's account as of a slot; None where there is none (yet)."""

    slot: int
    account: Scope | None


class Backfill:
    """The history of one scope (base58), read at one finality.

    `recall` gives events of the scope that are in the log, in order, as many as are worth remembering.
    """

    def __init__(
        self,
        reader: ChainReader,
        scope: str,
        finality: Finality,
        recall: Callable[[], Awaitable[Sequence[Found]]],
    ) -> None:
        self._reader = reader
        self._scope = scope
        self.finality = finality
        self._recall = recall

    async def account(self, finality: Finality | None = None) -> ScopeAnswer:
        """The account, which tells the sequence and hash of its last event. Raises `DecodeError` too."""
        answer = await self._reader.account(self._scope, finality or self.finality)
        if answer.data is None:
            return ScopeAnswer(answer.slot, None)
        account = decode_account(answer.data)
        if not isinstance(account, Scope):
            raise DecodeError(
                f"the account {self._scope} is a {type(account).__name__}, which has no events of its own"
            )
        return ScopeAnswer(answer.slot, account)

    async def events(
        self, cursor: Cursor, account: Scope, since_slot: int | None = None
    ) -> AsyncGenerator[list[Found], None]:
        """What follows from `cursor` up to the last event that `account` vouches for, in batches, in order.

        It is looked for from `since_slot` on, the cursor's if that is not given.
        A batch ends with the last event of a transaction: where one cannot be rebuilt, none of its transaction come.
        Raises `ChainUnavailable`, `DecodeError`, and `Gap` where it does not come as far as that.
        """
        infos = await self._signatures_since(cursor.slot if since_slot is None else since_slot)
        slots = {info.signature: info.slot for info in infos}
        # it was seen in another slot on a fork that has died
        cursor = msgspec.structs.replace(cursor, slot=slots.get(cursor.signature, cursor.slot))
        clues = Clues(self._reader, self._scope, self.finality, self._recall, cursor, slots.keys())
        events: dict[int, Found] = {}
        held: list[Found] = []
        for first in range(0, len(infos), MAX_TRANSACTIONS_PER_ROUND):
            found = await self._events_of(infos[first : first + MAX_TRANSACTIONS_PER_ROUND], clues)
            clues.heard(found)
            for source, event in found:
                if (sequence := self._sequence(event)) and cursor.sequence < sequence <= account.sequence:
                    events.setdefault(sequence, (source, event))
            while cursor.sequence < account.sequence:
                batch = following(cursor, events, account) or await clues.recovered(cursor, events, account)
                if not batch:
                    break
                source, last = batch[-1]
                assert isinstance(last, ChainEvent)
                cursor = cursor_at(source, last)
                clues.passed(batch)
                held += batch
                whole, held = clues.split(held)
                if whole:
                    yield whole
                for sequence in [sequence for sequence in events if sequence <= cursor.sequence]:
                    del events[sequence]
        if cursor.sequence < account.sequence:
            raise Gap(self._missing(cursor.sequence + 1, clues.named()))
        if held:
            yield held

    def _sequence(self, event: Event) -> int:
        """The sequence of an event of the scope, 0 for another's."""
        return event.sequence if isinstance(event, ChainEvent) and event.scope == self._scope else 0

    def _missing(self, sequence: int, cut: str) -> str:
        text = f"event {sequence} of {self._scope} is not in the history that the RPC node shows"
        if cut:
            text += f", and cannot be rebuilt from the transactions whose logs were cut short ({cut})"
        return text

    async def _events_of(self, infos: Sequence[SignatureInfo], clues: Clues) -> list[Found]:
        """The events of some transactions, in the order of these; those with logs cut short go to `clues` too."""
        transactions: dict[str, ChainTransaction] = {}
        places = trio.CapacityLimiter(MAX_CONCURRENT_TRANSACTION_READS)
        failures: list[MuError] = []

        async def read(info: SignatureInfo) -> None:
            async with places:
                try:
                    transactions[info.signature] = await self._transaction(info)
                except ChainUnavailable as error:
                    failures.append(error)
                    # a node that hangs would otherwise be waited for once for each of the others
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for info in infos:
                nursery.start_soon(read, info)
        if failures:
            raise failures[0]
        return [
            found
            for info in infos
            for found in self._events_in(info.signature, transactions[info.signature], clues)
        ]

    async def _transaction(self, info: SignatureInfo) -> ChainTransaction:
        transaction = await self._reader.transaction(info.signature, self.finality)
        if transaction is None:
            raise ChainUnavailable(f"the RPC node lists transaction {info.signature} but does not have it")
        if transaction.slot != info.slot:
            raise ChainUnavailable(
                f"the RPC node lists transaction {info.signature} in slot {info.slot}, and has it in {transaction.slot}"
            )
        return transaction

    def _events_in(self, signature: str, transaction: ChainTransaction, clues: Clues) -> list[Found]:
        """The events in a transaction's log lines. Where these are cut short, `clues` are told."""
        if transaction.failed:
            return []
        try:
            payloads = event_data(transaction.logs, str(PROGRAM_ID))
        except LogsTruncated as cut:
            found = self._sourced(signature, transaction, cut.payloads)
            visible = [sequence for _, event in found if (sequence := self._sequence(event))]
            clues.cut_short(signature, transaction, visible)
            return found
        return self._sourced(signature, transaction, payloads)

    def _sourced(self, signature: str, transaction: ChainTransaction, payloads: list[bytes]) -> list[Found]:
        return sourced_events(payloads, slot=transaction.slot, signature=signature, finality=self.finality)

    async def _signatures_since(self, slot: int) -> list[SignatureInfo]:
        """The transactions of the scope that did not fail, from `slot` on, oldest first, each once."""
        found: dict[str, SignatureInfo] = {}
        before: str | None = None
        seen: set[str] = set()
        # paged by `before` alone: `until` would stop at the cursor's transaction, and the order within its slot
        # is not reliable
        while page := await self._reader.signatures(self._scope, before, self.finality):
            found |= {info.signature: info for info in page if info.slot >= slot and not info.failed}
            if page[-1].slot < slot:
                break
            if page[-1].signature in seen:
                raise ChainUnavailable("the RPC node shows the same page of history again and again")
            seen.add(page[-1].signature)
            before = page[-1].signature
        return list(found.values())[::-1]


def together(batch: Sequence[Found], max_events: int) -> list[list[Found]]:
    """A batch in parts of at most `max_events`, none of which ends within a transaction.

    A part is longer only for a transaction that is: Solana has 64 instructions a transaction, inner ones included, and
    each makes one event.
    """
    parts: list[list[Found]] = []
    for _, transaction in itertools.groupby(batch, key=lambda found: found[0].signature):
        events = list(transaction)
        if parts and len(parts[-1]) + len(events) <= max_events:
            parts[-1] += events
        else:
            parts.append(events)
    return parts


def following(cursor: Cursor, events: dict[int, Found], account: Scope) -> list[Found]:
    """Those of `events` (by sequence) that follow from `cursor` without a gap, in order.

    Raises `Gap` when one does not hold the hash of the one before it, or the last one's hash is not in `account`.
    """
    found: list[Found] = []
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
