"""An escrow's running balance over transactions whose log lines are not whole."""

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from events.catalogue import ChainSource, EscrowDeposited, EscrowSynced, Finality, WithdrawalClaimed
from events.chain.reader import ChainTransaction, Invocation, TokenAmounts
from events.chain.rebuilding.known import BalanceEvent
from events.chain.rebuilding.running import Balances, RunningBalances, Told
from events.chain.rebuilding.steps import discriminator

ESCROW, VAULT, CLIENT = "escrow", "vault", "client"
TRANSFER = b"\3"


def call(name: str, *accounts: str, arguments: bytes = b"") -> Invocation:
    return Invocation(str(PROGRAM_ID), accounts, discriminator("global", name) + arguments)


def transfer(source: str, destination: str, amount: int, height: int) -> Invocation:
    data = TRANSFER + amount.to_bytes(8, "little")
    return Invocation(str(TOKEN_PROGRAM_ID), (source, destination, CLIENT), data, height)


class Bank:
    """An escrow and its vault, to which things happen, and what the truth about them is."""

    def __init__(self) -> None:
        self.balance = self.held = 0
        self.transactions: dict[str, ChainTransaction] = {}
        self.truth: dict[tuple[str, int], tuple[int, int]] = {}
        self.events: list[Told] = []

    def act(self, slot: int, doings: Sequence[tuple[str, int]]) -> str:
        """One transaction: deposits, claims, syncs, and tokens sent, each with an amount."""
        signature, held = f"signature {len(self.transactions)}", self.held
        instructions: list[Invocation] = []
        index = 0
        for kind, amount in doings:
            before = self.balance
            if kind == "send":
                instructions.append(transfer(CLIENT, VAULT, amount, 1))
                self.held += amount
                continue
            if kind == "deposit":
                data = amount.to_bytes(8, "little")
                made = [
                    call("deposit_escrow", CLIENT, ESCROW, VAULT, arguments=data),
                    transfer(CLIENT, VAULT, amount, 2),
                ]
                self.balance, self.held = self.balance + amount, self.held + amount
            elif kind == "claim":
                amount = min(amount, self.balance)
                made = [call("claim_withdrawal", CLIENT, ESCROW, VAULT), transfer(VAULT, CLIENT, amount, 2)]
                self.balance, self.held = self.balance - amount, self.held - amount
            else:
                made = [call("sync_escrow", ESCROW, VAULT)]
                amount, self.balance = self.held - self.balance, self.held
            instructions += made
            self.truth[signature, index] = before, self.balance
            source = ChainSource(slot, signature, index, Finality.CONFIRMED)
            self.events.append((source, event(kind, amount, self.balance)))
            index += 1
        self.transactions[signature] = ChainTransaction(
            slot, False, (), 5, tuple(instructions), {VAULT: TokenAmounts(held, self.held)}
        )
        return signature


def event(kind: str, amount: int, balance: int) -> BalanceEvent:
    header = {"scope": ESCROW, "sequence": 1, "previous_hash": bytes(32), "event_hash": bytes(32)}
    match kind:
        case "deposit":
            return EscrowDeposited(**header, depositor=CLIENT, amount=amount, balance=balance)
        case "claim":
            return WithdrawalClaimed(**header, amount=amount, balance=balance)
        case _:
            return EscrowSynced(**header, amount=amount, balance=balance)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_what_follows_from_what_is_told_is_the_truth(seed: int, told: float):
    randomness, bank, slot = random.Random(seed), Bank(), 1
    for _ in range(randomness.randint(1, 8)):
        slot += randomness.random() < 0.5
        kinds = randomness.choices(["deposit", "claim", "sync", "send"], k=randomness.randint(1, 4))
        bank.act(slot, [(kind, randomness.randint(1, 9)) for kind in kinds])
    events = [one for one in bank.events if randomness.random() < told]
    places = {signature: place for place, signature in enumerate(bank.transactions)}
    running = RunningBalances(bank.transactions, events, places, {ESCROW: bank.balance})
    is_known, found = False, Balances()
    for (signature, index), (before, after) in bank.truth.items():
        found = running.at(ESCROW, signature, index)
        assert set(found.before) <= {before}
        assert set(found.after) <= {after}
        assert not found.is_guess
        if is_known:
            assert found.before
        is_known |= any((source.signature, source.index) == (signature, index) for source, _ in events)
    if bank.truth:
        # the last one is told by what there is now
        assert found.after == (bank.balance,)


def test_in_a_slot_whose_order_is_not_known_it_may_be_either():
    bank = Bank()
    bank.act(1, [("deposit", 100)])
    first, second = bank.act(2, [("deposit", 3)]), bank.act(2, [("deposit", 5)])
    running = RunningBalances(bank.transactions, bank.events[:1], {}, {})
    for signature, other in ((first, 5), (second, 3)):
        found = running.at(ESCROW, signature, 0)
        assert found.is_guess
        assert {100, 100 + other} <= set(found.before)


def test_of_what_nothing_is_told_nothing_is_known():
    bank = Bank()
    signature = bank.act(1, [("deposit", 100)])
    assert RunningBalances(bank.transactions, [], {}, {}).at(ESCROW, signature, 0).before == ()
    assert RunningBalances(bank.transactions, [], {}, {}).at("another", signature, 0) == Balances()
    created = ChainTransaction(0, False, (), 5, (call("create_escrow", CLIENT, "state", "provider", ESCROW),))
    running = RunningBalances({"first": created, **bank.transactions}, [], {}, {})
    assert running.at(ESCROW, signature, 0).before == (0,)
