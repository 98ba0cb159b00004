"""The chain itself: slots, accounts and transactions over LiteSVM, rebuilt from the journal on open."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Protocol, Self

import msgspec
from solders.account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from contract.errors import DecodeError, InvalidInput, MuError
from events.engine import Engine, EngineError, Unavailable
from mu.config import LedgerLimits
from mu.localnet.accounts import AccountVersions
from mu.localnet.blockhashes import BLOCKHASH_LIFETIME_SLOTS, RecentBlockhashes, blockhash_of
from mu.localnet.blocks import Blocks
from mu.localnet.commitment import Commitment
from mu.localnet.execution import execute
from mu.localnet.history import TransactionHistory, TransactionRecord
from mu.localnet.journal import Entry, Genesis, Journal, ProgramDeployed, TransactionAccepted
from mu.localnet.machine import Machine, MachinePanic, Outcome

FAUCET_LAMPORTS = 500_000_000 * 10**9


class TransactionRejected(MuError):
    """The transaction would not enter the chain; `outcome.error` says why, as Solana's JSON has it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"the transaction is rejected: {outcome.error}")
        self.outcome = outcome


class LedgerHalted(MuError):
    """A write to the journal ended in doubt; the ledger only reads until it is opened again."""


class SlotChanges(msgspec.Struct, frozen=True, eq=False):
    """The transactions of a slot, in order, and the accounts that they left changed (None: gone)."""

    slot: int
    records: list[TransactionRecord]
    accounts: dict[Pubkey, Account | None]


class LedgerListener(Protocol):
    """Told at once, in order, from the caller of `apply` and `advance_slot`; must not block or raise."""

    def transaction_executed(self, changes: SlotChanges) -> None:
        """One transaction has run in the processed slot; `changes` holds it alone."""
        ...

    def slot_advanced(self, slot: int) -> None:
        """`slot` is now the processed one."""
        ...


