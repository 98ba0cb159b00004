"""Rebuilds events whose log lines were cut away, from the transactions that made them. Pure.

Another instruction of a transaction may fill the room for log lines (10,000 bytes), on purpose. The program's
instructions are still there, each makes one event, and most of what is in it follows from them, the clock and the
accounts (`events.chain.rebuilding`). A rebuilt event is *proven*: the hash of its bytes, or of those that follow from
it, is what the next event holds as its previous hash, or what the account holds. What is not proven is not used.

Of two transactions of a slot with the same instruction, it is the block alone that tells which one made which event
(`Case.places`); the events are the same.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256

import msgspec

from contract.accounts import Account, Escrow, Scope
from contract.client import decode_event
from contract.errors import DecodeError
from events.catalogue import ChainEvent, ChainSource, Event, Finality
from events.chain.decode import catalogue_event
from events.chain.reader import ChainTransaction, Invocation
from events.chain.rebuilding import event_bytes, recipe_for
from events.chain.rebuilding.known import BalanceEvent, Known
from events.chain.rebuilding.recipe import Recipe, Situation
from events.chain.rebuilding.running import RunningBalances, Told
from events.chain.rebuilding.steps import Step, Transfer, steps_in, transfers_in
from events.chain.standing import Cursor, cursor_at

MAX_CANDIDATES = 5_000
CLOCK_OFFSETS_SECONDS = (0, 1, -1, 2, -2)
"""The block's time is the chain's clock in it; some nodes estimate it."""
MAX_BALANCES = 48

Found = tuple[ChainSource, Event]


class _Pass(msgspec.Struct, frozen=True):
    """What is tried: these clocks, and so many balances of an escrow, at the first event that tells one and at later
    ones. They multiply with one another, and with the orders in a slot.
    """

    offsets_seconds: tuple[int, ...]
    max_first_balances: int
    max_later_balances: int


_PASSES = (
    _Pass(CLOCK_OFFSETS_SECONDS[:1], 1, 1),
    _Pass(CLOCK_OFFSETS_SECONDS[:1], MAX_BALANCES, 1),
    _Pass(CLOCK_OFFSETS_SECONDS, MAX_BALANCES, MAX_BALANCES),
)


class Truncated(msgspec.Struct, frozen=True):
    """A transaction whose log lines are not whole, and the sequences of the scope's events in what there is of them."""

    signature: str
    transaction: ChainTransaction
    visible: tuple[int, ...] = ()


