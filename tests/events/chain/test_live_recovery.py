"""Events whose log lines are crowded out, recovered from what a live local chain tells."""

import itertools
import random
from hashlib import sha256

import msgspec
import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.pubkey import Pubkey

from contract import client, tokens
from contract.addresses import escrow_address, state_address, vault_address
from events.catalogue import ChainEvent, DepositUpdated, EscrowSynced, Finality
from events.chain.backfill import Gap
from events.chain.follower import Follower
from events.chain.reader import ChainTransaction, SignatureInfo
from events.chain.rpc import RpcChainReader
from events.engine.memory import MemoryEngine
from tests.entries import open_log
from tests.events.chain.crowded import FULL
from tests.events.chain.histories import MINT, OWNER, PROVIDER, REGION, TOKENS, RegionWriter
from tests.events.chain.live import (
    NEVER_SECONDS,
    Actor,
    chain,
    follower,
    subscription,
    until_whole,
)
from tests.events.chain.recorded import LIMITS

STATE = state_address()[0]
ESCROW = escrow_address(PROVIDER, OWNER.pubkey())[0]
VAULT = vault_address(ESCROW)[0]


class Reticent(RpcChainReader):
    """As a node that tells neither token balances nor blocks, and lists the transactions of a slot in any order."""

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        found = await super().transaction(signature, finality)
        return found and msgspec.structs.replace(found, token_amounts={})

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        page = await super().signatures(address, before, finality)
        return sorted(
            page, key=lambda info: (info.slot, sha256(info.signature.encode()).digest()), reverse=True
        )

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        return None


async def followed(port: int, scope: Pubkey, kind: type[RpcChainReader] = RpcChainReader) -> list[ChainEvent]:
    """The scope's events as a new follower finds them on the chain at `port`, whose chain of hashes is whole."""
    log = open_log(MemoryEngine())
    reader = kind(AsyncClient(f"http://127.0.0.1:{port}", Confirmed), timeout_seconds=5.0)
    await Follower(log, reader, str(scope), LIMITS).catch_up()
    return [entry.event for entry in log.replay() if isinstance(entry.event, ChainEvent)]


async def test_the_order_of_a_slot_is_that_of_the_chains_block():
    engine = MemoryEngine()
    writer, deposits = RegionWriter(engine), list(range(10, 22))
    random.Random(3).shuffle(deposits)
    writer.next_slot()
    for deposit in deposits:
        writer.act(*FULL, client.update_deposit(OWNER.pubkey(), deposit))
    async with chain(engine) as port:
        found = await followed(port, STATE)
        assert [event.deposit for event in found if isinstance(event, DepositUpdated)] == deposits
        with pytest.raises(Gap):
            await followed(port, STATE, Reticent)


async def test_balances_that_the_chains_token_balances_alone_tell():
    """The vault gets tokens from anybody, and the escrow takes note of them afterwards."""
    engine, owner = MemoryEngine(), OWNER.pubkey()
    writer = RegionWriter(engine)
    writer.act(tokens.mint_to(MINT, owner, TOKENS, 100))
    for amount in (3, 5, 8):
        writer.act(tokens.transfer(TOKENS, owner, VAULT, amount))
        # a transaction that names the Token program, for another reason
        to_itself = tokens.transfer(TOKENS, owner, TOKENS, amount)
        writer.act(*FULL[2:], to_itself, client.sync_escrow(ESCROW))
    async with chain(engine) as port:
        found = await followed(port, ESCROW)
        balances = [event.balance for event in found if isinstance(event, EscrowSynced)]
        assert balances == [3, 8, 16]
        with pytest.raises(Gap):
            await followed(port, ESCROW, Reticent)


async def test_a_live_chain_whose_logs_are_crowded_out_is_followed_without_a_gap():
    log = open_log(MemoryEngine())
    async with chain(MemoryEngine()) as port, trio.open_nursery() as nursery:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        nursery.start_soon(follower(log, port, NEVER_SECONDS).run, subscription(port + 1))
        owner = OWNER.pubkey()
        for seed in range(100, 104):
            deploys = [client.deploy_stack(owner, PROVIDER, REGION, seed + 10 * n, bytes(9)) for n in (0, 1)]
            await actor.marketplace.send([*FULL, *deploys], OWNER)
            await actor.deploy()
        await until_whole(log, 1 + 4 * 3)
        nursery.cancel_scope.cancel()


async def test_on_a_live_chain_every_kind_of_scope_is_followed_though_its_logs_are_crowded_out():
    owner = OWNER.pubkey()
    escrow = escrow_address(PROVIDER, owner)[0]
    crowded = {
        state_address()[0]: [client.update_deposit(owner, 5), client.update_deposit(owner, 6)],
        PROVIDER: [client.revoke_provider(owner, PROVIDER), client.authorize_provider(owner, PROVIDER)],
        REGION: [
            client.deploy_stack(owner, PROVIDER, REGION, 1, b"1"),
            client.create_request_signer(owner, REGION, owner),
        ],
        escrow: [client.deposit_escrow(owner, escrow, TOKENS, 3), client.withdraw_escrow(owner, PROVIDER, 2)],
    }
    async with chain(MemoryEngine()) as port:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        await actor.marketplace.send([tokens.mint_to(MINT, owner, TOKENS, 100)], OWNER)
        reader = RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}", Confirmed), timeout_seconds=5.0)
        for scope, instructions in crowded.items():
            log = open_log(MemoryEngine())
            following = Follower(log, reader, str(scope), LIMITS)
            before = await following.catch_up()
            await actor.marketplace.send([*FULL, *instructions], OWNER)
            assert await following.catch_up() == 2
            events = [entry.event for entry in log.replay() if isinstance(entry.event, ChainEvent)]
            assert [event.sequence for event in events] == list(range(1, before + 3))
            assert {event.scope for event in events} == {str(scope)}
