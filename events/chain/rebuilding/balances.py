"""What an escrow was left with by an instruction: the few amounts that it can have been. Pure.

An escrow's recorded balance is told by events of two scopes, its own and that of the regions that charge it, by its
account as it is now, and by what its vault held before and after a transaction (which may be more: tokens that were
sent there and are not recorded yet). From each of these it is as far as the instructions in between, in the same
transaction, have changed it.
"""

from collections.abc import Iterable

from contract.accounts import Escrow
from events.chain.rebuilding.effects import effect, sums, tells_balance, vault_amounts_at
from events.chain.rebuilding.known import balance_after, balance_before, escrow_of
from events.chain.rebuilding.recipe import Situation

MAX_U64 = 2**64 - 1
MAX_BALANCES_TOLD = 64


def balances_before(at: Situation, escrow: str, vault: str) -> list[int]:
    """What the escrow may have had before the instruction, the likeliest first."""
    if (had := _since_told(at, escrow)) is not None:
        return _amounts(at, [had])
    effects = [effect(step, escrow) for step in at.steps]
    # what earlier events tell it had when the transaction began
    until = list(sums(reversed(effects[: at.index])))[::-1]
    rest = list(sums(effects[at.index :]))
    told = _told(at, escrow, vault)
    guesses = [
        *(b + change for b in told for change in until),
        *(b - change for b in told for change in rest),
    ]
    running = at.running.at(escrow, at.signature, at.index)
    return _amounts(at, [*guesses, *running.before] if running.is_guess else [*running.before, *guesses])


def balances_after(at: Situation, escrow: str, vault: str, change: int | None = None) -> list[int]:
    """What it may have had after the instruction, which has changed it by `change` (None: that is not known)."""
    if change is not None:
        return _amounts(at, (before + change for before in balances_before(at, escrow, vault)))
    effects = [effect(step, escrow) for step in at.steps[at.index + 1 :]]
    guesses = [b - later for b in _told(at, escrow, vault) for later in sums(effects)]
    running = at.running.at(escrow, at.signature, at.index)
    return _amounts(at, [*guesses, *running.after] if running.is_guess else [*running.after, *guesses])


def vault_amounts(at: Situation, vault: str) -> list[int]:
    """What the vault held when the instruction came."""
    return _amounts(at, vault_amounts_at(at.step.place, vault, at.token_amounts.get(vault), at.transfers))


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
        if tells_balance(step, at.scope, escrow):
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
    for _, event in reversed(at.told):
        if escrow_of(event) == escrow:
            told += [balance_after(event), balance_before(event)]
        if len(told) >= MAX_BALANCES_TOLD:
            break
    return list(dict.fromkeys(told))[:MAX_BALANCES_TOLD]


def _amounts(at: Situation, values: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(value for value in values if 0 <= value <= MAX_U64))[: at.max_balances]
