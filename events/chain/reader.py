"""What the follower asks of a chain: a port of a few questions. An answer not had is never an empty one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from contract.errors import MuError
from events.catalogue import Finality

MAX_ACCOUNTS_PER_QUESTION = 100
"""What a node answers at once (`getMultipleAccounts`)."""


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


class AccountsAnswer(msgspec.Struct, frozen=True):
    """Accounts as of one slot, all of it; None for one that the chain does not have there."""

    slot: int
    data: tuple[bytes | None, ...]


class SignatureInfo(msgspec.Struct, frozen=True):
    """A transaction that touched an account: its signature, its slot, and whether it failed."""

    signature: str
    slot: int
    failed: bool


class Invocation(msgspec.Struct, frozen=True):
    """An instruction that was executed: its program, its accounts (base58), and its data.

    `height` is 1 for an instruction of the transaction, 2 for one that such a one has invoked, and so on.
    """

    program: str
    accounts: tuple[str, ...]
    data: bytes
    height: int = 1


class TokenAmounts(msgspec.Struct, frozen=True):
    """What a token account held before and after a transaction, in base units of its mint."""

    before: int
    after: int


class ChainTransaction(msgspec.Struct, frozen=True):
    """A transaction that was executed: its slot, its log lines, and its instructions in order of execution.

    `block_time` (seconds since 1970) is the chain's clock in its slot, where the node knows it. `instructions` is None
    where the node did not tell the inner ones; `token_amounts` has, by address, those of the transaction's token
    accounts that the node has told.
    """

    slot: int
    failed: bool
    logs: tuple[str, ...]
    block_time: int | None = None
    instructions: tuple[Invocation, ...] | None = None
    token_amounts: Mapping[str, TokenAmounts] = {}


class ChainReader(Protocol):
    """Reads a chain, at the finality that each question names. Every method but `doubt` raises `ChainUnavailable`."""

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        """An account."""
        ...

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        """Up to `MAX_ACCOUNTS_PER_QUESTION` accounts, all as of the same slot."""
        ...

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        """A page of the transactions that touched `address`, newest first, from the one before `before` on."""
        ...

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        """A transaction, None when the node does not have it (yet, or any more)."""
        ...

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        """The signatures of a slot's transactions in the order of execution; None where the node does not tell."""
        ...

    def doubt(self, problem: str) -> bool:
        """The last answers do not fit what is known. Returns whether other nodes are asked from now on."""
        ...
