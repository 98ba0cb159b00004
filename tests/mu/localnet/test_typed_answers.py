"""Token balances and blocks through solana's client, whose types read them as they read a real node's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solana.rpc.core import RPCException
from solders.rpc.errors import BlockNotAvailableMessage, SlotSkippedMessage
from solders.transaction_status import UiTransactionTokenBalance

from contract import tokens
from events.catalogue import Finality
from events.chain.reader import TokenAmounts
from events.chain.rpc import RpcChainReader
from events.engine.memory import MemoryEngine
from mu.local_marketplace import DEPOSIT, PERSON_TOKENS, PREPAID
from mu.localnet.history import TransactionRecord
from tests.mu.localnet.marketplace import KEYS, open_ledger, send, set_up
from tests.mu.localnet.test_server import running

HELD, OTHER = KEYS.tokens_of(KEYS.provider), KEYS.tokens_of(KEYS.developer)
HAS, OTHER_HAS = PERSON_TOKENS - DEPOSIT, PERSON_TOKENS - PREPAID


@asynccontextmanager
async def restarted() -> AsyncIterator[tuple[AsyncClient, list[TransactionRecord]]]:
    """A chain that has been restarted after transfers in one slot, which are finalized."""
    engine = MemoryEngine()
    ledger = open_ledger(engine)
    set_up(ledger)
    moves = [tokens.transfer(HELD, KEYS.provider.pubkey(), OTHER, amount) for amount in range(1, 6)]
    records = [send(ledger, [move], KEYS.provider) for move in moves]
    async with running(engine) as localnet, AsyncClient(localnet.url, Confirmed) as client:
        yield client, records


def shown(balance: UiTransactionTokenBalance) -> tuple[int, str, str, str]:
    amount = balance.ui_token_amount
    return balance.account_index, str(balance.mint), str(balance.owner), amount.amount


@pytest.mark.parametrize("encoding", ["json", "jsonParsed", "base64", "base58"])
async def test_a_block_and_its_transactions(encoding: str) -> None:
    async with restarted() as (client, records):
        [slot] = {record.slot for record in records}
        block = (await client.get_block(slot, encoding, max_supported_transaction_version=0)).value
        assert block is not None
        assert (block.parent_slot, block.block_height, block.rewards) == (slot - 1, slot, [])
        assert block.block_time == records[0].unix_timestamp
        assert len(block.transactions or ()) == len(records)
        for record, listed in zip(records, block.transactions or (), strict=True):
            answer = await client.get_transaction(
                record.signature, encoding, max_supported_transaction_version=0
            )
            assert answer.value is not None
            alone = answer.value.transaction
            assert alone.transaction == listed.transaction
            assert alone.meta is not None
            assert alone.meta == listed.meta
            for balances, kept in (
                (alone.meta.pre_token_balances, record.pre_token_balances),
                (alone.meta.post_token_balances, record.post_token_balances),
            ):
                assert [shown(one) for one in balances or ()] == [
                    (one.account_index, str(one.mint), str(one.owner), str(one.amount)) for one in kept
                ]
                assert len(kept) == 2


async def test_what_the_chain_has_of_blocks() -> None:
    async with restarted() as (client, records):
        slot = records[0].slot
        with trio.fail_after(5):
            while (await client.get_block_height(Confirmed)).value <= slot:
                pass  # each question waits for its answer
        assert (await client.get_first_available_block()).value == 0
        assert (await client.get_blocks(0, slot)).value[-1] == slot
        assert (await client.get_blocks(slot)).value[0] == slot
        for missing, error in ((slot + 1, SlotSkippedMessage), (10**6, BlockNotAvailableMessage)):
            with pytest.raises(RPCException) as caught:
                await client.get_block(missing)
            assert isinstance(caught.value.args[0], error)


async def test_the_follower_is_told_of_both() -> None:
    async with restarted() as (client, records):
        reader = RpcChainReader(client, timeout_seconds=5.0)
        expected = tuple(str(record.signature) for record in records)
        slot, held, other = records[0].slot, HAS, OTHER_HAS
        assert await reader.block(slot, Finality.FINALIZED) == expected
        assert await reader.block(slot + 1, Finality.FINALIZED) is None
        for amount, signature in enumerate(expected, 1):
            transaction = await reader.transaction(signature, Finality.FINALIZED)
            assert transaction is not None
            assert transaction.token_amounts == {
                str(HELD): TokenAmounts(held, held - amount),
                str(OTHER): TokenAmounts(other, other + amount),
            }
            held, other = held - amount, other + amount
