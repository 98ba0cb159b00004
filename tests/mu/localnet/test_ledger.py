"""The chain itself: commitments, blockhashes, rejections, limits."""

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import CreateAccountParams, create_account
from solders.transaction import VersionedTransaction

from events.engine import KeyExists, OutcomeUnknown, Unavailable
from events.engine.memory import MemoryEngine
from mu.config import LedgerLimits
from mu.localnet.commitment import Commitment
from mu.localnet.ledger import LedgerHalted, TransactionRejected
from tests.mu.localnet.conftest import Chain

SOL = 10**9
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
HOLDINGS = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
PROCESSED, CONFIRMED, FINALIZED = Commitment


def rejection(chain, transaction) -> object:
    with pytest.raises(TransactionRejected) as caught:
        chain.ledger.transact(transaction)
    return caught.value.outcome.error


def test_a_transfer_reaches_each_commitment_in_turn(chain, person) -> None:
    to = person(1).pubkey()
    chain.advance(40)
    record = chain.ledger.transact(chain.transfer(to, SOL))
    seen = []
    for _ in range(34):
        seen.append([chain.lamports(to, level) == SOL for level in Commitment])
        known = [chain.ledger.transaction(record.signature, level) is not None for level in Commitment]
        assert known == seen[-1]
        chain.advance()
    assert seen[0] == [True, False, False]
    assert seen[1:32] == [[True, True, False]] * 31
    assert seen[32:] == [[True, True, True]] * 2


