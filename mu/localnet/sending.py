"""The JSON-RPC methods that take a transaction: send, simulate, airdrop, fee."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from solders.compute_budget import set_compute_unit_limit
from solders.message import Message, from_bytes_versioned
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction, VersionedTransaction

from contract.errors import DecodeError
from mu.config import RpcLimits
from mu.localnet import base58
from mu.localnet.blockhashes import BLOCKHASH_LIFETIME_SLOTS
from mu.localnet.commitment import Commitment
from mu.localnet.encoding import account_json, inner_instructions_json, simulation_json
from mu.localnet.error_text import transaction_error_text
from mu.localnet.jsonrpc import (
    INVALID_PARAMS,
    PREFLIGHT_FAILURE,
    SIGNATURE_VERIFICATION_FAILURE,
    RpcError,
)
from mu.localnet.ledger import Ledger, TransactionRejected
from mu.localnet.machine import LAMPORTS_PER_SIGNATURE, Outcome
from mu.localnet.methods import with_context
from mu.localnet.params import (
    AccountConfig,
    ContextConfig,
    Unsigned,
    check_context,
    config,
    convert,
    pubkey,
    unsigned,
)
from mu.localnet.writer import LedgerWriter

MAX_TRANSACTION_BYTES = 1_232
"""Solana's packet size; no transaction is larger."""

MAX_LAMPORTS = 2**64 - 1

Write = Callable[[Ledger, LedgerWriter, list[Any], RpcLimits], Awaitable[Any]]


class SendConfig(msgspec.Struct, frozen=True, rename="camel"):
    """How `sendTransaction` is to check; base58 is the default, as on a node."""

    encoding: str | None = None
    skip_preflight: bool | None = None
    preflight_commitment: Commitment | None = None
    min_context_slot: Unsigned | None = None


class WantedAccounts(msgspec.Struct, frozen=True):
    """Which accounts a simulation is to show afterwards."""

    addresses: list[str]
    encoding: str | None = None


class SimulateConfig(ContextConfig, frozen=True, rename="camel"):
    """How `simulateTransaction` is to run."""

    encoding: str | None = None
    sig_verify: bool | None = None
    replace_recent_blockhash: bool | None = None
    inner_instructions: bool | None = None
    accounts: WantedAccounts | None = None


def decode_transaction(text: str, encoding: str | None) -> VersionedTransaction:
    """Read a transaction in base58 (the default) or base64. Raises RpcError."""
    encoding = encoding or "base58"
    if encoding not in ("base58", "base64"):
        message = f"unsupported encoding: {encoding}. Supported encodings: base58, base64"
        raise RpcError(INVALID_PARAMS, message)
    data = _decode(text, encoding)
    try:
        transaction = VersionedTransaction.from_bytes(data)
    except ValueError as error:
        raise RpcError(INVALID_PARAMS, f"failed to deserialize VersionedTransaction: {error}") from error
    if bytes(transaction) != data:
        raise RpcError(INVALID_PARAMS, "failed to deserialize VersionedTransaction: bytes follow the message")
    try:
        transaction.sanitize()
    except Exception as error:  # solders has one class for it, of no public name
        raise RpcError(INVALID_PARAMS, f"invalid transaction: {error}") from error
    return transaction


def _decode(text: str, encoding: str) -> bytes:
    if len(text) > MAX_TRANSACTION_BYTES * 2:
        raise RpcError(
            INVALID_PARAMS, f"{encoding} encoded VersionedTransaction too large: {len(text)} bytes"
        )
    try:
        if encoding == "base64":
            data = base64.b64decode(text, validate=True)
        else:
            data = base58.decode(text, max_bytes=MAX_TRANSACTION_BYTES)
    except (binascii.Error, ValueError, DecodeError) as error:
        raise RpcError(INVALID_PARAMS, f"invalid {encoding} encoding: {error}") from error
    if len(data) > MAX_TRANSACTION_BYTES:
        message = (
            f"decoded VersionedTransaction too large: {len(data)} bytes (max: {MAX_TRANSACTION_BYTES} bytes)"
        )
        raise RpcError(INVALID_PARAMS, message)
    return data


async def _send(ledger: Ledger, writer: LedgerWriter, params: list[Any], limits: RpcLimits) -> str:
    """Without preflight a transaction that cannot run is dropped silently, as a node drops it; only a bad
    signature is told."""
    wanted = config(params, 1, SendConfig)
    transaction = decode_transaction(convert(params[0], str), wanted.encoding)
    level = wanted.preflight_commitment or Commitment.FINALIZED
    check_context(ledger, ContextConfig(level, wanted.min_context_slot))
    if not wanted.skip_preflight:
        outcome, _ = ledger.simulate(transaction, level)
        if outcome.error is not None:
            raise _preflight_failure(outcome)
    try:
        await writer.transact(transaction)
    except TransactionRejected as rejection:
        error = rejection.outcome.error
        if not wanted.skip_preflight:
            raise _preflight_failure(rejection.outcome) from rejection
        if error == "SignatureFailure":
            message = "Transaction signature verification failure"
            raise RpcError(SIGNATURE_VERIFICATION_FAILURE, message) from rejection
    return str(transaction.signatures[0])


