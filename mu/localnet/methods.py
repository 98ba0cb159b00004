"""The JSON-RPC methods that read accounts, transactions and the chain's state."""

from collections.abc import Callable
from typing import Any

import msgspec

from mu.config import RpcLimits
from mu.localnet.blockhashes import BLOCKHASH_LIFETIME_SLOTS
from mu.localnet.commitment import Commitment, commitment_of
from mu.localnet.encoding import account_json, keyed_account_json, status_json, transaction_json
from mu.localnet.filters import account_filter
from mu.localnet.history import TransactionRecord
from mu.localnet.jsonrpc import INVALID_PARAMS, TRANSACTION_NOT_FOUND, RpcError
from mu.localnet.ledger import Ledger
from mu.localnet.machine import SLOTS_PER_EPOCH
from mu.localnet.params import (
    AccountConfig,
    ContextConfig,
    ProgramAccountsConfig,
    TransactionConfig,
    blockhash,
    check_confirmed,
    check_context,
    config,
    convert,
    encoding_config,
    pubkey,
    signature,
    unsigned,
)

API_VERSION = "2.2.0"
FEATURE_SET = 0

Read = Callable[[Ledger, list[Any], RpcLimits], Any]


class SignaturesConfig(ContextConfig, frozen=True, rename="camel"):
    """Which page of an address's signatures."""

    before: str | None = None
    until: str | None = None
    limit: int | None = None


def with_context(slot: int, value: Any) -> dict[str, Any]:
    """A result that says which slot it is from."""
    return {"context": {"apiVersion": API_VERSION, "slot": slot}, "value": value}


def _slot(ledger: Ledger, params: list[Any], limits: RpcLimits) -> int:
    return check_context(ledger, config(params, 0, ContextConfig))


