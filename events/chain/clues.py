"""Gathers, while a scope's history is read, what events are rebuilt with whose log lines were cut away.

What is gathered are questions and answers; the search itself is `events.chain.recovery`.
"""

import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec
import trio

from contract.accounts import Account, Scope, decode_account
from contract.addresses import PROGRAM_ID
from contract.errors import DecodeError
from events.catalogue import ChainEvent, Event, Finality
from events.chain.decode import LogsTruncated, event_data, sourced_events
from events.chain.reader import ChainReader, ChainTransaction, ChainUnavailable, Invocation
from events.chain.rebuilding.balances import change_after, effect
from events.chain.rebuilding.known import BalanceEvent, Known
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
MAX_BALANCES_HEARD = 256
MAX_NAMED_TRANSACTIONS = 3


class Clues:
    """What is known about the events of `scope` that follow from `start`.

    `recall` gives events of the scope that are in the log, in order, as many as are worth remembering.
    """

    def __init__(
        self,
        reader: ChainReader,
        scope: str,
        finality: Finality,
        recall: Callable[[], Awaitable[Sequence[Event]]],
        start: Cursor,
    ) -> None:
        self._reader = reader
        self._scope = scope
        self._finality = finality
        self._recall = recall
        self._start = start
        self._truncated: list[Truncated] = []
        self._passed = Known()
        self._counts: Counter[str] = Counter()
        self._said: deque[BalanceEvent] = deque(maxlen=MAX_BALANCES_HEARD)
        self._past: dict[str, list[Invocation]] = {}
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

    def heard(self, events: Iterable[Event]) -> None:
        """These events are in transactions of the scope, whatever their own scope is."""
        self._said.extend(event for event in events if isinstance(event, BalanceEvent))

    def passed(self, batch: Sequence[Found]) -> None:
        """These events follow from those before."""
        by_signature = {one.signature: one for one in self._truncated}
        for signature, group in itertools.groupby(batch, key=lambda found: found[0].signature):
            events = [event for _, event in group]
            self._passed = self._passed.after(events)
            self._counts[signature] += len(events)
            one = by_signature.get(signature)
            if one is not None and self._counts[signature] >= event_count(one, self._scope):
                self._truncated.remove(one)
                if calls := calls_in(one.transaction, self._scope):
                    change = change_after(steps_in(one.transaction), calls[-1].index, self._scope)
                    self._passed = self._passed.changed(self._scope, change)

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
        await self._order()
        hashes = {account.sequence: account.event_hash}
        for _, event in events.values():
            if isinstance(event, ChainEvent):
                hashes[event.sequence - 1] = event.previous_hash
                hashes[event.sequence] = event.event_hash
        recalled = [
            event
            for event in await self._recall()
            if isinstance(event, ChainEvent) and event.sequence <= self._start.sequence
        ]
        case = Case(
            scope=self._scope,
            account=account,
            hashes=hashes,
            visible=frozenset(events),
            known=Known().after(recalled).then(self._passed),
            present=await self._present(),
            finality=self._finality,
            said=tuple(self._said),
            past=dict(self._past),
        )
        found = await trio.to_thread.run_sync(recover, cursor, tuple(self._truncated), case)
        if found or not await self._read_pasts():
            return found
        case = msgspec.structs.replace(case, said=tuple(self._said), past=dict(self._past))
        return await trio.to_thread.run_sync(recover, cursor, tuple(self._truncated), case)

    async def _order(self) -> None:
        """Ask for the order of execution in slots where it matters; a node need not know it."""
        slots = Counter(one.transaction.slot for one in self._truncated)
        for slot in [slot for slot, count in slots.items() if count > 1]:
            if slot in self._ordered_slots:
                continue
            self._ordered_slots.add(slot)
            with suppress(ChainUnavailable):
                block = await self._reader.block(slot, self._finality) or ()
                places = {signature: place for place, signature in enumerate(block)}
                self._truncated = [
                    msgspec.structs.replace(one, place=places.get(one.signature))
                    if one.transaction.slot == slot
                    else one
                    for one in self._truncated
                ]

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
            with suppress(DecodeError):
                self.heard(_events(transaction, info.signature, self._finality))
        return calls


def _events(transaction: ChainTransaction, signature: str, finality: Finality) -> list[Event]:
    """The events in what there is of a transaction's log lines. Raises `DecodeError`."""
    try:
        payloads = event_data(transaction.logs, str(PROGRAM_ID))
    except LogsTruncated as cut:
        payloads = cut.payloads
    found = sourced_events(payloads, slot=transaction.slot, signature=signature, finality=finality)
    return [event for _, event in found]
