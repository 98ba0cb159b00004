"""What a recipe for an event is, and what it may look at. Pure.

A recipe gives the candidates for the event's fields, in Borsh; which one is true, the hash tells
(`events.chain.recovery`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from contract.accounts import Account, Scope
from events.chain.borsh import BorshReader, BorshWriter
from events.chain.reader import Invocation, TokenAmounts
from events.chain.rebuilding.known import Known
from events.chain.rebuilding.running import RunningBalances, Told
from events.chain.rebuilding.steps import DISCRIMINATOR_BYTES, Step, Transfer, is_call_of


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """The instruction is the one of `steps` (the program's in the transaction) at `index`; its event is of `scope`.

    `signature` is the transaction's, `transfers` are all of those in it, `token_amounts` what its token accounts held
    before and after it, where the node tells, and `other_amounts` what some held before and after other transactions.
    `known` is what earlier events of the scope tell, `account` the scope as it is now, `present` other accounts as they
    are now, `past` instructions that named an account before, `told` events of any scope that tell an escrow's balance,
    and `running` what follows from these. `now` is the chain's clock (seconds since 1970). Of the balances that are
    possible, the likeliest `max_balances` are worth candidates.
    """

    scope: str
    signature: str
    steps: tuple[Step, ...]
    index: int
    transfers: tuple[Transfer, ...]
    token_amounts: Mapping[str, TokenAmounts]
    other_amounts: Mapping[str, Sequence[int]]
    known: Known
    account: Scope
    present: Mapping[str, Account]
    past: Mapping[str, Sequence[Invocation]]
    told: Sequence[Told]
    running: RunningBalances
    now: int
    max_balances: int

    @property
    def step(self) -> Step:
        """The instruction."""
        return self.steps[self.index]

    @property
    def accounts(self) -> tuple[str, ...]:
        """The instruction's accounts."""
        return self.step.invocation.accounts

    def arguments(self) -> BorshReader:
        """The instruction's arguments."""
        return BorshReader(self.step.invocation.data[DISCRIMINATOR_BYTES:])

    def calls_before(self, name: str, address: str, place: int) -> Iterator[Invocation]:
        """The instructions of this name with an account at this place, the latest first as far as is known."""
        earlier = [step.invocation for step in self.steps[: self.index]]
        for call in (*reversed(earlier), *self.past.get(address, ())):
            if is_call_of(call, name, address, place):
                yield call


Candidates = Iterator[BorshWriter]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How an instruction makes an event: the event's name, the place of the scope among the accounts, and the
    candidates for its fields; `present` and `past` are places of accounts whose state, or history, is worth reading,
    and `is_timed` tells that a field depends on the clock.
    """

    event: str
    scope: int
    candidates: Callable[[Situation], Candidates]
    present: tuple[int, ...] = ()
    past: tuple[int, ...] = ()
    is_timed: bool = False
