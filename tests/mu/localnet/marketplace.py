"""The local Marketplace on a ledger, without a network."""

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction, VersionedTransaction

from contract.addresses import PROGRAM_ID
from contract.client import program_bytes
from events.engine import Engine
from mu.local_marketplace import (
    PERSON_LAMPORTS,
    LocalKeys,
    escrow_instructions,
    marketplace_instructions,
    region_instructions,
)
from mu.localnet.commitment import Commitment
from mu.localnet.history import TransactionRecord
from mu.localnet.ledger import Ledger

GENESIS_TIME = 1_800_000_000
USAGE_SIGNER_VALID_TO = GENESIS_TIME + 10**9
KEYS = LocalKeys(
    **{
        role: Keypair.from_seed(bytes([100 + number] * 32))
        for number, role in enumerate(LocalKeys.__struct_fields__)
    }
)


def open_ledger(engine: Engine, now: float = GENESIS_TIME) -> Ledger:
    """A chain with the program; it begins, or goes on, at the Unix time `now`."""
    return Ledger.open(engine, {PROGRAM_ID: program_bytes()}, seed=b"seed", now=lambda: now)


def signed(ledger: Ledger, instructions: list[Instruction], *signers: Keypair) -> VersionedTransaction:
    blockhash = ledger.latest_blockhash(Commitment.PROCESSED)
    message = Message.new_with_blockhash(instructions, signers[0].pubkey(), blockhash)
    return VersionedTransaction.from_legacy(Transaction(list(signers), message, blockhash))


def send(ledger: Ledger, instructions: list[Instruction], *signers: Keypair) -> TransactionRecord:
    """Execute a transaction that must not fail."""
    record = ledger.transact(signed(ledger, instructions, *signers))
    assert record.outcome.error is None, record.outcome
    return record


def set_up(ledger: Ledger, slot_seconds: int = 5) -> list[TransactionRecord]:
    """The local Marketplace, each of its transactions in a slot of its own."""
    faucet, admin = ledger.faucet, KEYS.admin
    fund = TransferParams(from_pubkey=faucet.pubkey(), to_pubkey=admin.pubkey(), lamports=4 * PERSON_LAMPORTS)
    records: list[TransactionRecord] = []
    for instructions, signers in [
        ([transfer(fund)], (faucet,)),
        (marketplace_instructions(KEYS), (admin, KEYS.mint)),
        (region_instructions(KEYS, USAGE_SIGNER_VALID_TO), (KEYS.provider, admin)),
        (escrow_instructions(KEYS), (KEYS.developer,)),
    ]:
        records.append(send(ledger, instructions, *signers))
        ledger.advance_slot(ledger.unix_timestamp + slot_seconds)
    return records
