"""Accounts, transactions and blocks as Solana's JSON."""

import base64
import sys
from typing import Any

from solders.account import Account
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from zstandard import ZstdCompressor

from mu.config import RpcLimits
from mu.localnet import base58
from mu.localnet.blocks import Block
from mu.localnet.history import TransactionRecord
from mu.localnet.jsonrpc import INVALID_REQUEST, UNSUPPORTED_TRANSACTION_VERSION, RpcError
from mu.localnet.machine import InnerInstruction, Outcome
from mu.localnet.params import AccountConfig, AccountEncoding, TransactionEncoding
from mu.localnet.token_balances import TokenBalance
from mu.token_amount import format_tokens


def account_json(
    account: Account, wanted: AccountConfig, default: AccountEncoding, limits: RpcLimits
) -> dict[str, Any]:
    """An account; `jsonParsed` comes as base64, as for every program that a node has no parser for.

    Raises RpcError when base58 is asked for more than its limit.
    """
    data = bytes(account.data)
    if wanted.data_slice is not None:
        data = data[wanted.data_slice.offset :][: wanted.data_slice.length]
    return {
        "data": _data_json(data, wanted.encoding or default, limits),
        "executable": account.executable,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": account.rent_epoch,
        "space": len(account.data),
    }


def _data_json(data: bytes, encoding: AccountEncoding, limits: RpcLimits) -> str | list[str]:
    if encoding in ("binary", "base58"):
        if len(data) > limits.max_base58_data_bytes:
            message = (
                f"Encoded binary (base 58) data should be less than {limits.max_base58_data_bytes} bytes, "
                "please use Base64 encoding."
            )
            raise RpcError(INVALID_REQUEST, message)
        text = base58.encode(data)
        return text if encoding == "binary" else [text, "base58"]
    if encoding == "base64+zstd":
        return [base64.b64encode(ZstdCompressor().compress(data)).decode(), encoding]
    return [base64.b64encode(data).decode(), "base64"]


def transaction_json(
    record: TransactionRecord, encoding: TransactionEncoding, max_version: int | None
) -> dict[str, Any]:
    """A transaction of the chain, with its `meta`; `jsonParsed` comes as `json`.

    Raises RpcError for a versioned transaction that the client has not said it can read.
    """
    in_block = block_transaction_json(record, encoding, max_version, rewards=True)
    return {"blockTime": record.unix_timestamp, "slot": record.slot, **in_block}


def block_transaction_json(
    record: TransactionRecord, encoding: TransactionEncoding, max_version: int | None, *, rewards: bool
) -> dict[str, Any]:
    """A transaction in its block, which has the slot and the time; `rewards` are none, or not told.

    Raises RpcError as `transaction_json` does.
    """
    legacy = isinstance(record.transaction.message, Message)
    if not legacy and max_version is None:
        message = (
            "Transaction version (0) is not supported by the requesting client. Please try the request again "
            'with the following configuration parameter: "maxSupportedTransactionVersion": 0'
        )
        raise RpcError(UNSUPPORTED_TRANSACTION_VERSION, message)
    answer = {
        "meta": _meta_json(record) | {"rewards": [] if rewards else None},
        "transaction": _encoded_transaction(record.transaction, encoding),
    }
    if max_version is not None:
        answer["version"] = "legacy" if legacy else 0
    return answer


def block_json(block: Block) -> dict[str, Any]:
    """A block without what is in it. Every slot counts in the height."""
    return {
        "blockHeight": block.slot,
        "blockTime": block.unix_timestamp,
        "blockhash": str(block.blockhash),
        "parentSlot": block.parent_slot,
        "previousBlockhash": str(block.previous_blockhash),
    }