def _preflight_failure(outcome: Outcome) -> RpcError:
    message = f"Transaction simulation failed: {transaction_error_text(outcome.error)}"
    return RpcError(PREFLIGHT_FAILURE, message, simulation_json(outcome))


async def _simulate(ledger: Ledger, writer: LedgerWriter, params: list[Any], limits: RpcLimits) -> Any:
    wanted = config(params, 1, SimulateConfig)
    transaction = decode_transaction(convert(params[0], str), wanted.encoding)
    if wanted.sig_verify and wanted.replace_recent_blockhash:
        raise RpcError(INVALID_PARAMS, "sigVerify may not be used with replaceRecentBlockhash")
    slot = check_context(ledger, wanted)
    outcome, accounts = ledger.simulate(
        transaction,
        wanted.level,
        verify_signatures=bool(wanted.sig_verify),
        replace_blockhash=bool(wanted.replace_recent_blockhash),
    )
    answer = simulation_json(outcome)
    if wanted.inner_instructions:
        answer["innerInstructions"] = inner_instructions_json(outcome.inner_instructions)
    if wanted.replace_recent_blockhash:
        answer["replacementBlockhash"] = {
            "blockhash": str(ledger.latest_blockhash(wanted.level)),
            "lastValidBlockHeight": slot + BLOCKHASH_LIFETIME_SLOTS,
        }
    if wanted.accounts is not None and outcome.error is None:
        if len(wanted.accounts.addresses) > limits.max_accounts_per_call:
            raise RpcError(INVALID_PARAMS, f"Too many accounts provided; max {limits.max_accounts_per_call}")
        shape = convert({"encoding": wanted.accounts.encoding or "base64"}, AccountConfig)
        addresses = [pubkey(text) for text in wanted.accounts.addresses]
        found = [accounts.get(one) or ledger.account(one, Commitment.PROCESSED) for one in addresses]
        answer["accounts"] = [one and account_json(one, shape, "base64", limits) for one in found]
    return with_context(slot, answer)


async def _airdrop(ledger: Ledger, writer: LedgerWriter, params: list[Any], limits: RpcLimits) -> str:
    recipient, lamports = pubkey(params[0]), unsigned(params[1])
    if lamports > MAX_LAMPORTS:
        raise RpcError(INVALID_PARAMS, f"lamports: at most {MAX_LAMPORTS}")
    faucet = ledger.faucet
    instructions = [
        # The same airdrop twice in a slot must not be the same transaction: the unused limit tells them apart.
        set_compute_unit_limit(10_000 + ledger.transaction_count % 1_000_000),
        transfer(TransferParams(from_pubkey=faucet.pubkey(), to_pubkey=recipient, lamports=lamports)),
    ]
    blockhash = ledger.latest_blockhash(Commitment.PROCESSED)
    message = Message.new_with_blockhash(instructions, faucet.pubkey(), blockhash)
    transaction = VersionedTransaction.from_legacy(Transaction([faucet], message, blockhash))
    outcome, _ = ledger.simulate(transaction, Commitment.PROCESSED)
    if outcome.error is not None:
        raise RpcError(INVALID_PARAMS, f"airdrop failed: {transaction_error_text(outcome.error)}")
    record = await writer.transact(transaction)
    return str(record.signature)


async def _fee(ledger: Ledger, writer: LedgerWriter, params: list[Any], limits: RpcLimits) -> Any:
    wanted = config(params, 1, ContextConfig)
    slot = check_context(ledger, wanted)
    try:
        message = from_bytes_versioned(_decode(convert(params[0], str), "base64"))
    except ValueError as error:
        raise RpcError(INVALID_PARAMS, f"failed to deserialize VersionedMessage: {error}") from error
    fee = LAMPORTS_PER_SIGNATURE * message.header.num_required_signatures
    return with_context(
        slot, fee if ledger.is_blockhash_valid(message.recent_blockhash, wanted.level) else None
    )


class WriteMethod(msgspec.Struct, frozen=True):
    """A method and how many parameters it takes."""

    call: Write
    minimum: int
    maximum: int


TRANSACTION_METHODS: dict[str, WriteMethod] = {
    "getFeeForMessage": WriteMethod(_fee, 1, 2),
    "requestAirdrop": WriteMethod(_airdrop, 2, 3),
    "sendTransaction": WriteMethod(_send, 1, 2),
    "simulateTransaction": WriteMethod(_simulate, 1, 2),
}
