"""What an escrow was left with by an instruction: the few amounts that it can have been. Pure.

An escrow's recorded balance is told by events of two scopes, its own and that of the regions that charge it, by its
account as it is now, and by what its vault held before and after a transaction (which may be more: tokens that were
sent there and are not recorded yet). From each of these it is as far as the instructions in between, in the same
transaction, have changed it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from contract.accounts import Escrow
from contract.errors import DecodeError
from events.chain.borsh import BorshReader
from events.chain.rebuilding.known import balance_before, escrow_of
from events.chain.rebuilding.recipe import Situation
from events.chain.rebuilding.steps import DISCRIMINATOR_BYTES, Step, is_call_of

MAX_U64 = 2**64 - 1
MAX_BALANCES_TOLD = 64
_TELLING = (("deposit_escrow", 1), ("claim_withdrawal", 1), ("sync_escrow", 0))
"""The instructions whose event, of the escrow, tells its balance, and the escrow's place."""


def effect(step: Step, escrow: str) -> int | None:
    """By how much an instruction has changed an escrow's recorded balance; None where its vault alone tells."""
    call = step.invocation
    if is_call_of(call, "sync_escrow", escrow, 0):
        return None
    if is_call_of(call, "deposit_escrow", escrow, 1):
        try:
            return BorshReader(call.data[DISCRIMINATOR_BYTES:]).u64()
        except DecodeError:
            return None
    for name, place in (("claim_withdrawal", 1), ("update_usage", 5)):
        if is_call_of(call, name, escrow, place) and len(call.accounts) > place + 1:
            return -step.moved(source=call.accounts[place + 1])
    return 0


def change_after(steps: Sequence[Step], index: int, escrow: str) -> int:
    """By how much the instructions after the one at `index` have changed the balance, as far as is known."""
    return list(_sums(effect(step, escrow) for step in steps[index + 1 :]))[-1]


def balances_before(at: Situation, escrow: str, vault: str) -> list[int]:
    """What the escrow may have had before the instruction, the likeliest first."""
    if (had := _since_told(at, escrow)) is not None:
        return _amounts(at, [had])
    effects = [effect(step, escrow) for step in at.steps]
    # what earlier events tell it had when the transaction began
    until = list(_sums(reversed(effects[: at.index])))[::-1]
    rest = list(_sums(effects[at.index :]))
    told = _told(at, escrow, vault)
    return _amounts(
        at, [*(b + change for b in told for change in until), *(b - change for b in told for change in rest)]
    )


def balances_after(at: Situation, escrow: str, vault: str, change: int | None = None) -> list[int]:
    """What it may have had after the instruction, which has changed it by `change` (None: that is not known)."""
    if change is not None:
        return _amounts(at, (before + change for before in balances_before(at, escrow, vault)))
    effects = [effect(step, escrow) for step in at.steps[at.index + 1 :]]
    return _amounts(at, (b - later for b in _told(at, escrow, vault) for later in _sums(effects)))


def vault_amounts(at: Situation, vault: str) -> list[int]:
    """What the vault held when the instruction came."""
    amounts = at.token_amounts.get(vault)
    if amounts is None:
        return []
    place = at.step.place
    moves = [
        (one.place, one.amount * ((one.destination == vault) - (one.source == vault))) for one in at.transfers
    ]
    until = sum(amount for moved_at, amount in moves if moved_at < place)
    rest = sum(amount for moved_at, amount in moves if moved_at > place)
    return _amounts(at, [amounts.before + until, amounts.after - rest])


def sent_before(at: Situation, vault: str) -> int:
    """What was sent to the vault in this transaction, before the instruction, without the program."""
    own = {one.place for step in at.steps for one in step.transfers}
    return sum(
        one.amount
        for one in at.transfers
        if one.destination == vault and one.place < at.step.place and one.place not in own
    )


def _since_told(at: Situation, escrow: str) -> int | None:
    """The one amount that it can have been, after an event of the same transaction and scope that tells it."""
    change = 0
    for step in reversed(at.steps[: at.index]):
        call = step.invocation
        if at.scope in call.accounts and (
            is_call_of(call, "update_usage", escrow, 5)
            if at.scope != escrow
            else any(is_call_of(call, name, escrow, place) for name, place in _TELLING)
        ):
            told = at.known.balances.get(escrow)
            return None if told is None else told + change
        changed = effect(step, escrow)
        if changed is None:
            return None
        change += changed
    return None


def _told(at: Situation, escrow: str, vault: str) -> list[int]:
    """What it is known to have had at some time."""
    known = at.known.balances.get(escrow)
    told = [0 if known is None else known]
    if (amounts := at.token_amounts.get(vault)) is not None:
        told += [amounts.after, amounts.before]
    told += at.other_amounts.get(vault, ())
    account = at.account if isinstance(at.account, Escrow) else at.present.get(escrow)
    if isinstance(account, Escrow):
        told.append(account.balance)
    for event in reversed(at.said):
        if escrow_of(event) == escrow:
            told += [event.balance, balance_before(event)]
    charged = list(accumulate(at.charges))
    told += [balance - charge for balance in dict.fromkeys(told) for charge in charged]
    return list(dict.fromkeys(told))[:MAX_BALANCES_TOLD]


def _sums(effects: Iterable[int | None]) -> Iterator[int]:
    """0, and what more and more of the effects come to, as far as they are known."""
    total = 0
    yield total
    for one in effects:
        if one is None:
            return
        total += one
        yield total


def _amounts(at: Situation, values: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(value for value in values if 0 <= value <= MAX_U64))[: at.max_balances]
