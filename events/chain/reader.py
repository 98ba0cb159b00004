"""What the follower asks of a chain: a port of three questions. An answer not had is never an empty one."""

from typing import Protocol

import msgspec

from contract.errors import MuError
from events.catalogue import Finality


class ChainUnavailable(MuError):
    """The RPC node did not answer, or not usably; says nothing about the chain.

    `retry_after_seconds` is how long it asked to be left alone, if it did.
    """

    def __init__(self, problem: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_seconds = retry_after_seconds


class AccountAnswer(msgspec.Struct, frozen=True):
    """An account as of a slot; `data` is None when the chain has no such account there."""

    slot: int
    data: bytes | None


class SignatureInfo(msgspec.Struct, frozen=True):
    """A transaction that touched an account: its signature, its slot, and whether it failed."""

    signature: str
    slot: int
    failed: bool


class Invocation(msgspec.Struct, frozen=True):
    """An instruction that was executed, top-level or inner: its program, its accounts (base58), and its data."""

    program: str
    accounts: tuple[str, ...]
    data: bytes


class ChainTransaction(msgspec.Struct, frozen=True):
    """A transaction that was executed: its slot, its log lines, and its instructions in order of execution.

    `block_time` (seconds since 1970) is the chain's clock in its slot, where the node knows it. `instructions` is None
    where the node did not tell the inner ones.
    """

    slot: int
    failed: bool
    logs: tuple[str, ...]
    block_time: int | None = None
    instructions: tuple[Invocation, ...] | None = None


class ChainReader(Protocol):
    """Reads a chain, at the finality that each question names. Every method but `doubt` raises `ChainUnavailable`."""

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        """An account."""
        ...

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        """A page of the transactions that touched `address`, newest first, from the one before `before` on."""
        ...

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        """A transaction, None when the node does not have it (yet, or any more)."""
        ...

    def doubt(self, problem: str) -> bool:
        """The last answers do not fit what is known. Returns whether other nodes are asked from now on."""
        ...