def test_reads_at_finalized_see_the_past(chain, person) -> None:
    to = person(1).pubkey()
    for _ in range(40):
        chain.ledger.transact(chain.transfer(to, SOL))
        chain.advance()
    assert chain.ledger.slot == 40
    assert [chain.lamports(to, level) // SOL for level in Commitment] == [40, 40, 9]


def test_balances_fees_and_logs_are_recorded(chain, person) -> None:
    to = person(1).pubkey()
    record = chain.ledger.transact(chain.transfer(to, SOL))
    assert record.fee == 5_000
    assert record.pre_balances[0] - record.post_balances[0] == SOL + 5_000
    assert (record.pre_balances[1], record.post_balances[1]) == (0, SOL)
    assert record.outcome.logs == (
        "Program 11111111111111111111111111111111 invoke [1]",
        "Program 11111111111111111111111111111111 success",
    )


def test_a_failed_transaction_pays_and_is_recorded(chain, person) -> None:
    before = chain.lamports(chain.ledger.faucet.pubkey())
    record = chain.ledger.transact(chain.transfer(person(1).pubkey(), 10**18))
    assert record.outcome.error == {"InstructionError": [0, {"Custom": 1}]}
    assert before - chain.lamports(chain.ledger.faucet.pubkey()) == record.fee
    assert chain.lamports(person(1).pubkey()) == 0


def test_unpaid_transactions_are_rejected_and_leave_no_trace(chain, person) -> None:
    to = person(1).pubkey()
    good = chain.transfer(to, SOL)
    forged = VersionedTransaction.populate(good.message, [Signature.from_bytes(b"\1" * 64)])
    assert rejection(chain, forged) == "SignatureFailure"
    assert rejection(chain, chain.transfer(to, 1, payer=person(9))) == "AccountNotFound"
    assert rejection(chain, chain.transfer(to, 1, blockhash=Hash(b"x" * 32))) == "BlockhashNotFound"
    assert chain.ledger.transaction_count == 0
    assert chain.reopened().ledger.transaction_count == 0


def test_a_blockhash_expires_after_150_slots(chain, person) -> None:
    early = chain.transfer(person(1).pubkey(), SOL)
    late = chain.transfer(person(1).pubkey(), 2 * SOL)
    chain.advance(150)
    chain.ledger.transact(early)
    chain.advance()
    assert rejection(chain, late) == "BlockhashNotFound"


def test_the_same_signature_runs_once(chain, person) -> None:
    transaction = chain.transfer(person(1).pubkey(), SOL)
    chain.ledger.transact(transaction)
    chain.advance(5)
    assert rejection(chain, transaction) == "AlreadyProcessed"
    assert rejection(chain.reopened(), transaction) == "AlreadyProcessed"
    assert chain.lamports(person(1).pubkey()) == SOL


def test_a_blockhash_newer_than_the_commitment_is_unknown_there(chain, person) -> None:
    chain.advance(40)
    transaction = chain.transfer(person(1).pubkey(), SOL)
    errors = [chain.ledger.simulate(transaction, level)[0].error for level in Commitment]
    assert errors == [None, "BlockhashNotFound", "BlockhashNotFound"]


def test_a_simulation_changes_nothing(chain, person) -> None:
    to = person(1).pubkey()
    transaction = chain.transfer(to, SOL)
    _, accounts = chain.ledger.simulate(transaction, PROCESSED)
    assert accounts[to].lamports == SOL
    assert chain.lamports(to) == 0
    chain.ledger.transact(transaction)


def test_signature_checks_are_on_again_after_a_simulation_without(chain, person) -> None:
    good = chain.transfer(person(1).pubkey(), SOL)
    forged = VersionedTransaction.populate(good.message, [Signature.from_bytes(b"\1" * 64)])
    outcome, _ = chain.ledger.simulate(forged, PROCESSED, verify_signatures=False)
    assert outcome.error is None
    assert rejection(chain, forged) == "SignatureFailure"


def test_an_emptied_account_is_gone_and_can_come_back(chain, person) -> None:
    owner = person(1)
    chain.ledger.transact(chain.transfer(owner.pubkey(), SOL))
    chain.advance(33)
    chain.ledger.transact(chain.transfer(person(2).pubkey(), SOL - 5_000, payer=owner))
    assert chain.ledger.account(owner.pubkey(), PROCESSED) is None
    assert chain.lamports(owner.pubkey(), FINALIZED) == SOL
    chain.advance(33)
    assert chain.ledger.account(owner.pubkey(), FINALIZED) is None
    chain.ledger.transact(chain.transfer(owner.pubkey(), 2 * SOL))
    chain.advance(33)
    assert chain.lamports(owner.pubkey(), FINALIZED) == 2 * SOL


def test_pages_of_an_address_go_back_in_order(chain, person) -> None:
    to = person(1).pubkey()
    sent = []
    for index in range(10):
        sent.append(chain.ledger.transact(chain.transfer(to, SOL + index)))
        if index % 3 == 0:
            chain.advance()
    newest = sent[::-1]
    read = chain.ledger.transactions_of
    assert read(to, PROCESSED, before=None, until=None, limit=99) == newest
    assert read(to, PROCESSED, before=newest[3], until=None, limit=2) == newest[4:6]
    assert read(to, PROCESSED, before=newest[1], until=newest[5].signature, limit=99) == newest[2:5]
    assert read(to, FINALIZED, before=None, until=None, limit=99) == sent[:1]  # slot 0 counts as finalized


def test_the_oldest_history_is_dropped_but_not_what_could_be_sent_again(person) -> None:
    chain = Chain(MemoryEngine(), limits=LedgerLimits(max_transactions_in_history=3))
    to = person(1).pubkey()
    old = [chain.ledger.transact(chain.transfer(to, SOL + index)) for index in range(5)]
    assert all(chain.ledger.transaction(one.signature, PROCESSED) for one in old)
    chain.advance(151)
    new = chain.ledger.transact(chain.transfer(to, SOL))
    assert [one for one in old if chain.ledger.transaction(one.signature, PROCESSED)] == old[3:]
    found = chain.ledger.transactions_of(to, PROCESSED, before=None, until=None, limit=9)
    assert found == [new, *old[:2:-1]]
    assert chain.lamports(to) == 6 * SOL + 10


def test_inner_instructions_are_recorded(chain, person) -> None:
    payer, mint = chain.ledger.faucet, person(1)
    holding, _ = Pubkey.find_program_address(
        [bytes(payer.pubkey()), bytes(TOKEN), bytes(mint.pubkey())], HOLDINGS
    )
    space = CreateAccountParams(
        from_pubkey=payer.pubkey(), to_pubkey=mint.pubkey(), lamports=SOL, space=82, owner=TOKEN
    )
    initialize = bytes([20, 0]) + bytes(payer.pubkey()) + b"\0"
    roles = [(payer.pubkey(), True, True), (holding, False, True), (payer.pubkey(), False, False)]
    roles += [(mint.pubkey(), False, False), (Pubkey.default(), False, False), (TOKEN, False, False)]
    message = MessageV0.try_compile(
        payer.pubkey(),
        [
            create_account(space),
            Instruction(TOKEN, initialize, [AccountMeta(mint.pubkey(), False, True)]),
            Instruction(HOLDINGS, b"", [AccountMeta(*role) for role in roles]),
        ],
        [],
        chain.ledger.latest_blockhash(PROCESSED),
    )
    record = chain.ledger.transact(VersionedTransaction(message, [payer, mint]))
    assert record.outcome.error is None
    invoked = record.outcome.inner_instructions
    assert (invoked[0], invoked[1]) == ((), ())
    programs = [record.account_keys[one.program_id_index] for one in invoked[2]]
    assert programs == [TOKEN, Pubkey.default(), TOKEN, TOKEN]
    assert {one.stack_height for one in invoked[2]} == {2}
    assert [one for one, _ in chain.ledger.program_accounts(TOKEN, PROCESSED)] == [mint.pubkey(), holding]


def test_an_unavailable_journal_writes_nothing_and_may_be_tried_again(chain, person) -> None:
    transaction = chain.transfer(person(1).pubkey(), SOL)
    chain.engine.fail_next_commit(Unavailable("down"))
    with pytest.raises(Unavailable):
        chain.ledger.transact(transaction)
    assert chain.lamports(person(1).pubkey()) == 0
    chain.ledger.transact(transaction)
    assert chain.lamports(person(1).pubkey()) == SOL


@pytest.mark.parametrize("applied", [True, False])
def test_a_write_in_doubt_halts_until_the_ledger_is_opened_again(chain, person, applied: bool) -> None:
    transaction = chain.transfer(person(1).pubkey(), SOL)
    chain.engine.fail_next_commit(OutcomeUnknown("?"), applied=applied)
    with pytest.raises(OutcomeUnknown):
        chain.ledger.transact(transaction)
    with pytest.raises(LedgerHalted):
        chain.ledger.transact(transaction)
    with pytest.raises(LedgerHalted):
        chain.ledger.advance_slot(0)
    assert chain.lamports(person(1).pubkey()) == 0
    assert chain.reopened().lamports(person(1).pubkey()) == (SOL if applied else 0)


def test_two_ledgers_on_one_journal_do_not_mix(chain, person) -> None:
    other = chain.reopened()
    chain.ledger.transact(chain.transfer(person(1).pubkey(), SOL))
    with pytest.raises(KeyExists):
        other.ledger.transact(other.transfer(person(2).pubkey(), SOL))
