"""Sends a signed transaction again and again until it is confirmed, or can never be."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment, Confirmed, Finalized
from solana.rpc.core import RPCException
from solana.rpc.types import TxOpts
from solders.message import Message
from solders.signature import Signature
from solders.transaction import Transaction
from solders.transaction_status import TransactionConfirmationStatus, TransactionStatus

from contract.errors import MuError
from events.chain.rpc import ChainUnavailable, RpcChainReader
from mu.refusals import failure_of, refusal_of

RESEND_SECONDS = 2.0
LONGEST_POLL_SECONDS = 1.0
POLL_GROWTH = 1.25
"""Each pause between two looks is longer by this factor: public nodes limit how often they may be asked."""

_REACHED = {
    Confirmed: (TransactionConfirmationStatus.Confirmed, TransactionConfirmationStatus.Finalized),
    Finalized: (TransactionConfirmationStatus.Finalized,),
}


class TransactionExpired(MuError):
    """The transaction was not executed and never will be, as its blockhash is too old: it is safe to try again."""


class NotConfirmed(MuError):
    """The transaction was sent, but not seen confirmed in time; it may still be."""


class Confirmation(msgspec.Struct, frozen=True):
    """A transaction that has been confirmed, and its slot."""

    signature: str
    slot: int


class Sender:
    """Sends to one RPC node. It never signs: what it sends again is the same transaction, executed at most once.

    `poll_seconds` is the first pause between two looks at a transaction; `confirm_seconds` should be longer than
    a blockhash lives (150 blocks, 60 to 90 s).
    """

    def __init__(
        self,
        client: AsyncClient,
        reader: RpcChainReader,
        *,
        commitment: Commitment,
        confirm_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._client = client
        self._reader = reader
        self._commitment = commitment
        self._confirm_seconds = confirm_seconds
        self._poll_seconds = poll_seconds

    async def send(self, transaction: Transaction, last_valid_block_height: int) -> Confirmation:
        """Send a signed transaction until it is confirmed; every `RESEND_SECONDS` again, while it is not seen.

        Raises a `ProgramError` or `TransactionFailed` when it is refused or fails, `ChainUnavailable` when the node
        takes none, `TransactionExpired`, and `NotConfirmed` when that is all that is known.
        """
        # A refusal is final only while no node can have the transaction: once sent, one that lags may refuse it
        # while another has executed it. Then it must first be certain that it never will be.
        refused = await self._offer(transaction)
        if refused is not None:
            raise refused
        signature, offered_at = transaction.signatures[0], trio.current_time()
        with trio.move_on_after(self._confirm_seconds):
            for pause_seconds in self._pauses():
                await trio.sleep(pause_seconds)
                with suppress(ChainUnavailable):
                    _, status = await self._status(signature)
                    if status is not None:
                        if self._is_reached(status):
                            return await self._result(signature, status, transaction.message)
                    elif trio.current_time() - offered_at >= RESEND_SECONDS:
                        if await self._is_lost(signature, last_valid_block_height):
                            raise refused or TransactionExpired(
                                "the chain did not take the transaction in time and never will; try again"
                            )
                        offered_at = trio.current_time()
                        refused = await self._offer(transaction) or refused
        raise self._not_confirmed(signature)

    async def confirm(self, signature: Signature) -> Confirmation:
        """Wait for a transaction that somebody else sends. Raises `TransactionFailed` and `NotConfirmed`."""
        with trio.move_on_after(self._confirm_seconds):
            for pause_seconds in self._pauses():
                with suppress(ChainUnavailable):
                    _, status = await self._status(signature)
                    if status is not None and self._is_reached(status):
                        return await self._result(signature, status, None)
                await trio.sleep(pause_seconds)
        raise self._not_confirmed(signature)

    async def _offer(self, transaction: Transaction) -> MuError | None:
        """Give it to the node; why it was refused, None where it was taken or nobody knows whether it was.

        Raises `ChainUnavailable` when the node said that it takes none now.
        """
        options = TxOpts(preflight_commitment=self._commitment, skip_confirmation=True)
        try:
            await self._reader.ask(self._client.send_raw_transaction(bytes(transaction), options))
        except ChainUnavailable as error:
            if isinstance(error.__cause__, RPCException):
                refused = refusal_of(error.__cause__, transaction.message)
                if isinstance(refused, ChainUnavailable):
                    raise refused from None
                return refused
        return None

    async def _status(self, signature: Signature) -> tuple[int, TransactionStatus | None]:
        """The slot that the node is at, and what it has seen of the transaction."""
        return await self._reader.read(
            self._client.get_signature_statuses([signature]),
            lambda answer: (answer.context.slot, answer.value[0]),
        )

    async def _is_lost(self, signature: Signature, last_valid_block_height: int) -> bool:
        """Whether the blockhash is too old in a block that was the last to be able to have the transaction.

        It is looked for once more afterwards, on a node that is as far: several may share one URL.
        """
        slot, block_height = await self._reader.read(
            self._client.get_epoch_info(self._commitment),
            lambda answer: (answer.value.absolute_slot, answer.value.block_height),
        )
        if block_height <= last_valid_block_height:
            return False
        seen_at, status = await self._status(signature)
        return status is None and seen_at >= slot

    def _is_reached(self, status: TransactionStatus) -> bool:
        return status.confirmation_status in _REACHED[self._commitment]

    async def _result(
        self, signature: Signature, status: TransactionStatus, message: Message | None
    ) -> Confirmation:
        if status.err is None:
            return Confirmation(str(signature), status.slot)
        logs: tuple[str, ...] = ()
        with suppress(ChainUnavailable):
            transaction = await self._reader.transaction_logs(str(signature))
            logs = transaction.logs if transaction is not None else ()
        raise failure_of(status.err, logs, message)

    def _not_confirmed(self, signature: Signature) -> NotConfirmed:
        return NotConfirmed(
            f"the transaction {signature} is not confirmed after {self._confirm_seconds:g} s, but may still be: "
            f"look for it before you try again"
        )

    def _pauses(self) -> Iterator[float]:
        pause_seconds = self._poll_seconds
        while True:
            yield pause_seconds
            pause_seconds = min(pause_seconds * POLL_GROWTH, max(self._poll_seconds, LONGEST_POLL_SECONDS))
