"""The Marketplace on a cluster: reads its accounts, and sends its transactions."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, TypeVar

import based58
import msgspec
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment, Confirmed
from solana.rpc.types import MemcmpOpts
from solders.clock import Clock
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.sysvar import CLOCK
from solders.transaction import Transaction

from contract.accounts import Account, decode_account
from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from contract.client import decode_event
from contract.errors import MuError
from contract.tokens import Mint, TokenAccount, decode_mint, decode_token_account
from events.catalogue import MarketplaceEvent
from events.chain.decode import catalogue_event, event_data
from events.chain.rpc import ChainUnavailable, RpcChainReader
from mu.sending import Confirmation, Sender

__all__ = ["Confirmation", "Marketplace", "MemoryFilter", "TransactionStatus", "WrongAccount"]

T = TypeVar("T", bound=Account)

DISCRIMINATOR_BYTES: Final = 8
MAX_STATUSES_PER_QUESTION: Final = 256
"""What a node answers at once (`getSignatureStatuses`)."""


class WrongAccount(MuError):
    """The account at an address is of another kind, or of another program."""


class MemoryFilter(msgspec.Struct, frozen=True):
    """Accounts that have `data` (up to 128 bytes) at byte `offset`, counted with the discriminator."""

    offset: int
    data: bytes


class TransactionStatus(msgspec.Struct, frozen=True):
    """A transaction that a node knows: its slot, and whether it failed."""

    slot: int
    failed: bool


class Marketplace:
    """The Marketplace behind one RPC node, read and written at one commitment.

    `confirm_seconds` bounds the wait for a transaction, `ask_seconds` each question to the node. Every method
    raises `ChainUnavailable`.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        commitment: Commitment = Confirmed,
        confirm_seconds: float = 150.0,
        ask_seconds: float = 20.0,
        poll_seconds: float = 0.05,
    ) -> None:
        self._client = client
        self._commitment = commitment
        self._ask_seconds = ask_seconds
        self._poll_seconds = poll_seconds
        self._reader = RpcChainReader(client, timeout_seconds=ask_seconds, commitment=commitment)
        self._sender = Sender(
            client,
            self._reader,
            commitment=commitment,
            confirm_seconds=confirm_seconds,
            poll_seconds=poll_seconds,
        )

    async def account(self, address: Pubkey, kind: type[T]) -> T | None:
        """The account at `address`, None where there is none. Raises `WrongAccount` and `DecodeError`."""
        data = await self._data(address, PROGRAM_ID, "the Marketplace")
        if data is None:
            return None
        account = decode_account(data)
        if not isinstance(account, kind):
            raise WrongAccount(f"the account {address} is a {type(account).__name__}, not a {kind.__name__}")
        return account

    async def accounts(self, kind: type[T], filters: Sequence[MemoryFilter] = ()) -> list[tuple[Pubkey, T]]:
        """The accounts of a kind that pass all `filters` (up to three), by address. Raises `DecodeError`."""
        discriminator = sha256(f"account:{kind.__name__}".encode()).digest()[:DISCRIMINATOR_BYTES]
        wanted = [
            MemcmpOpts(one.offset, based58.b58encode(one.data).decode())
            for one in (MemoryFilter(0, discriminator), *filters)
        ]
        found = await self._reader.read(
            self._client.get_program_accounts(
                PROGRAM_ID, self._commitment, encoding="base64", filters=wanted
            ),
            lambda answer: [(keyed.pubkey, bytes(keyed.account.data)) for keyed in answer.value],
        )
        decoded = [(address, decode_account(data)) for address, data in found]
        listed = [(address, account) for address, account in decoded if isinstance(account, kind)]
        if len(listed) != len(decoded):
            raise ChainUnavailable("the RPC node gave accounts of another kind than it was asked for")
        return sorted(listed, key=lambda pair: bytes(pair[0]))

    async def token_account(self, address: Pubkey) -> TokenAccount | None:
        """A token account, None where there is none. Raises `WrongAccount` and `DecodeError`."""
        data = await self._data(address, TOKEN_PROGRAM_ID, "the token program")
        return None if data is None else decode_token_account(data)

    async def mint(self, address: Pubkey) -> Mint | None:
        """A mint, None where there is none. Raises `WrongAccount` and `DecodeError`."""
        data = await self._data(address, TOKEN_PROGRAM_ID, "the token program")
        return None if data is None else decode_mint(data)

    async def lamports(self, address: Pubkey) -> int:
        """What an account has, in lamports (10⁻⁹ SOL)."""
        return await self._reader.read(
            self._client.get_balance(address, self._commitment), lambda answer: answer.value
        )

    async def unix_time(self) -> int:
        """The chain's clock, in seconds since 1970: what the program compares times with."""
        clock = await self._reader.read(
            self._client.get_account_info(CLOCK, self._commitment, encoding="base64"),
            lambda answer: answer.value and Clock.from_bytes(bytes(answer.value.data)).unix_timestamp,
        )
        if clock is None:
            raise ChainUnavailable("the RPC node has no clock account")
        return clock

    async def send(
        self, instructions: Sequence[Instruction], signer: Keypair, *others: Keypair
    ) -> Confirmation:
        """Send one transaction and wait until it is confirmed; `signer` pays, `others` sign too.

        It is signed once: whatever is raised, it was executed at most once. Raises a `ProgramError`,
        `TransactionFailed` (`InsufficientLamports`, `InsufficientTokens`), `TransactionExpired` (safe to try again)
        and `NotConfirmed` (nobody knows). `ChainUnavailable`: nothing was sent.
        """
        blockhash, last_valid_block_height = await self._reader.read(
            self._client.get_latest_blockhash(self._commitment),
            lambda answer: (answer.value.blockhash, answer.value.last_valid_block_height),
        )
        message = Message.new_with_blockhash(instructions, signer.pubkey(), blockhash)
        keypairs = list({keypair.pubkey(): keypair for keypair in (signer, *others)}.values())
        return await self._sender.send(Transaction(keypairs, message, blockhash), last_valid_block_height)

    async def events(self, signature: str) -> list[MarketplaceEvent]:
        """The program's events in a confirmed transaction, in order. Raises `DecodeError` (`LogsTruncated`).

        Of several nodes behind one URL, the one asked may have it a little later than the one that confirmed it.
        """
        with trio.move_on_after(self._ask_seconds):
            while True:
                found = await self._reader.transaction_logs(signature)
                if found is not None:
                    payloads = event_data(found.logs, str(PROGRAM_ID))
                    return [catalogue_event(decode_event(payload)) for payload in payloads]
                await trio.sleep(self._poll_seconds)
        raise ChainUnavailable(f"the RPC node does not have the transaction {signature}")

    async def statuses(self, signatures: Sequence[Signature]) -> list[TransactionStatus | None]:
        """What has become of up to `MAX_STATUSES_PER_QUESTION` transactions; None for one that the node does not know,
        be it that it keeps no history so old, or that there is none with such a signature.
        """
        found = await self._reader.read(
            self._client.get_signature_statuses(list(signatures), search_transaction_history=True),
            lambda answer: [one and TransactionStatus(one.slot, one.err is not None) for one in answer.value],
        )
        if len(found) != len(signatures):
            raise ChainUnavailable(
                f"the RPC node answered for {len(found)} of {len(signatures)} transactions"
            )
        return found

    async def airdrop(self, address: Pubkey, lamports: int) -> Confirmation:
        """Ask a test chain's faucet for lamports (10⁻⁹ SOL). Raises `TransactionFailed` and `NotConfirmed`."""
        signature = await self._reader.read(
            self._client.request_airdrop(address, lamports, self._commitment), lambda answer: answer.value
        )
        return await self.confirm(signature)

    async def confirm(self, signature: Signature) -> Confirmation:
        """Wait until a transaction is confirmed that was sent elsewhere. Raises as `airdrop` does."""
        return await self._sender.confirm(signature)

    async def _data(self, address: Pubkey, program: Pubkey, program_name: str) -> bytes | None:
        """The data of an account of `program`. Any program could write the bytes of another one's account."""

        def part(answer: Any) -> tuple[Pubkey, bytes] | None:
            return None if answer.value is None else (answer.value.owner, bytes(answer.value.data))

        found = await self._reader.read(
            self._client.get_account_info(address, self._commitment, encoding="base64"), part
        )
        if found is None:
            return None
        owner, data = found
        if owner != program:
            raise WrongAccount(f"the account {address} is none of {program_name}")
        return data
