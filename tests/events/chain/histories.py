"""A region's true history, made by the program itself, and a reader of it that can misbehave."""

import random
from collections.abc import Callable

import msgspec
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction, VersionedTransaction

from contract import client as program
from contract.addresses import PROGRAM_ID, provider_address, region_address, stack_address
from events.chain.rpc import ChainUnavailable, SignatureInfo, TransactionLogs
from events.engine.memory import MemoryEngine
from mu.localnet.commitment import Commitment
from mu.localnet.ledger import Ledger

OWNER = Keypair.from_seed(bytes([7] * 32))
PROVIDER = provider_address(OWNER.pubkey())[0]
REGION = region_address(PROVIDER, 1)[0]
SCOPE = str(REGION)


class Executed(msgspec.Struct, frozen=True):
    """A transaction that touched the region, and the region's account after it."""

    signature: str
    slot: int
    logs: tuple[str, ...]
    account: bytes


def open_ledger() -> Ledger:
    """A chain with the program, and funds for the owner."""
    ledger = Ledger.open(
        MemoryEngine(), {PROGRAM_ID: program.program_bytes()}, seed=bytes(32), now=lambda: 1_700_000_000.0
    )
    send(ledger, ledger.faucet, transfer(TransferParams(
        from_pubkey=ledger.faucet.pubkey(), to_pubkey=OWNER.pubkey(), lamports=10**12)))  # fmt: skip
    return ledger


def send(ledger: Ledger, signer: Keypair, *instructions: Instruction) -> None:
    blockhash = ledger.latest_blockhash(Commitment.PROCESSED)
    message = Message.new_with_blockhash(instructions, signer.pubkey(), blockhash)
    transaction = Transaction([signer], message, blockhash)
    record = ledger.transact(VersionedTransaction.from_bytes(bytes(transaction)))
    assert record.outcome.error is None


def make_history(stacks: int = 6) -> list[Executed]:
    """A region, `stacks` stacks deployed, updated and one deleted: several transactions share a slot."""
    ledger = open_ledger()
    owner = OWNER.pubkey()
    send(ledger, OWNER, program.initialize(owner))
    send(ledger, OWNER, program.create_provider(owner, "local"))
    history: list[Executed] = []

    def act(instruction: Instruction) -> None:
        send(ledger, OWNER, instruction)
        record = next(
            iter(ledger.transactions_of(REGION, Commitment.PROCESSED, before=None, until=None, limit=1))
        )
        account = ledger.account(REGION, Commitment.PROCESSED)
        assert account is not None
        history.append(Executed(str(record.signature), record.slot, record.outcome.logs, bytes(account.data)))
        if len(history) % 3 == 0:
            ledger.advance_slot(1_700_000_000)

    act(program.create_region(owner, 1, "local", "http://localhost"))
    for seed in range(stacks):
        act(program.deploy_stack(owner, REGION, seed, b"manifest %d" % seed))
    for seed in range(stacks):
        act(program.update_stack(owner, REGION, stack_address(REGION, owner, seed)[0], b"newer %d" % seed))
    act(program.delete_stack(owner, REGION, stack_address(REGION, owner, 0)[0]))
    return history


class HistoryReader:
    """A `ChainReader` of the first `visible` transactions of a history; `spoil` may fail any question."""

    def __init__(self, history: list[Executed], *, page_size: int = 1000) -> None:
        self.history = history
        self.visible = len(history)
        self.page_size = page_size
        self._listed = list(history)
        self.missing: set[str] = set()
        self.altered: dict[str, tuple[str, ...]] = {}
        self.spoil: Callable[[], None] = lambda: None

    async def account_data(self, address: str) -> bytes | None:
        self._ask()
        return self.history[self.visible - 1].account if address == SCOPE and self.visible else None

    async def signatures(self, address: str, before: str | None) -> list[SignatureInfo]:
        self._ask()
        newest_first = self._ordered()
        names = [executed.signature for executed in newest_first]
        start = names.index(before) + 1 if before is not None else 0
        return [
            SignatureInfo(executed.signature, executed.slot, failed=False)
            for executed in newest_first[start : start + self.page_size]
            if executed.signature not in self.missing
        ]

    async def transaction_logs(self, signature: str) -> TransactionLogs | None:
        self._ask()
        for executed in self.history[: self.visible]:
            if executed.signature == signature:
                logs = self.altered.get(signature, executed.logs)
                return TransactionLogs(executed.slot, failed=False, logs=logs)
        return None

    def _ordered(self) -> list[Executed]:
        visible = {executed.signature for executed in self.history[: self.visible]}
        return [executed for executed in reversed(self._listed) if executed.signature in visible]

    def shuffle_within_slots(self, randomness: random.Random) -> None:
        """List the transactions of each slot in another order than theirs."""
        self._listed.sort(key=lambda executed: (executed.slot, randomness.random()))

    def _ask(self) -> None:
        self.spoil()


def outage() -> None:
    """A `spoil` that fails every question."""
    raise ChainUnavailable("the RPC node is down")
