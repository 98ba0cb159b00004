"""Gathers, while a scope's history is read, what events are rebuilt with whose log lines were cut away.

What is gathered are questions and answers; the search itself is `events.chain.recovery`.
"""

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress

import msgspec
import trio

from contract.accounts import Account, Scope, decode_account
from contract.addresses import PROGRAM_ID
from contract.errors import DecodeError
from events.catalogue import ChainEvent, Finality
from events.chain.decode import LogsTruncated, event_data, sourced_events
from events.chain.reader import ChainReader, ChainTransaction, ChainUnavailable, Invocation
from events.chain.rebuilding.effects import effect
from events.chain.rebuilding.known import BalanceEvent, Known
from events.chain.rebuilding.running import Told
from events.chain.rebuilding.steps import steps_in
from events.chain.recovery import (
    Case,
    Found,
    Truncated,
    addresses_worth_reading,
    calls_in,
    event_count,
    recover,
)
from events.chain.standing import Cursor

MAX_ACCOUNTS_READ = 64
MAX_PASTS_READ = 8
MAX_TRANSACTIONS_PER_PAST = 32
MAX_BALANCES_HEARD = 1024
MAX_TRANSACTIONS_BESIDE = 512
MAX_NAMED_TRANSACTIONS = 3


class Clues:
    """What is known about the events of `scope` that follow from `start`.

    `recall` gives events of the scope that are in the log, in order, as many as are worth remembering; `listed` are the
    signatures of the history that is read.
    """

    def __init__(
        self,
        reader: ChainReader,
        scope: str,
        finality: Finality,
        recall: Callable[[], Awaitable[Sequence[Found]]],
        start: Cursor,
        listed: AbstractSet[str],
    ) -> None:
        self._reader = reader
        self._scope = scope
        self._finality = finality
        self._recall = recall
        self._start = start
        self._listed = listed
        self._truncated: list[Truncated] = []
        self._passed = Known()
        self._counts: Counter[str] = Counter()
        self._told: dict[tuple[str, int], Told] = {}
        self._beside: dict[str, ChainTransaction] = {}
        self._past: dict[str, list[Invocation]] = {}
        self._places: dict[str, int] = {}
        self._ordered_slots: set[int] = set()

    def cut_short(self, signature: str, transaction: ChainTransaction, visible: Sequence[int]) -> None:
        """The log lines of a transaction are not whole; `visible` are the sequences of the scope's events in them."""
        if (
            transaction.instructions is None
            or calls_in(transaction, self._scope)
            or any(effect(step, self._scope) for step in steps_in(transaction))
        ):
            # the log lines are kept by nobody: others could make many of them
            kept = msgspec.structs.replace(transaction, logs=())
            self._truncated.append(Truncated(signature, kept, tuple(visible)))

    def heard(self, found: Iterable[Found]) -> None:
        """These events are in transactions of the scope, whatever their own scope is."""
        for source, event in found:
            if isinstance(event, BalanceEvent):
                self._told[source.signature, source.index] = source, event
        for key in list(self._told)[:-MAX_BALANCES_HEARD]:
            del self._told[key]

    def passed(self, batch: Sequence[Found]) -> None:
        """These events follow from those before."""
        self.heard(batch)
        by_signature = {one.signature: one for one in self._truncated}
        for signature, group in itertools.groupby(batch, key=lambda found: found[0].signature):
            events = [event for _, event in group]
            self._passed = self._passed.after(events)
            self._counts[signature] += len(events)
            one = by_signature.get(signature)
            if one is not None and self._counts[signature] >= event_count(one, self._scope):
                self._put_beside(one)
                self._passed = self._passed.past(steps_in(one.transaction), self._scope)

    def split(self, batch: Sequence[Found]) -> tuple[list[Found], list[Found]]:
        """A batch in the events of whole transactions, and those of its last one where more of it are to come."""
        last = batch[-1][0].signature
        if all(one.signature != last for one in self._truncated):
            return list(batch), []
        place = next(place for place, (source, _) in enumerate(batch) if source.signature == last)
        return list(batch[:place]), list(batch[place:])

    def named(self) -> str:
        """Some of the transactions whose log lines are not whole and whose events are missing; "" for none."""
        return ", ".join(one.signature for one in self._truncated[:MAX_NAMED_TRANSACTIONS])

    async def recovered(self, cursor: Cursor, events: Mapping[int, Found], account: Scope) -> Sequence[Found]:
        """What follows from `cursor` and has to be rebuilt; `events` (by sequence) are further ones that are to see.

        Raises `ChainUnavailable`.
        """
        if not self._truncated:
            return []
        recalled = [
            (source, event)
            for source, event in await self._recall()
            if isinstance(event, ChainEvent) and event.sequence <= self._start.sequence
        ]
        hashes = {account.sequence: account.event_hash}
        for _, event in events.values():
            if isinstance(event, ChainEvent):
                hashes[event.sequence - 1] = event.previous_hash
                hashes[event.sequence] = event.event_hash
        case = Case(
            scope=self._scope,
            account=account,
            hashes=hashes,
            visible=frozenset(events),
            known=Known().after(event for _, event in recalled).then(self._passed),
            present=await self._present(),
            finality=self._finality,
            recalled=tuple((source, event) for source, event in recalled if isinstance(event, BalanceEvent)),
        )
        while True:
            told = tuple(self._told.values())
            await self._order(cursor, (*case.recalled, *told))
            for one in [one for one in self._truncated if self._is_recorded(one, cursor)]:
                self._put_beside(one)
            case = msgspec.structs.replace(
                case,
                told=told,
                past=dict(self._past),
                places=dict(self._places),
                beside=dict(self._beside),
            )
            found = await trio.to_thread.run_sync(recover, cursor, tuple(self._truncated), case)
            if found or not await self._read_pasts():
                return found

    def _is_recorded(self, one: Truncated, cursor: Cursor) -> bool:
        """Whether a transaction is known to come before what is to follow from `cursor`."""
        slot = one.transaction.slot
        if one.signature == cursor.signature:
            return all(call.index <= cursor.index for call in calls_in(one.transaction, self._scope))
        if slot != cursor.slot:
            # the cursor's own slot is not known for certain unless the node lists its transaction
            return slot < cursor.slot and cursor.signature in self._listed
        place, reached = self._places.get(one.signature), self._places.get(cursor.signature)
        return place is not None and reached is not None and place < reached

    def _put_beside(self, one: Truncated) -> None:
        """None of the missing events are of this transaction, though it may have changed balances."""
        self._truncated.remove(one)
        self._keep_beside(one.signature, one.transaction)

    def _keep_beside(self, signature: str, transaction: ChainTransaction) -> None:
        self._beside[signature] = transaction
        for oldest in list(self._beside)[:-MAX_TRANSACTIONS_BESIDE]:
            del self._beside[oldest]

    async def _order(self, cursor: Cursor, told: Sequence[Told]) -> None:
        """Ask for the order of execution in slots where it matters; a node need not know it.

        That is where a transaction that is cut short is not alone, and in the slot that tells balances before it.
        """
        cut = {one.signature: one.transaction.slot for one in self._truncated}
        cut |= {signature: transaction.slot for signature, transaction in self._beside.items()}
        together: defaultdict[int, set[str]] = defaultdict(set)
        for signature, slot in cut.items():
            together[slot].add(signature)
        for source, _ in told:
            together[source.slot].add(source.signature)
        together[cursor.slot].add(cursor.signature)
        slots = sorted(together)
        wanted: set[int] = set()
        for slot in cut.values():
            place = bisect_left(slots, slot)
            wanted.update(slots[max(0, place - 1) : place + 1])
        for slot in sorted(wanted - self._ordered_slots):
            if len(together[slot]) == 1:
                continue
            self._ordered_slots.add(slot)
            with suppress(ChainUnavailable):
                block = await self._reader.block(slot, self._finality) or ()
                self._places |= {
                    signature: place
                    for place, signature in enumerate(block)
                    if signature in self._listed or signature in together[slot]
                }

    async def _present(self) -> dict[str, Account]:
        """Accounts as they are, those that are there and can be read."""
        addresses = sorted(addresses_worth_reading(self._truncated, self._scope))[:MAX_ACCOUNTS_READ]
        if not addresses:
            return {}
        answer = await self._reader.accounts(addresses, self._finality)
        present: dict[str, Account] = {}
        for address, data in zip(addresses, answer.data, strict=True):
            if data is not None:
                with suppress(DecodeError):
                    present[address] = decode_account(data)
        return present

    async def _read_pasts(self) -> bool:
        """Read what was done before with the accounts where that may tell something; returns whether there was more."""
        addresses = addresses_worth_reading(self._truncated, self._scope, past=True)
        unread = sorted(addresses - self._past.keys())[: max(0, MAX_PASTS_READ - len(self._past))]
        for address in unread:
            self._past[address] = await self._read_past(address)
        return bool(unread)

    async def _read_past(self, address: str) -> list[Invocation]:
        slot = min(one.transaction.slot for one in self._truncated)
        page = await self._reader.signatures(address, None, self._finality)
        nearest = sorted((info for info in page if not info.failed), key=lambda info: abs(slot - info.slot))
        calls: list[Invocation] = []
        for info in nearest[:MAX_TRANSACTIONS_PER_PAST]:
            transaction = await self._reader.transaction(info.signature, self._finality)
            if transaction is None or transaction.failed:
                continue
            calls += [step.invocation for step in reversed(steps_in(transaction))]
            # there may be more transactions in it now whose order matters
            self._ordered_slots.discard(info.slot)
            with suppress(DecodeError):
                self._read_again(info.signature, transaction)
        return calls

    def _read_again(self, signature: str, transaction: ChainTransaction) -> None:
        """What a transaction of another scope, or of earlier, tells about balances. Raises `DecodeError`."""
        try:
            payloads = event_data(transaction.logs, str(PROGRAM_ID))
        except LogsTruncated as cut:
            payloads = cut.payloads
            if all(one.signature != signature for one in self._truncated):
                self._keep_beside(signature, msgspec.structs.replace(transaction, logs=()))
        self.heard(
            sourced_events(payloads, slot=transaction.slot, signature=signature, finality=self._finality)
        )
