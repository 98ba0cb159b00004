"""Sending to a node that drops transactions, loses answers, lags and refuses, under a clock that jumps."""

import itertools
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import trio
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment, Confirmed, Finalized
from solana.rpc.core import RPCException
from solana.rpc.types import TxOpts
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.rpc.responses import (
    GetEpochInfoResp,
    GetSignatureStatusesResp,
    GetTransactionResp,
    SendTransactionResp,
)
from solders.signature import Signature
from solders.transaction import Transaction
from trio.testing import MockClock

from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from contract.program_errors import EscrowTooLow, NothingChanges
from events.chain.rpc import ChainUnavailable, RpcChainReader
from mu.refusals import InsufficientLamports, InsufficientTokens, TransactionFailed
from mu.sending import RESEND_SECONDS, Confirmation, NotConfirmed, Sender, TransactionExpired

SLOT_SECONDS = 0.4
LAST_VALID_BLOCK_HEIGHT = 150
CONFIRM_SECONDS = 150.0
TIMEOUT_SECONDS = 5.0
SKIPPED_SLOTS = 1_000
"""Slots without a block: the slot is ahead of the block height by so many."""

KEYPAIR = Keypair.from_seed(bytes(32))
TRANSACTION = Transaction(
    [KEYPAIR], Message.new_with_blockhash([Instruction(PROGRAM_ID, b"", [])], KEYPAIR.pubkey(), Hash.default()),
    Hash.default(),
)  # fmt: skip
SIGNATURE = TRANSACTION.signatures[0]

TOO_LOW: Any = {"InstructionError": [0, {"Custom": EscrowTooLow.code}]}
Answer = Callable[["Node"], None]


def take(node: "Node") -> None:
    """Take it into a block, and say so."""
    node.landed_at = node.landed_at if node.landed_at is not None else trio.current_time()


def drop(node: "Node") -> None:
    """Say that it was taken, and forget it."""


def refuse(error: Any) -> Answer:
    def answer(node: "Node") -> None:
        raise_rpc_error(-32002, {"err": error, "logs": [], "accounts": None, "unitsConsumed": 0})

    return answer


def result(kind: Any, value: Any) -> Any:
    """solders' answer of a kind with this result."""
    return kind.from_json(json.dumps({"jsonrpc": "2.0", "id": 0, "result": value}))


def raise_rpc_error(code: int, data: Any) -> None:
    error = {"code": code, "message": "no", "data": data}
    raise RPCException(SendTransactionResp.from_json(json.dumps({"jsonrpc": "2.0", "id": 0, "error": error})))


def lose(node: "Node") -> None:
    """Give no answer."""
    raise SolanaRpcException(TimeoutError(), lose, node, "body")


def take_and_lose(node: "Node") -> None:
    take(node)
    lose(node)


