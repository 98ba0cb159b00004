"""A Marketplace whose transactions a follower reads, with log lines cut short: by others, or as a test says."""

import itertools
from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from contract.addresses import PROGRAM_ID
from events.catalogue import ChainEvent, ChainSource, Finality
from events.chain.decode import chain_events
from events.chain.reader import (
    AccountAnswer,
    AccountsAnswer,
    ChainTransaction,
    Invocation,
    SignatureInfo,
    TokenAmounts,
)
from mu.localnet.token_balances import token_balances
from tests.contract.cluster import Cluster

MEMO = Instruction(Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"), b"", [])
"""Four log lines, for three bytes of a transaction."""
FULL = [MEMO] * 44
"""Fills the 10,000 bytes of log lines that a transaction may have."""
MAX_LOG_BYTES = 10_000
CUT = "Log truncated"
DATA_LINE = "Program data: "
CALLER = str(Pubkey(bytes([200] * 32)))


class Recorded(msgspec.Struct, frozen=True):
    """A transaction that succeeded: its accounts, what happened in full, and the events that it made."""

    signature: str
    keys: tuple[str, ...]
    transaction: ChainTransaction
    events: tuple[ChainEvent, ...]


class RecordingCluster(Cluster):
    """A cluster that keeps its transactions, with all their log lines. Each is in a slot of its own but those that
    happen while `same_slot`.
    """

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self.slot = 1
        self.same_slot = False
        super().__init__()
        self.svm = self.svm.with_log_bytes_limit(None)

    def result(
        self, instruction: Instruction, *signers: Keypair
    ) -> TransactionMetadata | FailedTransactionMetadata:
        return self.result_together([instruction], *signers)

    def result_together(
        self, instructions: Sequence[Instruction], *signers: Keypair
    ) -> TransactionMetadata | FailedTransactionMetadata:
        message = self.transaction(instructions, *signers).message
        before = self._token_amounts(message)
        result = super().result_together(instructions, *signers)
        if isinstance(result, TransactionMetadata):
            self._record(message, result, before)
        return result

    def act(self, *instructions: Instruction, signers: Sequence[Keypair | None] = ()) -> Recorded:
        """One transaction, which must succeed."""
        result = self.result_together(instructions, *(key for key in signers if key is not None))
        assert isinstance(result, TransactionMetadata), (result.err(), result.meta().logs())
        return self.recorded[-1]

    def truth(self, scope: Pubkey) -> list[ChainEvent]:
        """The events of a scope, in order."""
        return [event for _, event in self.found(scope)]

    def found(self, scope: Pubkey) -> list[tuple[ChainSource, ChainEvent]]:
        """The same, each with its source."""
        return [
            (ChainSource(one.transaction.slot, one.signature, index, Finality.CONFIRMED), event)
            for one in self.recorded
            for index, event in enumerate(one.events)
            if event.scope == str(scope)
        ]

    def _record(self, message: Message, result: TransactionMetadata, before: dict[str, int]) -> None:
        self.slot += not self.same_slot
        after = self._token_amounts(message)
        told = {
            address: TokenAmounts(before.get(address, 0), after.get(address, 0))
            for address in before.keys() | after.keys()
        }
        signature, logs = f"signature {len(self.recorded) + 1}", tuple(result.logs())
        found = chain_events(
            logs, program=str(PROGRAM_ID), slot=self.slot, signature=signature, finality=Finality.CONFIRMED
        )
        self.recorded.append(
            Recorded(
                signature,
                tuple(str(key) for key in message.account_keys),
                ChainTransaction(self.slot, False, logs, self.time(), invocations(message, result), told),
                tuple(event for _, event in found if isinstance(event, ChainEvent)),
            )
        )

    def _token_amounts(self, message: Message) -> dict[str, int]:
        told = token_balances(message, self.svm.get_account)
        return {str(message.account_keys[one.account_index]): one.amount for one in told}


class ClusterNode:
    """A `ChainReader` of a cluster, whose answers are as a validator's: log lines end where they are too many.

    Of transactions in `cut` so many events are to see. `alter` changes what is told of a transaction. Those of a slot
    are listed in an order of its own, as by a validator, which makes no promise about it.
    """

    def __init__(self, cluster: RecordingCluster) -> None:
        self.cluster = cluster
        self.cut: dict[str, int] = {}
        self.tells_tokens = True
        self.tells_blocks = True
        self.alter: Callable[[ChainTransaction], ChainTransaction] = lambda transaction: transaction

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        return AccountAnswer(self.cluster.slot, self._data(address))

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        return AccountsAnswer(self.cluster.slot, tuple(self._data(address) for address in addresses))

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        listed = [
            SignatureInfo(one.signature, one.transaction.slot, failed=False)
            for one in sorted(self.cluster.recorded, key=_disorder, reverse=True)
            if address in one.keys
        ]
        names = [info.signature for info in listed]
        return listed[names.index(before) + 1 :] if before is not None else listed

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        for one in self.cluster.recorded:
            if one.signature == signature:
                return self._told(one)
        return None

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        if not self.tells_blocks:
            return None
        return tuple(one.signature for one in self.cluster.recorded if one.transaction.slot == slot)

    def doubt(self, problem: str) -> bool:
        return False

    def _data(self, address: str) -> bytes | None:
        account = self.cluster.svm.get_account(Pubkey.from_string(address))
        return bytes(account.data) if account is not None and account.lamports else None

    def _told(self, one: Recorded) -> ChainTransaction:
        logs = truncated(one.transaction.logs)
        if (events := self.cut.get(one.signature)) is not None:
            logs = cut_after(one.transaction.logs, events)
        amounts = one.transaction.token_amounts if self.tells_tokens else {}
        return self.alter(msgspec.structs.replace(one.transaction, logs=logs, token_amounts=amounts))


def _disorder(one: Recorded) -> tuple[int, bytes]:
    return one.transaction.slot, sha256(one.signature.encode()).digest()


def truncated(logs: Sequence[str]) -> tuple[str, ...]:
    """The log lines that a validator keeps: of more than 10,000 bytes those that fit, and that there were more."""
    written, kept = 0, list[str]()
    for line in logs:
        if written + len(line) >= MAX_LOG_BYTES:
            if CUT not in kept:
                kept.append(CUT)
        else:
            written += len(line)
            kept.append(line)
    return tuple(kept)


def cut_after(logs: Sequence[str], events: int) -> tuple[str, ...]:
    """The log lines before the one with the event after so many."""
    places = [place for place, line in enumerate(logs) if line.startswith(DATA_LINE)]
    end = places[events] if events < len(places) else len(logs)
    return (*logs[:end], CUT)


def invoked_by_another(transaction: ChainTransaction) -> ChainTransaction:
    """The same instructions, each invoked by another program."""
    assert transaction.instructions is not None
    inner: list[Invocation] = []
    for one in transaction.instructions:
        if one.height == 1:
            inner.append(Invocation(CALLER, one.accounts, b"\1" + one.data))
        inner.append(msgspec.structs.replace(one, height=one.height + 1))
    return msgspec.structs.replace(transaction, instructions=tuple(inner))


def invocations(message: Message, result: TransactionMetadata) -> tuple[Invocation, ...]:
    """The instructions of a transaction, top-level and inner, as they were executed."""
    keys = [str(key) for key in message.account_keys]
    found: list[Invocation] = []
    for one, group in itertools.zip_longest(message.instructions, result.inner_instructions(), fillvalue=()):
        calls = [(one, 1), *((inner.instruction(), inner.stack_height()) for inner in group)]
        found += [
            Invocation(
                keys[call.program_id_index],
                tuple(keys[place] for place in bytes(call.accounts)),
                bytes(call.data),
                height,
            )
            for call, height in calls
        ]
    return tuple(found)
