"""Blocks: which slots have one, in which order their transactions are, and what a restart leaves of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from events.engine.memory import MemoryEngine
from mu.config import LedgerLimits
from mu.localnet.blockhashes import blockhash_of
from mu.localnet.blocks import Block, Blocks
from tests.mu.localnet.conftest import GENESIS_TIME, Chain, address

SOL = 10**9


def block_of(blocks: Blocks, slot: int) -> Block:
    block = blocks.get(slot)
    assert block is not None
    return block


def told(block: Block) -> tuple[object, ...]:
    signatures = [record.signature for record in block.records]
    return block.slot, block.unix_timestamp, block.blockhash, block.previous_blockhash, signatures


def test_a_block_has_the_transactions_of_its_slot_in_the_order_of_execution(chain) -> None:
    chain.advance()
    sent = [chain.ledger.transact(chain.transfer(address(n % 3), SOL + n)).signature for n in range(20)]
    chain.advance()
    later = chain.ledger.transact(chain.transfer(address(1), SOL)).signature
    blocks, genesis = chain.ledger.blocks, chain.ledger.genesis_hash
    hashes = [blockhash_of(genesis, slot) for slot in range(3)]
    assert told(block_of(blocks, 1)) == (1, GENESIS_TIME + 1, hashes[1], hashes[0], sent)
    assert told(block_of(blocks, 2)) == (2, GENESIS_TIME + 2, hashes[2], hashes[1], [later])
    assert block_of(blocks, 0).records == ()
    assert blocks.get(3) is None


def test_genesis_is_its_own_parent(chain) -> None:
    block = block_of(chain.ledger.blocks, 0)
    assert (block.parent_slot, block.previous_blockhash) == (0, block.blockhash)
    chain.advance(2)
    assert block_of(chain.ledger.blocks, 2).parent_slot == 1


def test_failed_transactions_are_in_their_block(chain) -> None:
    failed = chain.ledger.transact(chain.transfer(address(1), 10**18))
    assert failed.outcome.error is not None
    assert block_of(chain.ledger.blocks, 0).records == (failed,)


def test_old_blocks_without_transactions_are_forgotten_first() -> None:
    chain = Chain(MemoryEngine(), limits=LedgerLimits(max_block_times=5))
    chain.advance(2)
    sent = chain.ledger.transact(chain.transfer(address(1), SOL))
    blocks = chain.ledger.blocks
    assert blocks.first_available == 0
    chain.advance(20)
    assert blocks.first_available == 2
    assert block_of(blocks, 2).records == (sent,)
    assert block_of(blocks, 2).unix_timestamp == GENESIS_TIME + 2
    assert blocks.between(0, 99) == [2, *range(18, 23)]
    assert blocks.between(2, 18) == [2, 18]
    assert blocks.between(3, 17) == blocks.between(5, 4) == []
    assert blocks.get(17) is None


def test_a_block_that_has_lost_a_transaction_is_gone_and_all_before_it() -> None:
    chain = Chain(MemoryEngine(), limits=LedgerLimits(max_transactions_in_history=3))
    for slot in range(2):
        for number in range(3):
            chain.ledger.transact(chain.transfer(address(1), SOL + 10 * slot + number))
        chain.advance()
    blocks = chain.ledger.blocks
    assert blocks.between(0, 9) == [0, 1, 2]
    chain.advance(200)
    chain.ledger.transact(chain.transfer(address(1), SOL))
    assert blocks.get(0) is blocks.get(1) is None
    assert blocks.first_available == 2
    assert blocks.between(0, 3) == [2, 3]


steps = st.one_of(
    st.tuples(st.just("advance"), st.integers(1, 70)),
    st.tuples(st.just("send"), st.integers(1, 3)),
    st.just(("crash", 0)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=20), st.sampled_from([3, 100]), st.sampled_from([4, 100]))
def test_blocks_with_transactions_are_the_same_after_any_restart(
    life: list[tuple[str, int]], max_transactions: int, max_block_times: int
) -> None:
    limits = LedgerLimits(max_transactions_in_history=max_transactions, max_block_times=max_block_times)
    chain = Chain(MemoryEngine(), limits=limits)
    sent: dict[int, list[object]] = {}
    number = 0
    for step, count in life:
        if step == "advance":
            chain.advance(count)
        elif step == "send":
            for _ in range(count):
                number += 1
                record = chain.ledger.transact(chain.transfer(address(1), SOL + number))
                sent.setdefault(record.slot, []).append(record.signature)
        else:
            before = chain.ledger.blocks
            chain = chain.reopened(limits=limits)
            after = chain.ledger.blocks
            for slot in sent:
                kept, read = before.get(slot), after.get(slot)
                assert (kept and told(kept)) == (read and told(read))
        blocks = chain.ledger.blocks
        known = blocks.between(0, chain.ledger.slot)
        assert known[0] == blocks.first_available
        assert known[-1] == chain.ledger.slot
        assert [slot for slot in range(chain.ledger.slot + 2) if blocks.get(slot)] == known
        for slot in known:
            assert [record.signature for record in block_of(blocks, slot).records] == sent.get(slot, [])