class Node(AsyncClient):
    """A node that does with each transaction it is sent the next of `answers`, then `drop`."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__("http://node")
        self.answers = iter(answers)
        self.sent: list[tuple[float, bytes]] = []
        self.landed_at: float | None = None
        self.error: Any = None
        self.logs: list[str] | None = []
        self.forks: Iterator[Any] = iter(())
        """What is said of it, in place of the truth, at the next looks."""
        self.lag_slots = 0
        self.looks = 0
        self.down_from = float("inf")

    def slot(self) -> int:
        return int(trio.current_time() / SLOT_SECONDS) + SKIPPED_SLOTS

    async def send_raw_transaction(self, txn: bytes, opts: TxOpts | None = None) -> SendTransactionResp:
        assert opts is not None
        assert (opts.skip_confirmation, opts.skip_preflight) == (True, False)
        self.sent.append((trio.current_time(), txn))
        next(self.answers, drop)(self)
        return SendTransactionResp(SIGNATURE)

    async def get_signature_statuses(
        self, signatures: Iterable[Signature], search_transaction_history: bool = False
    ) -> GetSignatureStatusesResp:
        assert list(signatures) == [SIGNATURE]
        self.looks += 1
        if trio.current_time() >= self.down_from:
            lose(self)
        status = next(self.forks, None)
        if status is None and self.landed_at is not None:
            elapsed_slots = int((trio.current_time() - self.landed_at) / SLOT_SECONDS) - self.lag_slots
            status = self._status(elapsed_slots) if elapsed_slots >= 1 else None
        context = {"apiVersion": "2.2.0", "slot": self.slot() - self.lag_slots}
        return result(GetSignatureStatusesResp, {"context": context, "value": [status or None]})

    def _status(self, elapsed_slots: int) -> Any:
        level = "processed" if elapsed_slots < 3 else "confirmed" if elapsed_slots < 32 else "finalized"
        return status(level, self.error)

    async def get_epoch_info(self, commitment: Commitment | None = None) -> GetEpochInfoResp:
        info = {
            "absoluteSlot": self.slot(), "blockHeight": self.slot() - SKIPPED_SLOTS, "epoch": 0, "slotIndex": 0,
            "slotsInEpoch": 432_000, "transactionCount": 0,
        }  # fmt: skip
        return result(GetEpochInfoResp, info)

    async def get_transaction(self, *arguments: Any, **options: Any) -> GetTransactionResp:
        if self.logs is None:
            lose(self)
        meta = {"err": self.error, "status": {"Err": self.error}, "fee": 0, "preBalances": [], "postBalances": [],
                "logMessages": self.logs}  # fmt: skip
        found = {
            "slot": 9,
            "blockTime": None,
            "transaction": [b64encode(bytes(TRANSACTION)).decode(), "base64"],
            "meta": meta,
        }
        return result(GetTransactionResp, found)


def status(level: str, error: Any) -> Any:
    return {"confirmationStatus": level, "confirmations": 1, "err": error, "slot": 9,
            "status": {"Ok": None} if error is None else {"Err": error}}  # fmt: skip


def sender(node: Node, commitment: Commitment = Confirmed) -> Sender:
    reader = RpcChainReader(node, timeout_seconds=TIMEOUT_SECONDS, commitment=commitment)
    return Sender(node, reader, commitment=commitment, confirm_seconds=CONFIRM_SECONDS, poll_seconds=0.05)


async def send(node: Node, commitment: Commitment = Confirmed) -> Confirmation:
    return await sender(node, commitment).send(TRANSACTION, LAST_VALID_BLOCK_HEIGHT)


CONFIRMATION = Confirmation(str(SIGNATURE), 9)


async def test_sent_once_and_confirmed(autojump_clock: MockClock):
    node = Node(take)
    assert await send(node) == CONFIRMATION
    assert node.sent == [(0, bytes(TRANSACTION))]
    assert 3 * SLOT_SECONDS <= trio.current_time() < 4 * SLOT_SECONDS


async def test_finalized_is_waited_for_where_it_is_wanted(autojump_clock: MockClock):
    node = Node(take)
    assert await send(node, Finalized) == CONFIRMATION
    assert 32 * SLOT_SECONDS <= trio.current_time() < 35 * SLOT_SECONDS
    assert len(node.sent) == 1


async def test_a_dropped_one_is_sent_again_the_same_one(autojump_clock: MockClock):
    node = Node(drop, drop, drop, take)
    assert await send(node) == CONFIRMATION
    assert {data for _, data in node.sent} == {bytes(TRANSACTION)}
    times = [time for time, _ in node.sent]
    assert len(times) == 4
    for earlier, later in itertools.pairwise(times):
        assert RESEND_SECONDS <= later - earlier < RESEND_SECONDS + 1.1


async def test_one_that_is_never_taken_expires_and_not_before_its_blockhash(autojump_clock: MockClock):
    node = Node()
    with pytest.raises(TransactionExpired, match="try again"):
        await send(node)
    assert {data for _, data in node.sent} == {bytes(TRANSACTION)}
    expiry = LAST_VALID_BLOCK_HEIGHT * SLOT_SECONDS
    assert expiry < trio.current_time() < expiry + 4
    assert node.looks < 120


async def test_one_that_is_taken_in_the_last_block_is_not_lost_though_the_node_that_is_asked_lags(
    autojump_clock: MockClock,
):
    node = Node()
    node.landed_at = (LAST_VALID_BLOCK_HEIGHT - 1) * SLOT_SECONDS
    node.lag_slots = 30
    assert await send(node) == CONFIRMATION


async def test_a_node_that_lags_cannot_say_that_it_is_lost(autojump_clock: MockClock):
    node = Node()
    node.lag_slots = 30
    with pytest.raises(NotConfirmed):
        await send(node)


@pytest.mark.parametrize("answer", [take_and_lose, lambda node: (take(node), raise_rpc_error(-32603, None))])
async def test_a_lost_answer_is_not_a_failure(answer: Answer, autojump_clock: MockClock):
    node = Node(answer)
    assert await send(node) == CONFIRMATION
    assert len(node.sent) == 1


async def test_a_lost_question_is_asked_again(autojump_clock: MockClock):
    node = Node(lose, lose, take)
    assert await send(node) == CONFIRMATION
    assert len(node.sent) == 3


async def test_a_refusal_is_told_at_once(autojump_clock: MockClock):
    node = Node(refuse(TOO_LOW))
    with pytest.raises(EscrowTooLow):
        await send(node)
    assert (len(node.sent), node.looks, trio.current_time()) == (1, 0, 0)


async def test_a_refusal_of_what_may_have_been_taken_waits_until_it_cannot_be(autojump_clock: MockClock):
    node = Node(lose, refuse(TOO_LOW))
    with pytest.raises(EscrowTooLow):
        await send(node)
    assert trio.current_time() > LAST_VALID_BLOCK_HEIGHT * SLOT_SECONDS


async def test_a_refusal_of_what_was_taken_is_forgotten(autojump_clock: MockClock):
    lagging = Node(take_and_lose, refuse("AccountNotFound"))
    lagging.forks = iter([False] * 20)
    assert await send(lagging) == CONFIRMATION
    assert len(lagging.sent) > 1


async def test_a_node_that_takes_none_now_has_taken_none(autojump_clock: MockClock):
    node = Node(lambda node: raise_rpc_error(-32005, {"numSlotsBehind": 42}))
    with pytest.raises(ChainUnavailable, match="takes no transactions"):
        await send(node)


async def test_a_node_that_takes_none_for_a_while(autojump_clock: MockClock):
    later = Node(lose, lambda node: raise_rpc_error(-32005, {"numSlotsBehind": 42}), take)
    assert await send(later) == CONFIRMATION


@pytest.mark.parametrize("error", ["BlockhashNotFound", "AlreadyProcessed"])
async def test_a_node_that_does_not_know_the_blockhash_yet_or_has_the_transaction(
    error: str, autojump_clock: MockClock
):
    node = Node(refuse(error), refuse(error), take)
    assert await send(node) == CONFIRMATION
    assert len(node.sent) == 3


async def test_a_failure_on_a_fork_that_dies_is_none(autojump_clock: MockClock):
    node = Node(take)
    node.forks = iter([status("processed", TOO_LOW)] * 12)
    assert await send(node) == CONFIRMATION
    assert len(node.sent) == 1


@pytest.mark.parametrize(
    ("error", "logs", "expected"),
    [
        (TOO_LOW, [f"Program {PROGRAM_ID} failed: custom program error: 0x1791"], EscrowTooLow),
        (TOO_LOW, None, EscrowTooLow),
        ({"InstructionError": [0, {"Custom": NothingChanges.code}]}, [], NothingChanges),
        (
            {"InstructionError": [0, {"Custom": 1}]},
            [f"Program {TOKEN_PROGRAM_ID} failed: custom program error: 0x1"],
            InsufficientTokens,
        ),
        ({"InstructionError": [0, {"Custom": 1}]}, None, TransactionFailed),
        ({"InsufficientFundsForRent": {"account_index": 0}}, [], InsufficientLamports),
    ],
)
async def test_what_fails_in_a_block(
    error: Any, logs: list[str] | None, expected: type[Exception], autojump_clock: MockClock
):
    node = Node(take)
    node.error, node.logs = error, logs
    with pytest.raises(expected) as caught:
        await send(node)
    assert type(caught.value) is expected
    assert trio.current_time() >= 3 * SLOT_SECONDS


async def test_when_the_node_falls_silent_nobody_knows(autojump_clock: MockClock):
    node = Node(drop)
    node.down_from = 1.0
    with pytest.raises(NotConfirmed, match=f"{SIGNATURE} is not confirmed after 150 s, but may still be"):
        await send(node)
    assert trio.current_time() == pytest.approx(CONFIRM_SECONDS)


async def test_an_outage_in_between_is_waited_out(autojump_clock: MockClock):
    node = Node(take)
    node.down_from = 0.0

    async with trio.open_nursery() as nursery:

        async def come_back() -> None:
            await trio.sleep(30)
            node.down_from = float("inf")

        nursery.start_soon(come_back)
        assert await send(node) == CONFIRMATION
    assert 30 <= trio.current_time() < 33


async def test_one_that_somebody_else_sends(autojump_clock: MockClock):
    node = Node()
    node.landed_at = 5.0
    assert await sender(node).confirm(SIGNATURE) == CONFIRMATION
    assert node.sent == []


async def test_one_that_nobody_sends(autojump_clock: MockClock):
    node = Node()
    with pytest.raises(NotConfirmed):
        await sender(node).confirm(SIGNATURE)