def _encoded_transaction(transaction: VersionedTransaction, encoding: TransactionEncoding) -> Any:
    if encoding == "base64":
        return [base64.b64encode(bytes(transaction)).decode(), "base64"]
    if encoding in ("base58", "binary"):
        text = base58.encode(bytes(transaction))
        return [text, "base58"] if encoding == "base58" else text
    message = transaction.message
    header = message.header
    body: dict[str, Any] = {
        "accountKeys": [str(key) for key in message.account_keys],
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "instructions": [
            _instruction_json(one.program_id_index, bytes(one.accounts), bytes(one.data), 1)
            for one in message.instructions
        ],
        "recentBlockhash": str(message.recent_blockhash),
    }
    if not isinstance(message, Message):
        body["addressTableLookups"] = []
    return {"message": body, "signatures": [str(one) for one in transaction.signatures]}


def _instruction_json(program: int, accounts: bytes, data: bytes, stack_height: int) -> dict[str, Any]:
    return {
        "accounts": list(accounts),
        "data": base58.encode(data),
        "programIdIndex": program,
        "stackHeight": stack_height,
    }


def _meta_json(record: TransactionRecord) -> dict[str, Any]:
    outcome = record.outcome
    return {
        "computeUnitsConsumed": outcome.compute_units,
        "err": outcome.error,
        "fee": record.fee,
        "innerInstructions": inner_instructions_json(outcome.inner_instructions),
        "loadedAddresses": {"readonly": [], "writable": []},
        "logMessages": list(outcome.logs),
        "postBalances": record.post_balances,
        "postTokenBalances": [_token_balance_json(one) for one in record.post_token_balances],
        "preBalances": record.pre_balances,
        "preTokenBalances": [_token_balance_json(one) for one in record.pre_token_balances],
        "status": status_json(outcome.error),
        **({} if outcome.return_program is None else {"returnData": return_data_json(outcome)}),
    }


def _token_balance_json(balance: TokenBalance) -> dict[str, Any]:
    amount = token_amount_json(balance.amount, balance.decimals)
    # a node keeps this number so that it cannot tell nothing from next to nothing
    if amount["uiAmount"] is not None and amount["uiAmount"] <= sys.float_info.epsilon:
        amount["uiAmount"] = None
    return {
        "accountIndex": balance.account_index,
        "mint": str(balance.mint),
        "owner": str(balance.owner),
        "programId": str(balance.program),
        "uiTokenAmount": amount,
    }


def token_amount_json(base_units: int, decimals: int) -> dict[str, Any]:
    """An amount of tokens; `uiAmount` is None where the divisor does not fit 64 bits, as on a node."""
    divisor = 10**decimals
    return {
        "amount": str(base_units),
        "decimals": decimals,
        "uiAmount": float(base_units) / float(divisor) if divisor < 2**64 else None,
        "uiAmountString": format_tokens(base_units, decimals),
    }


def inner_instructions_json(groups: tuple[tuple[InnerInstruction, ...], ...]) -> list[dict[str, Any]]:
    """The instructions that each top-level one invoked, where there are some."""
    return [
        {
            "index": index,
            "instructions": [
                _instruction_json(one.program_id_index, one.accounts, one.data, one.stack_height)
                for one in group
            ],
        }
        for index, group in enumerate(groups)
        if group
    ]


def status_json(error: Any) -> dict[str, Any]:
    """The older form of an error: a Rust result."""
    return {"Ok": None} if error is None else {"Err": error}


def return_data_json(outcome: Outcome) -> dict[str, Any] | None:
    """What the last program returned; None for nothing."""
    if outcome.return_program is None:
        return None
    return {
        "data": [base64.b64encode(outcome.return_data).decode(), "base64"],
        "programId": str(outcome.return_program),
    }


def simulation_json(outcome: Outcome) -> dict[str, Any]:
    """What `simulateTransaction` answers and a preflight failure carries."""
    return {
        "accounts": None,
        "err": outcome.error,
        "innerInstructions": None,
        "logs": list(outcome.logs),
        "replacementBlockhash": None,
        "returnData": return_data_json(outcome),
        "unitsConsumed": outcome.compute_units,
    }


def keyed_account_json(
    address: Pubkey, account: Account, wanted: AccountConfig, default: AccountEncoding, limits: RpcLimits
) -> dict[str, Any]:
    """An account with its address, as in lists and notifications. Raises RpcError."""
    return {"pubkey": str(address), "account": account_json(account, wanted, default, limits)}
