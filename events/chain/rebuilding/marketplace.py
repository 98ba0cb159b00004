"""Recipes for the events in the scope of the State. Pure."""

from collections.abc import Mapping

from solders.pubkey import Pubkey

from contract.accounts import Authorizer
from contract.addresses import authorizer_address
from events.chain.borsh import BorshReader, BorshWriter
from events.chain.rebuilding.recipe import Candidates, Recipe, Situation
from events.chain.rebuilding.steps import DISCRIMINATOR_BYTES


def _initialize(at: Situation) -> Candidates:
    admin, _, mint, commission_tokens, _ = at.accounts
    arguments = at.arguments()
    arguments.u8()
    fields = BorshWriter().address(admin).address(mint).address(commission_tokens)
    yield fields.u64(arguments.u64()).u32(arguments.u32()).u32(arguments.u32())


def _update_deposit(at: Situation) -> Candidates:
    yield BorshWriter().u64(at.arguments().u64())


def _update_commission(at: Situation) -> Candidates:
    yield BorshWriter().u32(at.arguments().u32()).address(at.accounts[2])


def _create_provider_authorizer(at: Situation) -> Candidates:
    yield BorshWriter().address(_created_authority(at.arguments()))


def _remove_provider_authorizer(at: Situation) -> Candidates:
    """Whose authorizer it was is told by earlier events, by what was done with the account, or by one that is there
    again.
    """
    address = at.accounts[2]
    authorities = [
        authority
        for authority in at.known.authorities
        if str(authorizer_address(Pubkey.from_string(authority))[0]) == address
    ]
    account = at.present.get(address)
    if isinstance(account, Authorizer):
        authorities.append(str(account.authority))
    for call in at.calls_before("create_provider_authorizer", address, 2):
        authorities.append(_created_authority(BorshReader(call.data[DISCRIMINATOR_BYTES:])))
    for name in ("authorize_provider", "revoke_provider"):
        authorities += [call.accounts[0] for call in at.calls_before(name, address, 1)]
    for authority in dict.fromkeys(authorities):
        yield BorshWriter().address(authority)


def _created_authority(arguments: BorshReader) -> str:
    arguments.u8()
    return arguments.address()


RECIPES: Mapping[str, Recipe] = {
    "initialize": Recipe(event="Initialized", scope=1, candidates=_initialize),
    "update_deposit": Recipe(event="DepositUpdated", scope=1, candidates=_update_deposit),
    "update_commission": Recipe(event="CommissionUpdated", scope=1, candidates=_update_commission),
    "create_provider_authorizer": Recipe(
        event="AuthorizerCreated", scope=1, candidates=_create_provider_authorizer
    ),
    "remove_provider_authorizer": Recipe(
        event="AuthorizerRemoved", scope=1, candidates=_remove_provider_authorizer, present=(2,), past=(2,)
    ),
}
