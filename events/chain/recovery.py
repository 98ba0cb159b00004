"""Rebuilds events whose log lines were cut away, from the transactions that made them. Pure.

Another instruction of a transaction may fill the room for log lines (10,000 bytes), on purpose. The program's
instructions are still there, each makes one event, and most of what is in it follows from them, the clock and the
accounts (`events.chain.rebuilding`). A rebuilt event is *proven*: the hash of its bytes, or of those that follow from
it, is what the next event holds as its previous hash, or what the account holds. What is not proven is not used.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256

import msgspec

from contract.accounts import Account, Region
from contract.addresses import PROGRAM_ID
from contract.client import decode_event
from contract.errors import DecodeError
from events.catalogue import ChainEvent, ChainSource, Event, Finality
from events.chain.decode import catalogue_event
from events.chain.reader import ChainTransaction, Invocation
from events.chain.rebuilding import Known, Recipe, Situation, event_bytes, recipe_for
from events.chain.standing import Cursor

MAX_CANDIDATES = 5_000
CLOCK_OFFSETS_SECONDS = (0, 1, -1, 2, -2)
"""The block's time is the chain's clock in it; some nodes estimate it."""

Found = tuple[ChainSource, Event]


class Truncated(msgspec.Struct, frozen=True):
    """A transaction whose log lines are not whole, and the sequences of the scope's events in what there is of them."""

    signature: str
    transaction: ChainTransaction
    visible: tuple[int, ...] = ()


class Call(msgspec.Struct, frozen=True):
    """An instruction that made an event of the region, and which of the transaction's events that is (from 0)."""

    index: int
    invocation: Invocation
    recipe: Recipe


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is known where an event is missing.

    `hashes` has, by sequence, what proves an event: the hash that its successor holds, or the account. `known` is what
    the region's events up to the gap tell, `present` accounts as they are now, by address.
    """

    scope: str
    region: Region
    hashes: Mapping[int, bytes]
    known: Known
    present: Mapping[str, Account]
    finality: Finality


class _Exhausted(Exception):
    """More candidates were tried than are allowed."""


def clue_addresses(truncated: Sequence[Truncated], scope: str) -> set[str]:
    """The accounts that are worth reading to rebuild the events of these transactions."""
    return {
        call.invocation.accounts[place]
        for one in truncated
        for call in calls_in(one.transaction, scope)
        for place in call.recipe.clues
        if place < len(call.invocation.accounts)
    }


def calls_in(transaction: ChainTransaction, scope: str) -> list[Call]:
    """The instructions that made events of the region, in the order of execution, which is that of the events."""
    ours = [one for one in transaction.instructions or () if one.program == str(PROGRAM_ID)]
    return [
        Call(index, one, recipe)
        for index, one in enumerate(ours)
        if (recipe := recipe_for(one, scope)) is not None
    ]


def recover(cursor: Cursor, truncated: Sequence[Truncated], case: Case) -> list[Found]:
    """The events that follow from `cursor` out of transactions, as far as they are proven; nothing where none are.

    Transactions of the cursor's slot may be in the log already, and are tried without.
    """
    return _Search(case, cursor).run(truncated)


class _Part(msgspec.Struct, frozen=True):
    """What of a transaction is still to come: the calls whose events are not visible, after the last one that is.

    An optional one may be in the log already, or its first calls.
    """

    one: Truncated
    calls: tuple[Call, ...]
    after: int | None
    optional: bool


class _Search:
    """Depth first: which transaction comes next, what its clock was, and which candidate each of its events is."""

    def __init__(self, case: Case, cursor: Cursor) -> None:
        self._case = case
        self._cursor = cursor
        self._tried = 0
        self._best: list[Found] = []

    def run(self, truncated: Sequence[Truncated]) -> list[Found]:
        parts = tuple(part for one in truncated if (part := self._part(one)) is not None)
        with suppress(_Exhausted):
            self._next_transaction(self._cursor, self._case.known, parts, [])
        return self._best

    def _part(self, one: Truncated) -> _Part | None:
        calls = calls_in(one.transaction, self._case.scope)[len(one.visible) :]
        if not calls or one.transaction.block_time is None:
            return None
        after = one.visible[-1] if one.visible else None
        optional = one.transaction.slot <= self._cursor.slot and after != self._cursor.sequence
        return _Part(one, tuple(calls), after, optional)

    def _next_transaction(
        self, cursor: Cursor, known: Known, parts: tuple[_Part, ...], found: list[Found]
    ) -> bool:
        """Returns whether all that can be was found."""
        required = [part for part in parts if not part.optional]
        if not required and found:
            return True
        first_slot = min((part.one.transaction.slot for part in required), default=0)
        begun = [part for part in parts if part.after == cursor.sequence]
        for part in begun or [part for part in parts if part.after is None]:
            if not part.optional and part.one.transaction.slot != first_slot:
                continue
            rest = tuple(other for other in parts if other is not part)
            for skipped in range(len(part.calls) if part.optional else 1):
                for offset in CLOCK_OFFSETS_SECONDS:
                    now = (part.one.transaction.block_time or 0) + offset
                    calls = part.calls[skipped:]
                    if self._next_event(cursor, known, part.one, calls, now, rest, found):
                        return True
        return False

    def _next_event(
        self,
        cursor: Cursor,
        known: Known,
        one: Truncated,
        calls: Sequence[Call],
        now: int,
        rest: tuple[_Part, ...],
        found: list[Found],
    ) -> bool:
        if not calls:
            return self._next_transaction(cursor, known, rest, found)
        call, *others = calls
        proof = self._case.hashes.get(cursor.sequence + 1)
        for data in self._candidates(call, cursor, known, now):
            event_hash = sha256(data).digest()
            if proof is not None and proof != event_hash:
                continue
            try:
                event = catalogue_event(decode_event(data))
            except DecodeError:
                continue
            assert isinstance(event, ChainEvent)
            source = ChainSource(one.transaction.slot, one.signature, call.index, self._case.finality)
            longer = [*found, (source, event)]
            if proof is not None and len(longer) > len(self._best):
                self._best = longer
            after = Cursor(event.sequence, event_hash, one.transaction.slot)
            if self._next_event(after, known.after(event), one, others, now, rest, longer):
                return True
        return False

    def _candidates(self, call: Call, cursor: Cursor, known: Known, now: int) -> Iterator[bytes]:
        case, invocation = self._case, call.invocation
        situation = Situation(invocation.accounts, invocation.data[8:], known, case.present, case.region, now)
        try:
            for fields in call.recipe.candidates(situation):
                self._tried += 1
                if self._tried > MAX_CANDIDATES:
                    raise _Exhausted
                yield event_bytes(call.recipe, case.scope, cursor.sequence + 1, cursor.hash, fields)
        except (DecodeError, ValueError, OverflowError, IndexError):
            # an instruction that the program cannot have accepted, or an account that does not fit it
            return
