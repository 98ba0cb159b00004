"""A region's true history, made by the program itself, and a reader of it that can misbehave."""

import random
from collections.abc import Callable, Sequence

import msgspec
import trio
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import (
    CreateAccountWithSeedParams,
    TransferParams,
    create_account_with_seed,
    transfer,
)
from solders.transaction import Transaction, VersionedTransaction

from contract import client as program
from contract import tokens
from contract.addresses import (
    PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    associated_token_address,
    provider_address,
    region_address,
    stack_address,
)
from contract.terms import Prices, Terms
from events.catalogue import Finality
from events.chain.reader import (
    AccountAnswer,
    AccountsAnswer,
    ChainTransaction,
    ChainUnavailable,
    SignatureInfo,
)
from events.engine import Engine
from events.engine.memory import MemoryEngine
from mu.localnet.commitment import Commitment
from mu.localnet.history import TransactionRecord
from mu.localnet.ledger import Ledger

OWNER = Keypair.from_seed(bytes([7] * 32))
PROVIDER = provider_address(OWNER.pubkey())[0]
REGION = region_address(PROVIDER, 1)[0]
SCOPE = str(REGION)
MINT = Pubkey.create_with_seed(OWNER.pubkey(), "mint", TOKEN_PROGRAM_ID)
MINT_LAMPORTS = 10**7
TOKENS = associated_token_address(OWNER.pubkey(), MINT)
SLOTS_PER_SECOND = 2.5
TERMS = Terms(minimum_escrow=0, max_instructions_per_call=1, notice_seconds=1, prices=Prices())
"""The escrow needs no money, so that the tests do not either."""


class Executed(msgspec.Struct, frozen=True):
    """A transaction that touched the region, and the region's account after it."""

    signature: str
    slot: int
    logs: tuple[str, ...]
    account: bytes


def open_ledger(engine: Engine) -> Ledger:
    """A chain with the program, and funds for the owner."""
    ledger = Ledger.open(
        engine, {PROGRAM_ID: program.program_bytes()}, seed=bytes(32), now=lambda: 1_700_000_000.0
    )
    send(ledger, ledger.faucet, transfer(TransferParams(
        from_pubkey=ledger.faucet.pubkey(), to_pubkey=OWNER.pubkey(), lamports=10**12)))  # fmt: skip
    return ledger


def send(ledger: Ledger, signer: Keypair, *instructions: Instruction) -> TransactionRecord:
    """Execute one transaction, which must not fail."""
    blockhash = ledger.latest_blockhash(Commitment.PROCESSED)
    message = Message.new_with_blockhash(instructions, signer.pubkey(), blockhash)
    transaction = Transaction([signer], message, blockhash)
    record = ledger.transact(VersionedTransaction.from_bytes(bytes(transaction)))
    assert record.outcome.error is None
    return record


def set_up_tokens() -> list[list[Instruction]]:
    """The transactions that come before the Marketplace: its mint, and the owner's token account."""
    owner = OWNER.pubkey()
    create_mint = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=owner,
            to_pubkey=MINT,
            base=owner,
            seed="mint",
            lamports=MINT_LAMPORTS,
            space=tokens.MINT_BYTES,
            owner=TOKEN_PROGRAM_ID,
        )
    )
    return [
        [create_mint, tokens.initialize_mint(MINT, owner, 6)],
        [tokens.create_associated_token_account(owner, owner, MINT)],
    ]


def set_up_region() -> list[Instruction]:
    """One transaction: the Marketplace, the owner's provider, authorized, and its region."""
    owner = OWNER.pubkey()
    return [
        program.initialize(
            owner, mint=MINT, commission_tokens=TOKENS, deposit=0, commission_millionths=0, notice_seconds=1
        ),
        program.create_provider_authorizer(owner, owner),
        program.create_provider(owner, "local", mint=MINT, owner_tokens=TOKENS, max_deposit=0),
        program.authorize_provider(owner, PROVIDER),
        program.create_region(owner, 1, "local", "http://localhost", TERMS),
    ]


