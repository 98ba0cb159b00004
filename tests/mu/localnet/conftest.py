"""A ledger on an engine in memory, ways to write transactions, and an RPC caller without a network."""

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction, VersionedTransaction

from events.engine.memory import MemoryEngine
from mu.config import RpcLimits
from mu.localnet.commitment import Commitment
from mu.localnet.ledger import Ledger
from mu.localnet.rpc import RpcEndpoint
from mu.localnet.writer import LedgerWriter

GENESIS_TIME = 1_800_000_000


def keypair(number: int) -> Keypair:
    return Keypair.from_seed(bytes([number]) * 32)


def address(number: int) -> Pubkey:
    return keypair(number).pubkey()


class Chain:
    """A ledger with shorthand for what tests do to it."""

    def __init__(self, engine: MemoryEngine, **options: Any) -> None:
        self.engine = engine
        self.ledger = Ledger.open(engine, {}, seed=b"seed", now=lambda: GENESIS_TIME, **options)

    def reopened(self, **options: Any) -> "Chain":
        return Chain(self.engine, **options)

    def signed(
        self,
        *instructions: Instruction,
        payer: Keypair | None = None,
        blockhash: Hash | None = None,
        versioned: bool = False,
    ) -> VersionedTransaction:
        payer = payer or self.ledger.faucet
        blockhash = blockhash or self.ledger.latest_blockhash(Commitment.PROCESSED)
        if versioned:
            message = MessageV0.try_compile(payer.pubkey(), list(instructions), [], blockhash)
            return VersionedTransaction(message, [payer])
        legacy = Message.new_with_blockhash(list(instructions), payer.pubkey(), blockhash)
        return VersionedTransaction.from_legacy(Transaction([payer], legacy, blockhash))

    def transfer(
        self,
        to: Pubkey,
        lamports: int,
        *,
        payer: Keypair | None = None,
        blockhash: Hash | None = None,
        versioned: bool = False,
    ) -> VersionedTransaction:
        source = (payer or self.ledger.faucet).pubkey()
        instruction = transfer(TransferParams(from_pubkey=source, to_pubkey=to, lamports=lamports))
        return self.signed(instruction, payer=payer, blockhash=blockhash, versioned=versioned)

    def advance(self, slots: int = 1) -> None:
        for _ in range(slots):
            self.ledger.advance_slot(self.ledger.unix_timestamp + 1)

    def lamports(self, of: Pubkey, commitment: Commitment = Commitment.PROCESSED) -> int:
        account = self.ledger.account(of, commitment)
        return 0 if account is None else account.lamports


class Rpc:
    """Calls methods as a client does, but for the sockets."""

    def __init__(self, ledger: Ledger) -> None:
        self.endpoint = RpcEndpoint(ledger, LedgerWriter(ledger), RpcLimits())
        self._identifiers = itertools.count(1)

    async def raw(self, body: bytes) -> Any:
        answer = await self.endpoint.answer(body)
        return msgspec.json.decode(answer) if answer else None

    async def call(self, method: str, *params: Any) -> Any:
        identifier = next(self._identifiers)
        body = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
        answer = await self.raw(msgspec.json.encode(body))
        assert answer["id"] == identifier
        return answer

    async def result(self, method: str, *params: Any) -> Any:
        return (await self.call(method, *params))["result"]

    async def value(self, method: str, *params: Any) -> Any:
        return (await self.result(method, *params))["value"]

    async def error(self, method: str, *params: Any) -> Any:
        return (await self.call(method, *params))["error"]


@pytest.fixture
def chain() -> Chain:
    return Chain(MemoryEngine())


@pytest.fixture
def rpc(chain: Chain) -> Rpc:
    return Rpc(chain.ledger)


@pytest.fixture
def person() -> Callable[[int], Keypair]:
    return keypair
