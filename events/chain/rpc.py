"""The port of `events.chain.reader` on `solana`'s AsyncClient.

It raises `ChainUnavailable` for whatever keeps it from an answer. Its text names the node by host and port alone: the
rest of a URL may hold credentials.
"""

import json
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import trio
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment, Confirmed
from solana.rpc.core import RPCException
from solders.commitment_config import CommitmentLevel
from solders.errors import SerdeJSONError
from solders.pubkey import Pubkey
from solders.rpc.config import RpcBlockConfig
from solders.rpc.requests import GetBlock
from solders.rpc.responses import GetBlockResp
from solders.signature import Signature
from solders.transaction_status import TransactionDetails

from events.catalogue import Finality
from events.chain.instructions import transaction_of
from events.chain.reader import (
    AccountAnswer,
    AccountsAnswer,
    ChainReader,
    ChainTransaction,
    ChainUnavailable,
    SignatureInfo,
)

__all__ = [
    "AccountAnswer",
    "AccountsAnswer",
    "ChainReader",
    "ChainTransaction",
    "ChainUnavailable",
    "RpcChainReader",
    "SignatureInfo",
    "host_of",
    "logs_subscription",
]

MAX_SIGNATURES_PER_PAGE = 1000
_LEVELS = {
    Finality.CONFIRMED: CommitmentLevel.Confirmed,
    Finality.FINALIZED: CommitmentLevel.Finalized,
}
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}

T = TypeVar("T")
R = TypeVar("R")


class RpcChainReader:
    """The port on one JSON-RPC node. `timeout_seconds` bounds each question."""

    def __init__(
        self, client: AsyncClient, *, timeout_seconds: float, commitment: Commitment = Confirmed
    ) -> None:
        self._client = client
        # AsyncClient has neither its URL nor a way to ask for a block's signatures alone
        self._provider = client._provider  # pyright: ignore[reportPrivateUsage]
        self._url = str(self._provider.endpoint_uri)
        self._node = f"the RPC node {host_of(self._url)}"
        self._commitment = commitment
        self._timeout_seconds = timeout_seconds

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        """See `ChainReader.account`."""
        return await self.read(
            self._client.get_account_info(
                Pubkey.from_string(address), Commitment(finality.value), encoding="base64"
            ),
            lambda answer: AccountAnswer(
                answer.context.slot, bytes(answer.value.data) if answer.value is not None else None
            ),
        )

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        """See `ChainReader.accounts`."""
        answer = await self.read(
            self._client.get_multiple_accounts(
                [Pubkey.from_string(address) for address in addresses], Commitment(finality.value), "base64"
            ),
            lambda answer: AccountsAnswer(
                answer.context.slot,
                tuple(bytes(one.data) if one is not None else None for one in answer.value),
            ),
        )
        if len(answer.data) != len(addresses):
            raise ChainUnavailable(
                f"{self._node} answered for {len(answer.data)} of {len(addresses)} accounts"
            )
        return answer

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        """See `ChainReader.signatures`."""
        return await self.read(
            self._client.get_signatures_for_address(
                Pubkey.from_string(address),
                before=Signature.from_string(before) if before is not None else None,
                limit=MAX_SIGNATURES_PER_PAGE,
                commitment=Commitment(finality.value),
            ),
            lambda answer: [
                SignatureInfo(str(info.signature), info.slot, info.err is not None) for info in answer.value
            ],
        )

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        """See `ChainReader.transaction`."""
        return await self._transaction(signature, Commitment(finality.value))

    async def transaction_logs(self, signature: str) -> ChainTransaction | None:
        """A transaction at the reader's own commitment, None when the node does not have it."""
        return await self._transaction(signature, self._commitment)

    async def _transaction(self, signature: str, commitment: Commitment) -> ChainTransaction | None:
        return await self.read(
            self._client.get_transaction(
                Signature.from_string(signature),
                encoding="base64",
                commitment=commitment,
                max_supported_transaction_version=0,
            ),
            lambda answer: None if answer.value is None else transaction_of(signature, answer.value),
        )

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        """See `ChainReader.block`."""
        request = GetBlock(
            slot,
            RpcBlockConfig(
                transaction_details=TransactionDetails.Signatures,
                rewards=False,
                commitment=_LEVELS[finality],
                max_supported_transaction_version=0,
            ),
        )
        try:
            return await self.read(
                self._provider.make_request(request, GetBlockResp),
                _block_signatures,
            )
        except ChainUnavailable as unavailable:
            # a node that has no such block, or no such method, has answered all the same
            if isinstance(unavailable.__cause__, RPCException):
                return None
            raise

    def doubt(self, problem: str) -> bool:
        """See `ChainReader.doubt`: there is no other node."""
        return False

    async def read(self, question: Awaitable[T], part: Callable[[T], R]) -> R:
        """What `part` takes out of the answer to a call of `AsyncClient`. Raises as `ask` does.

        Answers are read when their parts are looked at, so an unusable one may show itself only there.
        """
        answer = await self.ask(question)
        with self._reading():
            return part(answer)

    async def ask(self, question: Awaitable[T]) -> T:
        """The answer to a call of `AsyncClient`. Raises `ChainUnavailable`, whose cause an RPC error is."""
        try:
            with trio.fail_after(self._timeout_seconds), self._reading():
                answer = await question
        except trio.TooSlowError:
            raise ChainUnavailable(
                f"{self._node} did not answer within {self._timeout_seconds:g} s"
            ) from None
        # solders gives an error whose code it does not know (a provider's own, as 429) as that number
        if isinstance(answer, int):
            raise ChainUnavailable(f"{self._node} gave an error (code {answer})")
        return answer

    @contextmanager
    def _reading(self) -> Generator[None]:
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
                f"{self._node} gave no usable answer ({self._reason(cause)})",
                retry_after_seconds=_retry_after_seconds(cause),
            ) from error
        except BaseException as error:
            # solders raises PanicException, a BaseException, on an answer it cannot read
            if type(error).__name__ == "PanicException":
                raise ChainUnavailable(f"{self._node} gave an answer that cannot be read") from error
            raise

    def _reason(self, cause: Exception) -> str:
        if isinstance(cause, httpx.HTTPStatusError):
            # its text has the URL
            return f"HTTP status {cause.response.status_code}"
        return f"{type(cause).__name__}: {cause}".replace(self._url, host_of(self._url))


def _block_signatures(answer: Any) -> tuple[str, ...] | None:
    # the stubs do not tell that a node may answer null
    block = answer.value
    return None if block is None or block.signatures is None else tuple(map(str, block.signatures))


def host_of(url: str) -> str:
    """The host and port of a URL, without what in it may be secret."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def _retry_after_seconds(cause: Exception) -> float | None:
    if not isinstance(cause, httpx.HTTPStatusError):
        return None
    headers = cause.response.headers
    return retry_after_seconds(headers.get("retry-after", ""), headers.get("date", ""))


def retry_after_seconds(retry_after: str, date: str) -> float | None:
    """How long an answer with these `Retry-After` and `Date` headers asks to be left alone (RFC 9110, 10.2.3)."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        wait = parsedate_to_datetime(retry_after) - parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def logs_subscription(address: str, commitment: str) -> bytes:
    """The JSON-RPC request that subscribes to the log lines of transactions that mention `address`."""
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "logsSubscribe",
        "params": [{"mentions": [address]}, {"commitment": commitment}],
    }
    return json.dumps(request).encode()
