"""Sends Marketplace transactions under trio, and waits until they are confirmed."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solana.rpc.core import RPCException
from solana.rpc.types import TxOpts
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.rpc.errors import SendTransactionPreflightFailureMessage
from solders.signature import Signature
from solders.transaction import Transaction
from solders.transaction_status import TransactionConfirmationStatus

from contract.client import Provider, Region, Stack, State, decode_account, error_named
from contract.errors import MuError
from events.chain.rpc import ChainUnavailable, RpcChainReader

_CUSTOM_ERROR = re.compile(r"custom program error: 0x([0-9a-fA-F]+)")
_CONFIRMED = (TransactionConfirmationStatus.Confirmed, TransactionConfirmationStatus.Finalized)

T = TypeVar("T", State, Provider, Region, Stack)


class TransactionFailed(MuError):
    """The chain refused the transaction; nothing was changed. `name` is the program's error, where it is one."""

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name


class NotConfirmed(MuError):
    """The transaction was sent, but not seen confirmed in time; it may still be."""


class Confirmation(msgspec.Struct, frozen=True):
    """A transaction that has been confirmed, and its slot."""

    signature: str
    slot: int


class Marketplace:
    """The Marketplace behind one RPC node."""

    def __init__(
        self, client: AsyncClient, *, confirm_seconds: float = 60.0, poll_seconds: float = 0.05
    ) -> None:
        self._client = client
        self._reader = RpcChainReader(client, timeout_seconds=confirm_seconds)
        self._confirm_seconds = confirm_seconds
        self._poll_seconds = poll_seconds

    async def account(self, address: Pubkey, kind: type[T]) -> T | None:
        """The account at `address`, None where there is none. Raises `ChainUnavailable`, or `DecodeError`."""
        data = await self._reader.account_data(str(address))
        if data is None:
            return None
        account = decode_account(data)
        if not isinstance(account, kind):
            raise TransactionFailed(
                f"the account {address} is a {type(account).__name__}, not a {kind.__name__}"
            )
        return account

    async def send(self, instructions: Sequence[Instruction], signer: Keypair) -> Confirmation:
        """Send one transaction, signed and paid for by `signer`, and wait until it is confirmed.

        Raises `TransactionFailed`, `ChainUnavailable` (nothing is known of it), and `NotConfirmed`.
        """
        latest = await self._reader.ask(self._client.get_latest_blockhash(Confirmed))
        message = Message.new_with_blockhash(instructions, signer.pubkey(), latest.value.blockhash)
        transaction = Transaction([signer], message, latest.value.blockhash)
        options = TxOpts(preflight_commitment=Confirmed, skip_confirmation=True)
        try:
            answer = await self._reader.ask(self._client.send_raw_transaction(bytes(transaction), options))
        except ChainUnavailable as error:
            if isinstance(error.__cause__, RPCException):
                raise _refusal(error.__cause__) from None
            raise
        return await self.confirm(answer.value)

    async def airdrop(self, address: Pubkey, lamports: int) -> Confirmation:
        """Ask a test chain's faucet for lamports (10⁻⁹ SOL). Raises as `send` does."""
        answer = await self._reader.ask(self._client.request_airdrop(address, lamports, Confirmed))
        return await self.confirm(answer.value)

    async def confirm(self, signature: Signature) -> Confirmation:
        """Wait until a transaction is confirmed. Raises as `send` does."""
        with trio.move_on_after(self._confirm_seconds):
            while True:
                statuses = await self._reader.ask(self._client.get_signature_statuses([signature]))
                status = statuses.value[0]
                if status is not None and status.err is not None:
                    raise TransactionFailed(f"the transaction {signature} failed: {status.err}")
                if status is not None and status.confirmation_status in _CONFIRMED:
                    return Confirmation(str(signature), status.slot)
                await trio.sleep(self._poll_seconds)
        raise NotConfirmed(f"the transaction {signature} is not confirmed after {self._confirm_seconds:g} s")


def _refusal(error: RPCException) -> TransactionFailed:
    detail: Any = error.args[0] if error.args else error
    text = detail.message if isinstance(detail, SendTransactionPreflightFailureMessage) else str(detail)
    if code := _CUSTOM_ERROR.search(text):
        named = error_named(int(code[1], 16))
        if named is not None:
            return TransactionFailed(f"the Marketplace refused: {named[1]} ({named[0]})", named[0])
    return TransactionFailed(f"the chain refused the transaction: {text}")
