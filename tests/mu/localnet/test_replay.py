"""The ledger after a restart is the ledger before it."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from contract.client import program_bytes
from contract.errors import DecodeError, InvalidInput
from events.engine.memory import MemoryEngine
from mu.localnet.commitment import Commitment
from mu.localnet.ledger import Ledger
from tests.mu.localnet.conftest import GENESIS_TIME, Chain, address, keypair

SOL = 10**9
PROCESSED = Commitment.PROCESSED


def everything(ledger: Ledger, people: list[Pubkey]) -> tuple[object, ...]:
    records = ledger.transactions_of(ledger.faucet.pubkey(), PROCESSED, before=None, until=None, limit=10_000)
    told = [
        (one.index, one.slot, one.unix_timestamp, one.signature, one.outcome, one.fee, one.pre_balances)
        for one in records
    ]
    accounts: Mapping[Pubkey, Account | None] = {one: ledger.account(one, PROCESSED) for one in people}
    return ledger.genesis_hash, ledger.faucet.pubkey(), ledger.transaction_count, told, accounts


steps = st.one_of(
    st.tuples(st.just("advance"), st.integers(1, 90)),
    st.tuples(st.just("transfer"), st.integers(1, 3)),
    st.tuples(st.just("overdraw"), st.integers(1, 3)),
    st.just(("crash", 0)),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(steps, max_size=25))
def test_any_life_is_replayed_and_slots_never_go_back(life: list[tuple[str, int]]) -> None:
    chain = Chain(MemoryEngine())
    people = [address(number) for number in range(1, 4)]
    used = {0}
    newest_time = 0
    for sequence, (step, number) in enumerate(life):
        if step == "advance":
            chain.advance(number)
        elif step == "crash":
            before = everything(chain.ledger, people)
            slot = chain.ledger.slot
            chain = chain.reopened()
            assert everything(chain.ledger, people) == before
            assert chain.ledger.slot > slot
            assert chain.ledger.slot not in used
        else:
            lamports = (10**18 if step == "overdraw" else SOL) + sequence
            chain.ledger.transact(chain.transfer(address(number), lamports))
            newest_time = max(newest_time, chain.ledger.unix_timestamp)
        assert chain.ledger.unix_timestamp >= newest_time
        used.add(chain.ledger.slot)
    assert everything(chain.reopened().ledger, people) == everything(chain.ledger, people)


def test_blockhashes_live_on_across_a_restart(chain) -> None:
    transaction = chain.transfer(address(1), SOL)
    chain.advance(10)
    again = chain.reopened()
    again.ledger.transact(transaction)
    assert again.lamports(address(1)) == SOL


def test_a_seed_is_used_once(chain) -> None:
    other = Ledger.open(chain.engine, {}, seed=b"other", now=lambda: GENESIS_TIME)
    assert other.genesis_hash == chain.ledger.genesis_hash
    assert Ledger.open(MemoryEngine(), {}, seed=b"other", now=lambda: 1).genesis_hash != other.genesis_hash


def test_a_clock_that_goes_back_does_not_take_the_chain_along(chain) -> None:
    chain.ledger.advance_slot(GENESIS_TIME + 50)
    chain.ledger.advance_slot(GENESIS_TIME - 50)
    assert chain.ledger.unix_timestamp == GENESIS_TIME + 50


def test_a_program_is_kept_and_a_changed_one_replaces_it() -> None:
    program = address(7)
    engine = MemoryEngine()
    code = program_bytes()

    def open_with(programs: dict[Pubkey, bytes]) -> Ledger:
        return Ledger.open(engine, programs, seed=b"seed", now=lambda: GENESIS_TIME)

    first = open_with({program: code})
    deployed = first.account(program, PROCESSED)
    assert deployed is not None
    assert deployed.executable
    entries = len(list(first._journal.entries()))
    again = open_with({program: code})
    assert len(list(again._journal.entries())) == entries
    assert open_with({}).account(program, PROCESSED) == deployed
    changed = open_with({program: code + bytes(8)})
    upgraded = changed.account(program, PROCESSED)
    assert upgraded is not None
    assert len(upgraded.data) == len(deployed.data) + 8


@pytest.mark.parametrize("code", [b"", b"not a program", b"\x7fELF" + bytes(100)])
def test_a_program_that_is_none_is_refused(code: bytes) -> None:
    engine = MemoryEngine()
    with pytest.raises(InvalidInput, match="programs"):
        Ledger.open(engine, {address(7): code}, seed=b"seed", now=lambda: 0)
    Ledger.open(engine, {}, seed=b"seed", now=lambda: 0)


def test_a_journal_without_its_genesis_is_refused(chain) -> None:
    record = chain.ledger.prepare(chain.transfer(address(1), SOL))
    engine = MemoryEngine()
    Ledger.open(engine, {}, seed=b"seed", now=lambda: 0)._journal.append(record)
    with engine.begin() as transaction:
        transaction.delete(b"chain/entry/" + bytes(8))
        transaction.commit()
    with pytest.raises(DecodeError):
        Ledger.open(engine, {}, seed=b"seed", now=lambda: 0)


def test_failed_calls_of_a_program_are_replayed_with_their_clock(chain) -> None:
    memo = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
    chain.advance(3)
    note = Instruction(memo, b"\xff", [AccountMeta(keypair(1).pubkey(), False, False)])
    record = chain.ledger.transact(chain.signed(note))
    assert record.outcome.error is not None
    again = chain.reopened().ledger.transaction(record.signature, PROCESSED)
    assert again is not None
    assert (again.slot, again.unix_timestamp, again.outcome) == (3, GENESIS_TIME + 3, record.outcome)