class Call(msgspec.Struct, frozen=True):
    """An instruction that made an event of the scope, and which of the program's in the transaction it is (from 0),
    which is which of the transaction's events that is.
    """

    index: int
    step: Step
    recipe: Recipe


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is known where an event is missing.

    `hashes` has, by sequence, what proves an event: the hash that its successor holds, or the account. `visible` are
    the sequences of events that are to see, and need not be rebuilt. `known` is what the scope's events up to the gap
    tell, `present` accounts as they are now, by address, `told` events that tell balances, `recalled` such events of
    the log, and `past` what was done before with accounts, the latest first. `places` are those of transactions in
    their blocks, by signature, as far as they are known, and `beside` are transactions whose log lines are not whole
    either, and which do not make any of the missing events.
    """

    scope: str
    account: Scope
    hashes: Mapping[int, bytes]
    visible: frozenset[int] = frozenset()
    known: Known
    present: Mapping[str, Account]
    finality: Finality
    told: Sequence[Told] = ()
    recalled: Sequence[Told] = ()
    past: Mapping[str, Sequence[Invocation]] = {}
    places: Mapping[str, int] = {}
    beside: Mapping[str, ChainTransaction] = {}


class _Exhausted(Exception):
    """More candidates were tried than are allowed."""


def addresses_worth_reading(truncated: Sequence[Truncated], scope: str, *, past: bool = False) -> set[str]:
    """The accounts whose state, or past, is worth reading to rebuild the events of these transactions."""
    return {
        call.step.invocation.accounts[place]
        for one in truncated
        for call in calls_in(one.transaction, scope)
        for place in (call.recipe.past if past else call.recipe.present)
        if place < len(call.step.invocation.accounts)
    }


def calls_in(transaction: ChainTransaction, scope: str) -> list[Call]:
    """The instructions that made events of the scope, in the order of execution, which is that of the events."""
    return [
        Call(index, step, recipe)
        for index, step in enumerate(steps_in(transaction))
        if (recipe := recipe_for(step.invocation, scope)) is not None
    ]


def event_count(one: Truncated, scope: str) -> int:
    """How many events of the scope a transaction has made; where that is not known, how many there are to see."""
    return max(len(one.visible), len(calls_in(one.transaction, scope)))


def recover(cursor: Cursor, truncated: Sequence[Truncated], case: Case) -> list[Found]:
    """The events that follow from `cursor` out of transactions, as far as they are proven; nothing where none are.

    None of `truncated` come before the cursor's in the chain as far as that is known. Others of its slot may be in the
    log already, and are tried without.
    """
    return _Search(case, cursor, truncated).run()


class _Part(msgspec.Struct, frozen=True):
    """What of a transaction is still to come: the calls whose events are not visible, after the last one that is.

    An optional one may be in the log already, or its first calls. A timed one needs the clock. `place` is -1 where it
    is not known.
    """

    one: Truncated
    place: int
    steps: tuple[Step, ...]
    transfers: tuple[Transfer, ...]
    calls: tuple[Call, ...]
    after: int | None
    optional: bool
    is_timed: bool

    @property
    def when(self) -> tuple[int, int]:
        """Its slot and its place there."""
        return self.one.transaction.slot, self.place


_Branch = Generator["_Branch", bool, bool]
"""A branch of the search: yields those that begin at it, and returns whether all that can be was found."""


def _explore(branch: _Branch) -> bool:
    """Run a branch, and those that begin at it, without recursion: they are as deep as a block is full of events."""
    branches: list[_Branch] = [branch]
    answer: bool | None = None
    while branches:
        try:
            begun = next(branches[-1]) if answer is None else branches[-1].send(answer)
        except StopIteration as end:
            branches.pop()
            answer = end.value
        else:
            branches.append(begun)
            answer = None
    return bool(answer)


class _Search:
    """Depth first: which transaction comes next, what its clock was, and which candidate each of its events is."""

    def __init__(self, case: Case, cursor: Cursor, truncated: Sequence[Truncated]) -> None:
        self._case = case
        self._cursor = cursor
        self._truncated = truncated
        self._tried = 0
        self._best: list[Found] = []
        self._amounts: dict[str, tuple[int, ...]] = {}
        self._running = self._balances(truncated)
        for one in truncated:
            for address, amounts in one.transaction.token_amounts.items():
                self._amounts[address] = (*self._amounts.get(address, ()), amounts.before, amounts.after)
        self._pass = _PASSES[0]

    def run(self) -> list[Found]:
        parts = [part for one in self._truncated if (part := self._part(one)) is not None]
        for self._pass in _PASSES:
            self._tried = 0
            with suppress(_Exhausted):
                if _explore(self._next_transaction(self._cursor, self._case.known, tuple(parts), [])):
                    break
        return self._best

    def _part(self, one: Truncated) -> _Part | None:
        transaction, cursor = one.transaction, self._cursor
        calls = calls_in(transaction, self._case.scope)[len(one.visible) :]
        after = one.visible[-1] if one.visible else None
        place = self._case.places.get(one.signature, -1)
        if one.signature == cursor.signature:
            calls = [call for call in calls if call.index > cursor.index]
            after, optional = max(cursor.sequence, after or 0), False
        else:
            reached = self._case.places.get(cursor.signature)
            is_later = transaction.slot > cursor.slot or (
                transaction.slot == cursor.slot and reached is not None and place > reached
            )
            optional = not is_later and after != cursor.sequence
        is_timed = any(call.recipe.is_timed for call in calls)
        if not calls or (is_timed and transaction.block_time is None):
            return None
        return _Part(
            one=one,
            place=place,
            steps=steps_in(transaction),
            transfers=transfers_in(transaction),
            calls=tuple(calls),
            after=after,
            optional=optional,
            is_timed=is_timed,
        )

    def _balances(self, truncated: Sequence[Truncated]) -> RunningBalances:
        case = self._case
        accounts = {**case.present, case.scope: case.account}
        return RunningBalances(
            {**case.beside, **{one.signature: one.transaction for one in truncated}},
            (*case.recalled, *case.told),
            case.places,
            {address: one.balance for address, one in accounts.items() if isinstance(one, Escrow)},
        )

    def _next_transaction(
        self, cursor: Cursor, known: Known, parts: tuple[_Part, ...], found: list[Found]
    ) -> _Branch:
        required = [part for part in parts if not part.optional]
        if cursor.sequence + 1 in self._case.visible:
            return True
        if not required and found and cursor.sequence in self._case.hashes:
            return True
        first = min((part.when for part in required), default=(0, 0))
        begun = [part for part in parts if part.after == cursor.sequence]
        for part in begun or [part for part in parts if part.after is None]:
            # in a slot whose order is not known, each may be the next
            if not part.optional and part.when > first and (part.when[0] > first[0] or first[1] >= 0):
                continue
            rest = tuple(other for other in parts if other is not part)
            for skipped in range(len(part.calls) if part.optional else 1):
                for now in self._clocks(part):
                    if (yield self._next_event(cursor, known, part, part.calls[skipped:], now, rest, found)):
                        return True
        return False

    def _clocks(self, part: _Part) -> tuple[int, ...]:
        """What the chain's clock may have been."""
        if not part.is_timed or part.one.transaction.block_time is None:
            return (0,)
        return tuple(part.one.transaction.block_time + offset for offset in self._pass.offsets_seconds)

    def _next_event(
        self,
        cursor: Cursor,
        known: Known,
        part: _Part,
        calls: Sequence[Call],
        now: int,
        rest: tuple[_Part, ...],
        found: list[Found],
    ) -> _Branch:
        if not calls:
            known = known.past(part.steps, self._case.scope)
            return (yield self._next_transaction(cursor, known, rest, found))
        if cursor.sequence + 1 in self._case.visible:
            # it was made by another transaction
            return False
        call, *others = calls
        one = part.one
        proof = self._case.hashes.get(cursor.sequence + 1)
        for data in self._candidates(call, part, cursor, known, now, found):
            if proof is not None and proof != sha256(data).digest():
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
            after = cursor_at(source, event)
            if (yield self._next_event(after, known.after([event]), part, others, now, rest, longer)):
                return True
        return False

    def _candidates(
        self, call: Call, part: _Part, cursor: Cursor, known: Known, now: int, found: Sequence[Found]
    ) -> Iterator[bytes]:
        case, trying = self._case, self._pass
        is_told = any(isinstance(event, BalanceEvent) for _, event in found)
        situation = Situation(
            scope=case.scope,
            signature=part.one.signature,
            steps=part.steps,
            index=call.index,
            transfers=part.transfers,
            token_amounts=part.one.transaction.token_amounts,
            other_amounts=self._amounts,
            known=known,
            account=case.account,
            present=case.present,
            past=case.past,
            told=case.told,
            running=self._running,
            now=now,
            max_balances=trying.max_later_balances if is_told else trying.max_first_balances,
        )
        try:
            for fields in call.recipe.candidates(situation):
                self._tried += 1
                if self._tried > MAX_CANDIDATES:
                    raise _Exhausted
                yield event_bytes(call.recipe, case.scope, cursor.sequence + 1, cursor.hash, fields)
        except (DecodeError, ValueError, OverflowError, IndexError):
            # an instruction that the program cannot have accepted, or an account that does not fit it
            return
