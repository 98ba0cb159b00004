"""Recipes for the events in the scope of an Escrow. Pure."""

from collections.abc import Mapping

from contract.accounts import State
from events.chain.borsh import BorshWriter
from events.chain.rebuilding.balances import balances_after, balances_before, sent_before, vault_amounts
from events.chain.rebuilding.recipe import Candidates, Recipe, Situation


def _create_escrow(at: Situation) -> Candidates:
    client, _, provider, _, vault, *_ = at.accounts
    yield BorshWriter().address(provider).address(client).address(vault)


def _deposit_escrow(at: Situation) -> Candidates:
    depositor, escrow, vault, *_ = at.accounts
    amount = at.arguments().u64()
    for balance in balances_after(at, escrow, vault, amount):
        yield BorshWriter().address(depositor).u64(amount).u64(balance)


def _withdraw_escrow(at: Situation) -> Candidates:
    amount = at.arguments().u64()
    marketplace = at.present.get(at.accounts[1])
    if amount == 0:
        yield BorshWriter().u64(0).i64(0)
    elif isinstance(marketplace, State):
        # the Marketplace's notice never changes
        yield BorshWriter().u64(amount).i64(at.now + marketplace.notice_seconds)


def _claim_withdrawal(at: Situation) -> Candidates:
    _, escrow, vault, *_ = at.accounts
    amount = at.step.moved(source=vault)
    for balance in balances_after(at, escrow, vault, -amount):
        yield BorshWriter().u64(amount).u64(balance)


def _sync_escrow(at: Situation) -> Candidates:
    """The balance is what the vault held; what was recorded is what that was more than before."""
    escrow, vault = at.accounts
    before = balances_before(at, escrow, vault)
    sent = sent_before(at, vault)
    after = list(dict.fromkeys((*vault_amounts(at, vault), *balances_after(at, escrow, vault))))
    pairs = [(had + sent, sent) for had in before] if sent else []
    pairs += [(has, has - had) for has in after for had in before]
    for balance, amount in dict.fromkeys(pairs):
        if amount > 0:
            yield BorshWriter().u64(amount).u64(balance)


RECIPES: Mapping[str, Recipe] = {
    "create_escrow": Recipe(event="EscrowCreated", scope=3, candidates=_create_escrow),
    "deposit_escrow": Recipe(event="EscrowDeposited", scope=1, candidates=_deposit_escrow, past=(1,)),
    "withdraw_escrow": Recipe(
        event="WithdrawalRequested", scope=2, candidates=_withdraw_escrow, present=(1,), is_timed=True
    ),
    "claim_withdrawal": Recipe(event="WithdrawalClaimed", scope=1, candidates=_claim_withdrawal, past=(1,)),
    "sync_escrow": Recipe(event="EscrowSynced", scope=0, candidates=_sync_escrow, past=(0,)),
}
