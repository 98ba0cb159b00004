"""By how much an instruction of the program changes an escrow's recorded balance, and what its vault holds. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, takewhile

from contract.errors import DecodeError
from events.chain.borsh import BorshReader
from events.chain.reader import TokenAmounts
from events.chain.rebuilding.steps import DISCRIMINATOR_BYTES, Step, Transfer, is_call_of

_TELLING = (("create_escrow", 3), ("deposit_escrow", 1), ("claim_withdrawal", 1), ("sync_escrow", 0))
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


def sums(effects: Iterable[int | None]) -> Iterator[int]:
    """0, and what more and more of the effects come to, as far as they are known."""
    known = takewhile(lambda one: one is not None, effects)
    return accumulate((one or 0 for one in known), initial=0)


def tells_balance(step: Step, scope: str, escrow: str) -> bool:
    """Whether an instruction's event is of this scope, an escrow or a region, and tells the escrow's balance."""
    call = step.invocation
    if scope == escrow:
        return any(is_call_of(call, name, escrow, place) for name, place in _TELLING)
    return is_call_of(call, "update_usage", escrow, 5) and call.accounts[3] == scope


def change_since_told(steps: Sequence[Step], scope: str, escrow: str) -> int:
    """By how much a transaction has changed the balance since an event of the scope has told it, or from its beginning
    on where none has; as far as that is known.
    """
    last = max((place for place, step in enumerate(steps) if tells_balance(step, scope, escrow)), default=-1)
    return list(sums(effect(step, escrow) for step in steps[last + 1 :]))[-1]


def vault_amounts_at(
    place: int, vault: str, amounts: TokenAmounts | None, transfers: Sequence[Transfer]
) -> list[int]:
    """What the vault held at a place among the transaction's instructions: by what it held before the transaction, and
    by what it held after it. The two differ only where tokens came or went otherwise than by transfers.
    """
    if amounts is None:
        return []
    moves = [
        (one.place, one.amount * ((one.destination == vault) - (one.source == vault))) for one in transfers
    ]
    until = sum(amount for moved_at, amount in moves if moved_at < place)
    rest = sum(amount for moved_at, amount in moves if moved_at > place)
    return list(dict.fromkeys((amounts.before + until, amounts.after - rest)))
