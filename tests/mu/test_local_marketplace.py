"""The local Marketplace: what is there once it is set up, and that setting it up is done once."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.transaction import Transaction

from contract import client as program
from contract.accounts import Authorizer, Escrow, Provider, ProviderStatus, Region, State, UsageSigner
from contract.addresses import (
    authorizer_address,
    escrow_address,
    state_address,
    usage_signer_address,
    vault_address,
)
from contract.errors import DecodeError, InvalidInput
from mu import local_marketplace as local
from mu.local_marketplace import LocalKeys, set_up
from mu.local_region import LocalRegion, open_local_region
from mu.localnet.sending import MAX_TRANSACTION_BYTES
from mu.marketplace import Confirmation, Marketplace
from mu.region_folder import RegionFolder
from tests.mu.regions import SLOT_SECONDS, greeting

STEPS = [
    "fund the admin",
    "create the mint and the Marketplace",
    "create the provider and the region",
    "create the developer's escrow",
]
NOW = 1_800_000_000.0


class Stopped(Exception):
    """The set-up is stopped, as by a kill."""


@asynccontextmanager
async def bare_region(folder: Path) -> AsyncIterator[LocalRegion]:
    """A chain without a Marketplace, on which it is always the same second."""
    async with open_local_region(
        RegionFolder(folder),
        rpc_port=0,
        slot_seconds=SLOT_SECONDS,
        random_bytes=os.urandom,
        now=lambda: NOW,
        request_ids=lambda: "chain",
    ) as region:
        yield region


async def steps_of(region: LocalRegion) -> list[str]:
    done: list[str] = []
    await region.set_up(lambda step, confirmation: done.append(step))
    return done


def keys() -> LocalKeys:
    roles = LocalKeys.__struct_fields__
    return LocalKeys(**{role: Keypair.from_seed(bytes([number] * 32)) for number, role in enumerate(roles)})


async def test_everything_that_a_cluster_has_is_there(tmp_path: Path):
    async with bare_region(tmp_path) as region:
        assert await steps_of(region) == STEPS
        keys, marketplace = region.keys, region.marketplace
        admin, owner, developer = keys.admin.pubkey(), keys.provider.pubkey(), keys.developer.pubkey()

        state = await marketplace.account(state_address()[0], State)
        assert state is not None
        assert (state.admin, state.mint, state.commission_tokens) == (
            admin, keys.mint.pubkey(), keys.tokens_of(keys.admin)
        )  # fmt: skip
        assert (state.deposit, state.commission_millionths, state.notice_seconds) == (
            local.DEPOSIT, local.COMMISSION_MILLIONTHS, local.NOTICE_SECONDS
        )  # fmt: skip
        assert await marketplace.account(authorizer_address(admin)[0], Authorizer) is not None
        provider = await marketplace.account(region.provider, Provider)
        assert provider is not None
        assert (provider.owner, provider.status, provider.deposit, provider.region_count) == (
            owner, ProviderStatus.AUTHORIZED, local.DEPOSIT, 1
        )  # fmt: skip
        assert (account := await marketplace.account(region.region, Region)) is not None
        assert (account.number, account.terms, account.base_url) == (1, local.TERMS, local.BASE_URL)
        signer = await marketplace.account(usage_signer_address(region.region)[0], UsageSigner)
        assert signer is not None
        assert (signer.signer, signer.valid_from) == (keys.node.pubkey(), int(NOW))
        assert signer.valid_to == int(NOW) + local.USAGE_SIGNER_SECONDS
        escrow_at = escrow_address(region.provider, developer)[0]
        assert (escrow := await marketplace.account(escrow_at, Escrow)) is not None
        assert (escrow.client, escrow.balance, escrow.locked) == (developer, local.PREPAID, 0)

        mint = await marketplace.mint(keys.mint.pubkey())
        assert mint is not None
        assert (mint.decimals, mint.supply, mint.mint_authority) == (6, 2 * local.PERSON_TOKENS, admin)
        held = {
            keys.tokens_of(keys.admin): (admin, 0),
            keys.tokens_of(keys.provider): (owner, local.PERSON_TOKENS - local.DEPOSIT),
            keys.tokens_of(keys.developer): (developer, local.PERSON_TOKENS - local.PREPAID),
            vault_address(region.provider)[0]: (region.provider, local.DEPOSIT),
            vault_address(escrow_at)[0]: (escrow_at, local.PREPAID),
        }
        for address, (authority, amount) in held.items():
            assert (tokens := await marketplace.token_account(address)) is not None
            assert (tokens.owner, tokens.amount) == (authority, amount)


async def test_a_deployment_locks_the_regions_minimum(tmp_path: Path):
    async with bare_region(tmp_path) as region:
        await steps_of(region)
        deployed = await region.deploy(greeting(), lambda binary: "A" * 24)
        address = escrow_address(region.provider, region.keys.developer.pubkey())[0]
        assert (escrow := await region.marketplace.account(address, Escrow)) is not None
        assert (escrow.locked, escrow.balance) == (local.TERMS.minimum_escrow, local.PREPAID)
        await region.delete(deployed.stack)
        assert (escrow := await region.marketplace.account(address, Escrow)) is not None
        assert escrow.locked == 0


@pytest.mark.parametrize("done", range(1, len(STEPS) + 1))
async def test_a_set_up_that_was_stopped_goes_on_and_does_nothing_twice(tmp_path: Path, done: int):
    confirmed: list[str] = []

    def stop(step: str, confirmation: Confirmation) -> None:
        confirmed.append(step)
        if len(confirmed) == done:
            raise Stopped

    with pytest.RaisesGroup(Stopped, flatten_subgroups=True):
        async with bare_region(tmp_path) as region:
            await region.set_up(stop)
    async with bare_region(tmp_path) as region:
        # the admin's funds alone tell of nothing, so they may be given twice
        assert await steps_of(region) == STEPS[0 if done == 1 else done :]
        assert await steps_of(region) == []
    async with bare_region(tmp_path) as region:
        assert await steps_of(region) == []
        assert (mint := await region.marketplace.mint(region.keys.mint.pubkey())) is not None
        assert mint.supply == 2 * local.PERSON_TOKENS


async def test_a_set_up_that_is_cancelled_at_any_moment_goes_on(tmp_path: Path):
    """However long it takes: each life is a little longer, until one is long enough."""
    confirmed: list[str] = []
    for attempt in range(200):
        finished = False
        async with bare_region(tmp_path) as region:
            with trio.move_on_after(0.003 * attempt):
                await region.set_up(lambda step, confirmation: confirmed.append(step))
                finished = True
        if finished:
            break
    async with bare_region(tmp_path) as region:
        assert await steps_of(region) == []
        address = escrow_address(region.provider, region.keys.developer.pubkey())[0]
        assert (escrow := await region.marketplace.account(address, Escrow)) is not None
        assert escrow.balance == local.PREPAID
    assert all(confirmed.count(step) <= 1 for step in STEPS[1:])


async def test_what_became_of_it_is_left_alone(tmp_path: Path):
    async with bare_region(tmp_path) as region:
        await steps_of(region)
        admin = region.keys.admin
        await region.marketplace.send([program.revoke_provider(admin.pubkey(), region.provider)], admin)
        owner = region.keys.provider
        await region.marketplace.send([program.close_region(owner.pubkey(), 1)], owner)
    async with bare_region(tmp_path) as region:
        assert await steps_of(region) == []
        assert (provider := await region.marketplace.account(region.provider, Provider)) is not None
        assert provider.status is ProviderStatus.DISABLED


async def test_a_chain_that_another_version_began_is_said_so():
    class OlderMarketplace(Marketplace):
        async def account(self, address: Any, kind: Any) -> Any:
            raise DecodeError("the account has layout version 0")

    async with AsyncClient("http://127.0.0.1:1", Confirmed) as client:
        with pytest.raises(InvalidInput, match="another version of mu began this chain"):
            await set_up(keys(), OlderMarketplace(client), lambda step, confirmation: None)


@pytest.mark.parametrize(
    ("instructions", "signers"),
    [
        (local.marketplace_instructions(keys()), ("admin", "mint")),
        (local.region_instructions(keys(), 2**62), ("provider", "admin")),
        (local.escrow_instructions(keys()), ("developer",)),
    ],
)
def test_each_step_is_one_transaction_signed_by_those_it_says(
    instructions: list[Instruction], signers: tuple[str, ...]
):
    people = [getattr(keys(), role) for role in signers]
    message = Message(instructions, people[0].pubkey())
    blockhash = message.recent_blockhash
    assert message.header.num_required_signatures == len(people)
    assert len(bytes(Transaction(people, message, blockhash))) <= MAX_TRANSACTION_BYTES


def test_keys_are_kept_in_the_folder(tmp_path: Path):
    folder = RegionFolder(tmp_path)
    first = LocalKeys.load(folder, os.urandom)
    assert {path.stem for path in (tmp_path / "keys").iterdir()} == set(LocalKeys.__struct_fields__)
    again = LocalKeys.load(folder, os.urandom)
    for role in LocalKeys.__struct_fields__:
        assert getattr(again, role) == getattr(first, role)
