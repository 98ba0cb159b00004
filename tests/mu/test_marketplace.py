from pathlib import Path

import pytest
from solana.rpc.async_api import AsyncClient
from solders.keypair import Keypair

from contract import client as program
from contract.addresses import stack_address
from contract.client import Provider, Region
from mu.marketplace import Marketplace, NotConfirmed, TransactionFailed
from tests.mu.regions import open_region


async def test_accounts_by_their_kind(tmp_path: Path):
    async with open_region(tmp_path) as region:
        found = await region.marketplace.account(region.region, Region)
        assert found is not None
        assert (found.provider, found.number) == (region.provider, 1)
        with pytest.raises(TransactionFailed, match="is a Region, not a Provider"):
            await region.marketplace.account(region.region, Provider)
        assert await region.marketplace.account(Keypair().pubkey(), Provider) is None


async def test_refusals_have_the_programs_name_and_words(tmp_path: Path):
    async with open_region(tmp_path) as region:
        owner = region.developer
        stack = stack_address(region.region, owner.pubkey(), 0)[0]
        await region.marketplace.send([program.deploy_stack(owner.pubkey(), region.region, 0, b"m")], owner)
        await region.delete(str(stack))
        with pytest.raises(TransactionFailed, match="the Marketplace refused: ") as caught:
            await region.delete(str(stack))
        assert caught.value.name == "StackIsDeleted"
        poor = Keypair()
        with pytest.raises(TransactionFailed, match="the chain refused"):
            await region.marketplace.send([program.initialize(poor.pubkey())], poor)


async def test_what_is_not_seen_confirmed_in_time(tmp_path: Path):
    async with open_region(tmp_path) as region, AsyncClient(region.chain.rpc_url) as client:
        impatient = Marketplace(client, confirm_seconds=0.1)
        with pytest.raises(NotConfirmed):
            await impatient.confirm(Keypair().sign_message(b"never sent"))
