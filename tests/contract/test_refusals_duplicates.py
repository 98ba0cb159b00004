"""One account in two places: refused, or harmless, which is proven by what every token account holds after it."""

import pytest
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract import client
from contract.addresses import PROGRAM_ID, vault_address
from tests.contract.attacks import NAMES, PLACES
from tests.contract.world import COMMISSION_MILLIONTHS, TOKEN, USAGE_COST, World


@pytest.mark.parametrize("name", NAMES)
def test_no_instruction_takes_the_same_account_twice(unchanged_targets, name: str) -> None:
    """For every pair of places, in either order; a key that does not sign cannot be put where one must."""
    target = unchanged_targets[name]
    keys = {key.pubkey() for key in target.keys}
    tried = 0
    for one in PLACES[name]:
        address = target.address(one.name)
        for other in PLACES[name]:
            if one == other or (other.signs and address not in keys):
                continue
            target.refusal(target.with_account(other, address))
            tried += 1
    assert tried >= len(PLACES[name]) - 1


@pytest.mark.parametrize("name", NAMES)
def test_one_account_in_all_places(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    for place in PLACES[name]:
        metas = [
            meta if PLACES[name][index].signs else target.instruction.accounts[place.index]
            for index, meta in enumerate(target.instruction.accounts)
        ]
        if len({meta.pubkey for meta in metas}) < len(metas):
            target.refusal(Instruction(PROGRAM_ID, target.instruction.data, metas))


def test_a_vault_is_not_its_own_destination(unchanged_targets) -> None:
    for name, destination in (("claim_withdrawal", "client_tokens"), ("close_provider", "owner_tokens")):
        target = unchanged_targets[name]
        [place] = [place for place in PLACES[name] if place.name == destination]
        assert target.refusal(target.with_account(place, target.address("vault"))) == "AccountInUse"
    for name, source in (("deposit_escrow", "depositor_tokens"), ("update_usage", "provider_tokens")):
        target = unchanged_targets[name]
        [place] = [place for place in PLACES[name] if place.name == source]
        assert target.refusal(target.with_account(place, target.address("vault"))) == "TokenAccountInvalid"


def holdings(world: World) -> dict[Pubkey, int]:
    vaults = [
        vault_address(account)[0]
        for account in (
            *(world.provider, world.other_provider),
            *(world.escrow, world.dave_escrow, world.other_escrow, world.poor_escrow),
        )
    ]
    return {address: world.cluster.tokens(address) for address in (*map(world.tokens, world.keys), *vaults)}


def changes(world: World, before: dict[Pubkey, int]) -> dict[Pubkey, int]:
    after = holdings(world)
    assert sum(after.values()) == sum(before.values())
    return {
        address: after[address] - amount for address, amount in before.items() if after[address] != amount
    }


def test_a_provider_that_also_gets_the_commission(world) -> None:
    """The two payments go to one account."""
    tokens = world.tokens(world.alice)
    world.do(client.update_commission(world.admin.pubkey(), COMMISSION_MILLIONTHS, tokens), world.admin)
    instruction, signer = world.update_usage()
    metas = list(instruction.accounts)
    metas[10] = metas[9]
    before = holdings(world)
    world.do(Instruction(PROGRAM_ID, instruction.data, metas), signer)
    assert changes(world, before) == {
        tokens: USAGE_COST,
        vault_address(world.escrow)[0]: -USAGE_COST,
    }


@pytest.mark.parametrize("own", [True, False])
def test_commissions_that_go_to_the_vault_of_an_escrow(world, own: bool) -> None:
    """The vault then holds more than is recorded, never less, and the client can have it recorded."""
    escrow = world.escrow if own else world.other_escrow
    vault = vault_address(escrow)[0]
    world.do(client.update_commission(world.admin.pubkey(), COMMISSION_MILLIONTHS, vault), world.admin)
    instruction, signer = world.update_usage()
    metas = list(instruction.accounts)
    metas[10] = type(metas[10])(vault, False, True)
    commission = USAGE_COST * COMMISSION_MILLIONTHS // 10**6
    before, recorded = holdings(world), world.cluster.account(escrow).balance
    world.do(Instruction(PROGRAM_ID, instruction.data, metas), signer)
    earned = USAGE_COST - commission
    paid = {world.tokens(world.alice): earned}
    own_vault = vault_address(world.escrow)[0]
    expected = paid | ({vault: -earned} if own else {own_vault: -USAGE_COST, vault: commission})
    assert changes(world, before) == expected
    charged = USAGE_COST if own else 0
    assert world.cluster.account(escrow).balance == recorded - charged
    event = world.do(client.sync_escrow(escrow))
    assert (event.fields["amount"], event.fields["balance"]) == (commission, recorded - charged + commission)


@pytest.mark.parametrize("destination", ["escrow of another provider", "another client's", "provider's"])
def test_a_withdrawal_that_goes_to_another_vault(world, destination: str) -> None:
    """A gift: nothing is taken from that vault, and an escrow's owner can have it recorded."""
    account = {
        "escrow of another provider": world.other_escrow,
        "another client's": world.dave_escrow,
        "provider's": world.provider,
    }[destination]
    vault = vault_address(account)[0]
    before = holdings(world)
    world.do(client.claim_withdrawal(world.carol.pubkey(), world.provider, vault), world.carol)
    assert changes(world, before) == {vault: TOKEN, vault_address(world.escrow)[0]: -TOKEN}
