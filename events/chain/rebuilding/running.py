"""An escrow's running balance over all transactions that are known, of whatever scope their events are. Pure.

The recorded balance is told by events, and a sync makes it what the vault holds. Between two such times it changes by
what the instructions on the escrow tell. So where all of these are known it is known at each of them: from the last
time that it was told on, and from the next one back. Where the order in a slot is not known, it is what it can have
been after one transaction of the slot or another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from events.catalogue import ChainSource
from events.chain.reader import ChainTransaction
from events.chain.rebuilding.effects import effect, vault_amounts_at
from events.chain.rebuilding.known import BalanceEvent, balance_after, balance_before, escrow_of
from events.chain.rebuilding.steps import Step, is_call_of, steps_in, transfers_in

Told = tuple[ChainSource, BalanceEvent]


class Balances(msgspec.Struct, frozen=True):
    """What an escrow may have had before an instruction and after it, the likeliest first; a guess among others where
    not even the order in the slot is known.
    """

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    is_guess: bool = True


class _Posting(msgspec.Struct, frozen=True):
    """What an instruction found the escrow with, left it with, and changed its balance by, where that is known."""

    before: int | None = None
    after: int | None = None
    change: int | None = None


class _Passage(msgspec.Struct):
    """A transaction's postings, by the index of the instruction among the program's, and where in the chain it is."""

    signature: str
    slot: int
    place: int | None
    postings: dict[int, _Posting] = {}

    def in_order(self) -> list[tuple[int, _Posting]]:
        return sorted(self.postings.items(), key=lambda indexed: indexed[0])

    def onwards(self, balance: int | None) -> list[int | None]:
        """From the balance before it: the one before each posting, and after the last."""
        found: list[int | None] = []
        for _, posting in self.in_order():
            if posting.before is not None:
                balance = posting.before
            found.append(balance)
            balance = posting.after if posting.after is not None else _sum(balance, posting.change)
        return [*found, balance]

    def backwards(self, balance: int | None) -> list[int | None]:
        """The same from the balance after it."""
        found = [balance]
        for _, posting in reversed(self.in_order()):
            if posting.after is not None:
                found[-1] = balance = posting.after
            if posting.before is not None:
                balance = posting.before
            else:
                balance = _sum(balance, None if posting.change is None else -posting.change)
            found.append(balance)
        return found[::-1]


class RunningBalances:
    """`transactions`, by signature, are those whose log lines are not whole, `told` the events that are known, `places`
    those of transactions in their blocks, and `present` what escrows have now.
    """

    def __init__(
        self,
        transactions: Mapping[str, ChainTransaction],
        told: Sequence[Told],
        places: Mapping[str, int],
        present: Mapping[str, int],
    ) -> None:
        self._transactions = transactions
        self._told = told
        self._places = places
        self._present = present
        self._escrows: dict[str, dict[tuple[str, int], Balances]] = {}

    def at(self, escrow: str, signature: str, index: int) -> Balances:
        """The escrow's at the instruction with this index among the program's in a transaction."""
        if escrow not in self._escrows:
            self._escrows[escrow] = self._follow(escrow)
        return self._escrows[escrow].get((signature, index), Balances())

    def _follow(self, escrow: str) -> dict[tuple[str, int], Balances]:
        passages = self._passages(escrow)
        runs: dict[str, list[list[int | None]]] = {one.signature: [] for one in passages}
        starts: dict[int, int | None] = {}
        balance: int | None = None
        for one in passages:
            starts.setdefault(one.slot, balance)
            runs[one.signature].append(run := one.onwards(balance))
            balance = run[-1]
        balance = self._present.get(escrow)
        for one in reversed(passages):
            runs[one.signature].append(run := one.backwards(balance))
            balance = run[0]
        found: dict[tuple[str, int], Balances] = {}
        for slot, group in groupby(passages, key=lambda one: one.slot):
            together = list(group)
            is_guess = len(together) > 1 and any(one.place is None for one in together)
            if is_guess:
                for one in together:
                    others = [other for other in together if other is not one]
                    runs[one.signature] += [one.onwards(start) for start in _along(others, starts[slot])]
            for one in together:
                for number, (index, _) in enumerate(one.in_order()):
                    found[one.signature, index] = Balances(
                        _distinct(run[number] for run in runs[one.signature]),
                        _distinct(run[number + 1] for run in runs[one.signature]),
                        is_guess,
                    )
        return found

    def _passages(self, escrow: str) -> list[_Passage]:
        """The transactions that did something to the escrow, in order as far as that is known."""
        passages: dict[str, _Passage] = {}
        for signature, transaction in self._transactions.items():
            steps = steps_in(transaction)
            if any(escrow in step.invocation.accounts for step in steps):
                passage = self._passage(signature, transaction.slot)
                passage.postings = {
                    index: _posting(step, escrow, transaction) for index, step in enumerate(steps)
                }
                passages[signature] = passage
        for source, event in self._told:
            if escrow_of(event) == escrow:
                passage = passages.setdefault(source.signature, self._passage(source.signature, source.slot))
                passage.postings[source.index] = _Posting(balance_before(event), balance_after(event))
        return sorted(passages.values(), key=lambda one: (one.slot, -1 if one.place is None else one.place))

    def _passage(self, signature: str, slot: int) -> _Passage:
        return _Passage(signature, slot, self._places.get(signature))


def _along(passages: Sequence[_Passage], balance: int | None) -> Iterator[int | None]:
    """A balance, what it is after each alone, and after more and more of them."""
    yield balance
    yield from (one.onwards(balance)[-1] for one in passages)
    for one in passages:
        balance = one.onwards(balance)[-1]
        yield balance


def _posting(step: Step, escrow: str, transaction: ChainTransaction) -> _Posting:
    if is_call_of(step.invocation, "create_escrow", escrow, 3):
        return _Posting(0, 0)
    if is_call_of(step.invocation, "sync_escrow", escrow, 0) and len(step.invocation.accounts) > 1:
        vault = step.invocation.accounts[1]
        amounts = vault_amounts_at(
            step.place, vault, transaction.token_amounts.get(vault), transfers_in(transaction)
        )
        return _Posting(after=amounts[0] if len(amounts) == 1 else None)
    return _Posting(change=effect(step, escrow))


def _sum(balance: int | None, change: int | None) -> int | None:
    return None if balance is None or change is None else balance + change


def _distinct(balances: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(balance for balance in balances if balance is not None))