class Ledger:
    """The local chain, without network and without waiting.

    `transact` does the whole of a transaction in the calling thread. A server that must not wait for the disk
    calls `prepare`, then `append` in another thread, then `apply`, and lets nothing else write in between.
    """

    def __init__(self, journal: Journal, genesis: Genesis, limits: LedgerLimits) -> None:
        self._journal = journal
        self._limits = limits
        self._machine = Machine()
        self._genesis_unix_timestamp = genesis.unix_timestamp
        self._accounts = AccountVersions()
        self._history = TransactionHistory(limits.max_transactions_in_history)
        self._unfinalized: deque[SlotChanges] = deque()
        self._halted = False
        self.listeners: list[LedgerListener] = []
        self.genesis_hash = Hash(hashlib.sha256(b"mu genesis" + genesis.seed).digest())
        self.faucet = Keypair.from_seed(hashlib.sha256(b"mu faucet" + genesis.seed).digest())
        self.blocks = Blocks(self.genesis_hash, self._history, limits.max_block_times)
        self._blockhashes = RecentBlockhashes(self.genesis_hash)
        self._machine.set_account(self.faucet.pubkey(), Account(FAUCET_LAMPORTS, b"", Pubkey.default()))
        self.slot = 0
        self.unix_timestamp = genesis.unix_timestamp
        self._enter_slot(0, genesis.unix_timestamp)
        self._record_account(self.faucet.pubkey())

    @classmethod
    def open(
        cls,
        engine: Engine,
        programs: Mapping[Pubkey, bytes],
        *,
        seed: bytes,
        now: Callable[[], float],
        limits: LedgerLimits | None = None,
    ) -> Self:
        """Open the chain in `engine`, or begin one from `seed` at the Unix time `now()`.

        The slot continues after the last one that an earlier process may have used, the clock not before the
        last transaction. A program of `programs`
        whose code differs from the journal's replaces it from here on, like an upgrade; others stay.

        Raises EngineError, DecodeError for a damaged journal, InvalidInput for a program that is none.
        """
        journal = Journal(engine)
        unix_timestamp = max(0, int(now()))
        if journal.next_sequence == 0:
            journal.append(Genesis(seed, unix_timestamp))
        entries = journal.entries()
        genesis = next(entries)
        if not isinstance(genesis, Genesis):
            raise DecodeError("the chain's journal does not begin with its genesis")
        ledger = cls(journal, genesis, limits or LedgerLimits())
        deployed = ledger._replay(entries)
        if journal.next_sequence > 1 or journal.reserved_slot:
            ledger._enter_slot(max(ledger.slot, journal.reserved_slot) + 1, unix_timestamp)
        ledger._reserve()
        for program_id, code in programs.items():
            if deployed.get(bytes(program_id)) != hashlib.sha256(code).digest():
                ledger._deploy(program_id, code)
        return ledger

    def _replay(self, entries: Iterator[Entry]) -> dict[bytes, bytes]:
        deployed: dict[bytes, bytes] = {}
        self._machine.verify_signatures(False)
        for entry in entries:
            if isinstance(entry, ProgramDeployed):
                deployed[entry.program_id] = entry.code_sha256
            self.apply(entry)
        self._machine.verify_signatures(True)
        return deployed

    def _deploy(self, program_id: Pubkey, code: bytes) -> None:
        if not code.startswith(b"\x7fELF"):
            raise InvalidInput(f"programs[{program_id}]", "is not a compiled program (no ELF header)")
        try:
            Machine().add_program(program_id, code)
        except MachinePanic as error:
            raise InvalidInput(f"programs[{program_id}]", str(error)) from error
        digest = self._journal.store_code(code)
        entry = ProgramDeployed(self.slot, self.unix_timestamp, bytes(program_id), digest)
        self.append(entry)
        self.apply(entry)

    # Writing

    def transact(self, transaction: VersionedTransaction) -> TransactionRecord:
        """Run a transaction in the current slot, once it is durable. Raises as `prepare` and `append`."""
        entry = self.prepare(transaction)
        self.append(entry)
        record = self.apply(entry)
        assert record is not None
        return record

    def prepare(self, transaction: VersionedTransaction) -> TransactionAccepted:
        """Check that it would enter the chain. Raises TransactionRejected, MachinePanic, LedgerHalted."""
        self._check_running()
        outcome, _ = self.simulate(transaction, Commitment.PROCESSED)
        if not outcome.charged:
            raise TransactionRejected(outcome)
        return TransactionAccepted(self.slot, self.unix_timestamp, bytes(transaction))

    def append(self, entry: Entry) -> None:
        """Make `entry` durable; safe in another thread. Raises EngineError."""
        with self._halting():
            self._journal.append(entry)

    def apply(self, entry: Entry) -> TransactionRecord | None:
        """Carry out an entry that is durable: the same way now and on every replay."""
        if isinstance(entry, Genesis):
            raise DecodeError("the chain's journal has a second genesis")
        if entry.slot < self.slot:
            raise DecodeError(f"the chain's journal goes back from slot {self.slot} to {entry.slot}")
        if entry.slot > self.slot:
            self._enter_slot(entry.slot, entry.unix_timestamp)
        if isinstance(entry, ProgramDeployed):
            program_id = Pubkey(entry.program_id)
            self._machine.add_program(program_id, self._journal.code(entry.code_sha256))
            self._record_account(program_id)
            return None
        return self._execute(VersionedTransaction.from_bytes(entry.transaction))

    def needs_reservation(self) -> bool:
        """Whether `reserve` must run before the slot may advance."""
        return self.slot >= self._journal.reserved_slot

    def reserve(self) -> None:
        """Make durable that the coming slots are used; safe in another thread. Raises EngineError."""
        with self._halting():
            self._reserve()

    def _reserve(self) -> None:
        self._journal.reserve_slots(self.slot + self._limits.slots_per_reservation)

    def advance_slot(self, unix_timestamp: int) -> None:
        """Begin the next slot. The clock never goes back: an earlier time counts as the last one.

        Raises LedgerHalted, EngineError.
        """
        self._check_running()
        if self.needs_reservation():
            self.reserve()
        self._enter_slot(self.slot + 1, unix_timestamp)
        for listener in self.listeners:
            listener.slot_advanced(self.slot)

    def _check_running(self) -> None:
        if self._halted:
            raise LedgerHalted("the chain's journal is in doubt: open the ledger again")

    def _halting(self) -> "_Halting":
        return _Halting(self)

    def _enter_slot(self, slot: int, unix_timestamp: int) -> None:
        self.slot = slot
        self.unix_timestamp = max(self.unix_timestamp, unix_timestamp)
        self._machine.set_clock(slot, self.unix_timestamp, self._genesis_unix_timestamp)
        self._blockhashes.advance(slot)
        self.blocks.begin(slot, self.unix_timestamp)
        finalized = Commitment.FINALIZED.slot(slot)
        for changes in self._unfinalized:
            if changes.slot > finalized:
                break
            self._accounts.forget_before(finalized, changes.accounts)
        # The newest finalized slot stays: its notifications are sent after this.
        while self._unfinalized and self._unfinalized[0].slot < finalized:
            self._unfinalized.popleft()

    def _execute(self, transaction: VersionedTransaction) -> TransactionRecord:
        record, changed = execute(
            self._machine,
            transaction,
            index=self._history.total,
            slot=self.slot,
            unix_timestamp=self.unix_timestamp,
        )
        self._history.add(record, keep_from_slot=self.slot - BLOCKHASH_LIFETIME_SLOTS)
        for key in changed:
            self._record_account(key)
        self._changes_of_current_slot().records.append(record)
        for listener in self.listeners:
            listener.transaction_executed(SlotChanges(self.slot, [record], changed))
        return record

    def _record_account(self, address: Pubkey) -> None:
        account = self._machine.account(address)
        self._accounts.record(address, self.slot, account)
        self._changes_of_current_slot().accounts[address] = account

    def _changes_of_current_slot(self) -> SlotChanges:
        if not self._unfinalized or self._unfinalized[-1].slot != self.slot:
            self._unfinalized.append(SlotChanges(self.slot, [], {}))
        return self._unfinalized[-1]

    # Reading

    def simulate(
        self,
        transaction: VersionedTransaction,
        commitment: Commitment,
        *,
        verify_signatures: bool = True,
        replace_blockhash: bool = False,
    ) -> tuple[Outcome, dict[Pubkey, Account]]:
        """What a transaction would come to now, and the accounts that it would leave. Raises MachinePanic.

        Its blockhash must be known at `commitment`, as on a real node, unless it is to be replaced.
        """
        if not replace_blockhash:
            known = self._blockhashes.slot(transaction.message.recent_blockhash)
            if known is None or known > commitment.slot(self.slot):
                return Outcome(error="BlockhashNotFound", charged=False), {}
        if self._history.get(transaction.signatures[0]) is not None:
            return Outcome(error="AlreadyProcessed", charged=False), {}
        self._machine.verify_signatures(verify_signatures)
        try:
            return self._machine.simulate(transaction)
        finally:
            self._machine.verify_signatures(True)

    def account(self, address: Pubkey, commitment: Commitment) -> Account | None:
        """An account at a commitment; sysvars and the standard programs are always the newest."""
        if self._accounts.knows(address):
            return self._accounts.at(address, commitment.slot(self.slot))
        return self._machine.account(address)

    def program_accounts(self, owner: Pubkey, commitment: Commitment) -> Iterator[tuple[Pubkey, Account]]:
        """The accounts of a program that a transaction has written (or genesis)."""
        return self._accounts.owned_by(owner, commitment.slot(self.slot))

    def transaction(self, signature: Signature, commitment: Commitment) -> TransactionRecord | None:
        """A transaction that has reached a commitment and is still in the history."""
        record = self._history.get(signature)
        return record if record is not None and record.slot <= commitment.slot(self.slot) else None

    def transactions_of(
        self,
        address: Pubkey,
        commitment: Commitment,
        *,
        before: TransactionRecord | None,
        until: Signature | None,
        limit: int,
    ) -> list[TransactionRecord]:
        """Up to `limit` transactions that name `address`, newest first, between `before` and `until`."""
        newest_slot = commitment.slot(self.slot)

        def page() -> Iterator[TransactionRecord]:
            for record in self._history.newest_first(address):
                if record.signature == until:
                    return
                if record.slot <= newest_slot and (before is None or record.index < before.index):
                    yield record

        return list(islice(page(), limit))

    def changes(self, slot: int) -> SlotChanges | None:
        """What happened in a slot that is not older than the newest finalized one; None for nothing."""
        return next((changes for changes in self._unfinalized if changes.slot == slot), None)

    def latest_blockhash(self, commitment: Commitment) -> Hash:
        """The hash of the newest slot of a commitment; valid for 150 slots after that slot."""
        return blockhash_of(self.genesis_hash, commitment.slot(self.slot))

    def is_blockhash_valid(self, blockhash: Hash, commitment: Commitment) -> bool:
        """Whether a transaction with this hash could run at a commitment."""
        known = self._blockhashes.slot(blockhash)
        return known is not None and known <= commitment.slot(self.slot)

    @property
    def transaction_count(self) -> int:
        """How many transactions the chain has had."""
        return self._history.total

    def minimum_balance(self, data_bytes: int) -> int:
        """The lamports that exempt an account of this size from rent."""
        return self._machine.minimum_balance(data_bytes)

    def halt(self) -> None:
        """Refuse every further write."""
        self._halted = True


class _Halting:
    """Halts the ledger when a write ends in anything but success or `Unavailable`, which wrote nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, EngineError) and not isinstance(error, Unavailable):
            self._ledger.halt()