def _balance(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    address, wanted = pubkey(params[0]), config(params, 1, ContextConfig)
    slot = check_context(ledger, wanted)
    account = ledger.account(address, wanted.level)
    return with_context(slot, account.lamports if account is not None else 0)


def _account_info(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    address, wanted = pubkey(params[0]), config(params, 1, AccountConfig)
    slot = check_context(ledger, wanted)
    account = ledger.account(address, wanted.level)
    return with_context(slot, None if account is None else account_json(account, wanted, "binary", limits))


def _multiple_accounts(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    addresses, wanted = convert(params[0], list[str]), config(params, 1, AccountConfig)
    if len(addresses) > limits.max_accounts_per_call:
        raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {limits.max_accounts_per_call}")
    slot = check_context(ledger, wanted)
    accounts = [ledger.account(pubkey(address), wanted.level) for address in addresses]
    return with_context(
        slot,
        [account and account_json(account, wanted, "base64", limits) for account in accounts],
    )


def _program_accounts(ledger: Ledger, params: list[Any], limits: RpcLimits) -> Any:
    owner, wanted = pubkey(params[0]), config(params, 1, ProgramAccountsConfig)
    slot = check_context(ledger, wanted)
    matches = account_filter(wanted.filters, limits)
    found: list[dict[str, Any]] = []
    for address, account in ledger.program_accounts(owner, wanted.level):
        if not matches(account):
            continue
        if len(found) == limits.max_program_accounts:
            raise RpcError(INVALID_PARAMS, f"More than {limits.max_program_accounts} accounts match")
        found.append(keyed_account_json(address, account, wanted, "binary", limits))
    return with_context(slot, found) if wanted.with_context else found


def _latest_blockhash(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    wanted = config(params, 0, ContextConfig)
    slot = check_context(ledger, wanted)
    value = {
        "blockhash": str(ledger.latest_blockhash(wanted.level)),
        "lastValidBlockHeight": slot + BLOCKHASH_LIFETIME_SLOTS,
    }
    return with_context(slot, value)


def _is_blockhash_valid(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    asked, wanted = blockhash(params[0]), config(params, 1, ContextConfig)
    return with_context(check_context(ledger, wanted), ledger.is_blockhash_valid(asked, wanted.level))


def _signature_statuses(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    texts = convert(params[0], list[str])
    if len(texts) > limits.max_statuses_per_call:
        raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {limits.max_statuses_per_call}")
    records = [ledger.transaction(signature(text), Commitment.PROCESSED) for text in texts]
    return with_context(ledger.slot, [record and _status(ledger, record) for record in records])


def _status(ledger: Ledger, record: TransactionRecord) -> dict[str, Any]:
    level = commitment_of(record.slot, ledger.slot)
    return {
        "confirmationStatus": level,
        "confirmations": None if level is Commitment.FINALIZED else ledger.slot - record.slot,
        "err": record.outcome.error,
        "slot": record.slot,
        "status": status_json(record.outcome.error),
    }


def _transaction(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any] | None:
    asked = signature(params[0])
    wanted = encoding_config(params, 1, TransactionConfig)
    check_confirmed(wanted)
    record = ledger.transaction(asked, wanted.level)
    if record is None:
        return None
    return transaction_json(record, wanted.encoding or "json", wanted.max_supported_transaction_version)


def _signatures_for_address(ledger: Ledger, params: list[Any], limits: RpcLimits) -> list[dict[str, Any]]:
    address, wanted = pubkey(params[0]), config(params, 1, SignaturesConfig)
    check_confirmed(wanted)
    check_context(ledger, wanted)
    limit = limits.max_signatures_per_page if wanted.limit is None else wanted.limit
    if not 1 <= limit <= limits.max_signatures_per_page:
        raise RpcError(INVALID_PARAMS, f"Invalid limit; max {limits.max_signatures_per_page}")
    before = None
    if wanted.before is not None:
        before = ledger.transaction(signature(wanted.before), wanted.level)
        if before is None:
            raise RpcError(TRANSACTION_NOT_FOUND, f"Transaction {wanted.before} not found")
    until = None if wanted.until is None else signature(wanted.until)
    records = ledger.transactions_of(address, wanted.level, before=before, until=until, limit=limit)
    return [
        {
            "blockTime": record.unix_timestamp,
            "confirmationStatus": commitment_of(record.slot, ledger.slot),
            "err": record.outcome.error,
            "memo": None,
            "signature": str(record.signature),
            "slot": record.slot,
        }
        for record in records
    ]


def _minimum_balance(ledger: Ledger, params: list[Any], limits: RpcLimits) -> int:
    data_bytes = unsigned(params[0])
    if data_bytes > limits.max_account_data_bytes:
        raise RpcError(INVALID_PARAMS, f"An account holds at most {limits.max_account_data_bytes} bytes")
    return ledger.minimum_balance(data_bytes)


def _epoch_info(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, int]:
    slot = check_context(ledger, config(params, 0, ContextConfig))
    return {
        "absoluteSlot": slot,
        "blockHeight": slot,
        "epoch": slot // SLOTS_PER_EPOCH,
        "slotIndex": slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": ledger.transaction_count,
    }


class ReadMethod(msgspec.Struct, frozen=True):
    """A method and how many parameters it takes."""

    call: Read
    minimum: int
    maximum: int


READ_METHODS: dict[str, ReadMethod] = {
    "getAccountInfo": ReadMethod(_account_info, 1, 2),
    "getBalance": ReadMethod(_balance, 1, 2),
    "getBlockHeight": ReadMethod(_slot, 0, 1),
    "getEpochInfo": ReadMethod(_epoch_info, 0, 1),
    "getGenesisHash": ReadMethod(lambda ledger, params, limits: str(ledger.genesis_hash), 0, 0),
    "getHealth": ReadMethod(lambda ledger, params, limits: "ok", 0, 0),
    "getLatestBlockhash": ReadMethod(_latest_blockhash, 0, 1),
    "getMinimumBalanceForRentExemption": ReadMethod(_minimum_balance, 1, 2),
    "getMultipleAccounts": ReadMethod(_multiple_accounts, 1, 2),
    "getProgramAccounts": ReadMethod(_program_accounts, 1, 2),
    "getSignatureStatuses": ReadMethod(_signature_statuses, 1, 2),
    "getSignaturesForAddress": ReadMethod(_signatures_for_address, 1, 2),
    "getSlot": ReadMethod(_slot, 0, 1),
    "getTransaction": ReadMethod(_transaction, 1, 2),
    "getVersion": ReadMethod(
        lambda ledger, params, limits: {"feature-set": FEATURE_SET, "solana-core": API_VERSION}, 0, 0
    ),
    "isBlockhashValid": ReadMethod(_is_blockhash_valid, 1, 2),
}