class RegionWriter:
    """Makes a region, and what its owner does to it afterwards: `history`. The chain is in `engine`."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.history: list[Executed] = []
        self._ledger = open_ledger(engine or MemoryEngine())
        self._deployed = 0
        for instructions in set_up_tokens():
            send(self._ledger, OWNER, *instructions)
        self.act(*set_up_region())
        send(self._ledger, OWNER, program.create_escrow(OWNER.pubkey(), PROVIDER, mint=MINT))

    def act(self, *instructions: Instruction) -> None:
        """One transaction."""
        record = send(self._ledger, OWNER, *instructions)
        self.history.append(
            Executed(str(record.signature), record.slot, record.outcome.logs, self.account(REGION))
        )

    def account(self, address: Pubkey) -> bytes:
        """The data of an account as it stands."""
        account = self._ledger.account(address, Commitment.PROCESSED)
        assert account is not None
        return bytes(account.data)

    def deploy(self, manifest: bytes = b"manifest") -> Instruction:
        """Deploys a new stack."""
        self._deployed += 1
        return program.deploy_stack(OWNER.pubkey(), PROVIDER, REGION, self._deployed - 1, manifest)

    def update(self, seed: int, manifest: bytes = b"newer") -> Instruction:
        """Updates the stack that was deployed after `seed` others."""
        owner = OWNER.pubkey()
        return program.update_stack(owner, PROVIDER, REGION, stack_address(REGION, owner, seed)[0], manifest)

    def delete(self, seed: int) -> Instruction:
        """Deletes the stack that was deployed after `seed` others."""
        owner = OWNER.pubkey()
        return program.delete_stack(owner, PROVIDER, REGION, stack_address(REGION, owner, seed)[0])

    def next_slot(self) -> None:
        self._ledger.advance_slot(1_700_000_000)


def make_history(stacks: int = 6) -> list[Executed]:
    """A region, `stacks` stacks deployed and updated, and one deleted; several transactions share a slot.

    Each transaction holds one event of the region.
    """
    writer = RegionWriter()
    acts = [writer.deploy(b"manifest %d" % seed) for seed in range(stacks)]
    acts += [writer.update(seed, b"newer %d" % seed) for seed in range(stacks)]
    for place, instruction in enumerate([*acts, writer.delete(0)], 2):
        writer.act(instruction)
        if place % 3 == 0:
            writer.next_slot()
    return writer.history


def random_history(randomness: random.Random, transactions: int) -> list[Executed]:
    """A region to which all kinds of things happen, up to three in one transaction."""
    writer = RegionWriter()
    live: list[int] = []
    deployed = 0
    for _ in range(transactions):
        instructions: list[Instruction] = []
        for _ in range(randomness.randint(1, 3)):
            chosen = randomness.random()
            if not live or chosen < 0.5:
                instructions.append(writer.deploy())
                live.append(deployed)
                deployed += 1
            elif chosen < 0.8:
                instructions.append(writer.update(randomness.choice(live), randomness.randbytes(9)))
            else:
                instructions.append(writer.delete(live.pop(randomness.randrange(len(live)))))
        writer.act(*instructions)
        if randomness.random() < 0.4:
            writer.next_slot()
    return writer.history


class HistoryReader:
    """A `ChainReader` of the first `visible` transactions of a history; `spoil` may fail any question.

    Each is listed `copies` times; `missing` are not listed, `unread` are listed but not there, `altered` have other
    log lines than they had. Of the transactions, `finalized` are.
    """

    def __init__(self, history: list[Executed], *, page_size: int = 1000) -> None:
        self.history = history
        self.visible = len(history)
        self.finalized = 0
        self.page_size = page_size
        self.copies = 1
        self.missing: set[str] = set()
        self.unread: set[str] = set()
        self.altered: dict[str, tuple[str, ...]] = {}
        self.failed: list[SignatureInfo] = []
        self.spoil: Callable[[], None] = lambda: None
        self.doubts: list[str] = []
        self._listed = list(history)

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        self.spoil()
        visible = self.visible if finality is Finality.CONFIRMED else self.finalized
        data = self.history[visible - 1].account if address == SCOPE and visible else None
        slot = self.history[visible - 1].slot if visible else 0
        return AccountAnswer(slot + slots_passed(), data)

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        answers = [await self.account(address, finality) for address in addresses]
        return AccountsAnswer(answers[0].slot, tuple(answer.data for answer in answers))

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        self.spoil()
        visible = {executed.signature for executed in self.history[: self.visible]} - self.missing
        listed = [
            SignatureInfo(executed.signature, executed.slot, failed=False)
            for executed in self._listed
            if executed.signature in visible
        ]
        newest_first = sorted([*listed, *self.failed], key=lambda info: info.slot)[::-1]
        places = {info.signature: place for place, info in enumerate(newest_first)}
        start = places[before] + 1 if before is not None else 0
        page = newest_first[start : start + self.page_size]
        return [info for info in page for _ in range(self.copies)]

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        self.spoil()
        visible = self.visible if finality is Finality.CONFIRMED else self.finalized
        for executed in self.history[:visible]:
            if executed.signature == signature and signature not in self.unread:
                logs = self.altered.get(signature, executed.logs)
                return ChainTransaction(executed.slot, failed=False, logs=logs)
        return None

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        self.spoil()
        return None

    def doubt(self, problem: str) -> bool:
        self.doubts.append(problem)
        return False

    def shuffle_within_slots(self, randomness: random.Random) -> None:
        """List the transactions of each slot in another order than theirs."""
        self._listed.sort(key=lambda executed: (executed.slot, randomness.random()))


def slots_passed() -> int:
    """How many slots a chain comes further by the present time."""
    return int(trio.current_time() * SLOTS_PER_SECOND)


def outage() -> None:
    """A `spoil` that fails every question."""
    raise ChainUnavailable("the RPC node is down")
