"""Recipes for the events in the scope of a Provider. Pure."""

from collections.abc import Mapping

from contract.accounts import Provider, State
from events.chain.borsh import BorshWriter
from events.chain.rebuilding.recipe import Candidates, Recipe, Situation


def _create_provider(at: Situation) -> Candidates:
    owner, state, _, vault, *_ = at.accounts
    arguments = at.arguments()
    arguments.u8()
    arguments.u8()
    arguments.u64()
    name = arguments.bytes()
    deposits = [at.step.moved(destination=vault)]
    if isinstance(at.account, Provider):
        deposits.append(at.account.deposit)
    marketplace = at.present.get(state)
    if isinstance(marketplace, State):
        deposits.append(marketplace.deposit)
    for deposit in dict.fromkeys(deposits):
        yield BorshWriter().address(owner).address(vault).u64(deposit).bytes(name)


def _change_status(at: Situation) -> Candidates:
    yield BorshWriter().address(at.accounts[0])


def _close_provider(at: Situation) -> Candidates:
    owner, _, vault, *_ = at.accounts
    refunds = [at.step.moved(source=vault)]
    if (amounts := at.token_amounts.get(vault)) is not None:
        refunds.append(amounts.before)
    for refund in dict.fromkeys(refunds):
        yield BorshWriter().address(owner).u64(refund)


RECIPES: Mapping[str, Recipe] = {
    "create_provider": Recipe(event="ProviderCreated", scope=2, candidates=_create_provider, present=(1,)),
    "authorize_provider": Recipe(event="ProviderAuthorized", scope=2, candidates=_change_status),
    "revoke_provider": Recipe(event="ProviderRevoked", scope=2, candidates=_change_status),
    "close_provider": Recipe(event="ProviderClosed", scope=1, candidates=_close_provider),
}
