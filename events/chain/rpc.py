"""What the follower asks of a chain: a port of three questions, and its adapter on `solana`'s AsyncClient.

The adapter raises `ChainUnavailable` for whatever keeps it from an answer: an answer not had is never an empty one.
"""

import json
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import httpx
import msgspec
import trio
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment, Confirmed
from solana.rpc.core import RPCException
from solders.errors import SerdeJSONError
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction_status import EncodedConfirmedTransactionWithStatusMeta

from contract.errors import MuError

MAX_SIGNATURES_PER_PAGE = 1000

T = TypeVar("T")


class ChainUnavailable(MuError):
    """The RPC node did not answer, or not usably; says nothing about the chain."""


class SignatureInfo(msgspec.Struct, frozen=True):
    """A transaction that touched an account: its signature, its slot, and whether it failed."""

    signature: str
    slot: int
    failed: bool


class TransactionLogs(msgspec.Struct, frozen=True):
    """The log lines of a transaction that was executed, and its slot."""

    slot: int
    failed: bool
    logs: tuple[str, ...]


class ChainReader(Protocol):
    """Reads a chain at one commitment. Every method raises `ChainUnavailable`."""

    async def account_data(self, address: str) -> bytes | None:
        """The data of an account, None when the chain has no such account."""
        ...

    async def signatures(self, address: str, before: str | None) -> list[SignatureInfo]:
        """A page of the transactions that touched `address`, newest first, from the one before `before` on."""
        ...

    async def transaction_logs(self, signature: str) -> TransactionLogs | None:
        """The log lines of a transaction, None when the node does not have it (yet, or any more)."""
        ...


class RpcChainReader:
    """The port on a JSON-RPC node. `timeout_seconds` bounds each question."""

    def __init__(
        self, client: AsyncClient, *, timeout_seconds: float, commitment: Commitment = Confirmed
    ) -> None:
        self._client = client
        self._commitment = commitment
        self._timeout_seconds = timeout_seconds

    async def account_data(self, address: str) -> bytes | None:
        """See `ChainReader.account_data`."""
        answer = await self.ask(
            self._client.get_account_info(Pubkey.from_string(address), self._commitment, encoding="base64")
        )
        with _reading():
            return bytes(answer.value.data) if answer.value is not None else None

    async def signatures(self, address: str, before: str | None) -> list[SignatureInfo]:
        """See `ChainReader.signatures`."""
        answer = await self.ask(
            self._client.get_signatures_for_address(
                Pubkey.from_string(address),
                before=Signature.from_string(before) if before is not None else None,
                limit=MAX_SIGNATURES_PER_PAGE,
                commitment=self._commitment,
            )
        )
        with _reading():
            return [
                SignatureInfo(str(info.signature), info.slot, info.err is not None) for info in answer.value
            ]

    async def transaction_logs(self, signature: str) -> TransactionLogs | None:
        """See `ChainReader.transaction_logs`."""
        answer = await self.ask(
            self._client.get_transaction(
                Signature.from_string(signature),
                encoding="base64",
                commitment=self._commitment,
                max_supported_transaction_version=0,
            )
        )
        with _reading():
            found: EncodedConfirmedTransactionWithStatusMeta | None = answer.value
            if found is None:
                return None
            meta = found.transaction.meta
            if meta is None or meta.log_messages is None:
                raise ChainUnavailable(f"the RPC node keeps no log lines for transaction {signature}")
            return TransactionLogs(found.slot, meta.err is not None, tuple(meta.log_messages))

    async def ask(self, question: Awaitable[T]) -> T:
        """The answer to a call of `AsyncClient`. Raises `ChainUnavailable`, whose cause an RPC error is."""
        try:
            with trio.fail_after(self._timeout_seconds), _reading():
                answer = await question
        except trio.TooSlowError:
            raise ChainUnavailable(
                f"the RPC node did not answer within {self._timeout_seconds:g} s"
            ) from None
        # solders gives an error whose code it does not know (a provider's own, as 429) as that number
        if isinstance(answer, int):
            raise ChainUnavailable(f"the RPC node gave an error (code {answer})")
        return answer


@contextmanager
def _reading() -> Generator[None]:
    """Makes `ChainUnavailable` of what the libraries raise, also when a part of an answer is first looked at."""
    try:
        yield
    except (
        SolanaRpcException,
        RPCException,
        httpx.HTTPError,
        SerdeJSONError,
        OSError,
        ValueError,
    ) as error:
        cause: Any = error.__cause__ or error
        raise ChainUnavailable(
            f"the RPC node gave no usable answer ({type(cause).__name__}: {cause})"
        ) from error
    except BaseException as error:
        # solders raises PanicException, a BaseException, on an answer it cannot read
        if type(error).__name__ == "PanicException":
            raise ChainUnavailable("the RPC node gave an answer that cannot be read") from error
        raise


def logs_subscription(address: str, commitment: str) -> bytes:
    """The JSON-RPC request that subscribes to the log lines of transactions that mention `address`."""
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "logsSubscribe",
        "params": [{"mentions": [address]}, {"commitment": commitment}],
    }
    return json.dumps(request).encode()
