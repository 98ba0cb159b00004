"""A transaction as `getTransaction` tells it: its instructions, top-level and inner, in the order of execution."""

import base64
import json
from typing import Any

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, CompiledInstruction, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageAddressTableLookup, MessageHeader, MessageV0
from solders.pubkey import Pubkey
from solders.rpc.responses import GetTransactionResp
from solders.signature import Signature
from solders.transaction import Transaction, VersionedTransaction

from events.chain.instructions import transaction_of
from events.chain.reader import ChainTransaction, ChainUnavailable, Invocation, TokenAmounts
from mu.localnet import base58

SIGNER = Keypair.from_seed(bytes(32))
KEYS = [Pubkey(bytes([number] * 32)) for number in (1, 2, 3, 4)]
META: dict[str, Any] = {
    "err": None, "status": {"Ok": None}, "fee": 0, "preBalances": [], "postBalances": [], "logMessages": ["line"],
    "innerInstructions": [], "loadedAddresses": {"readonly": [], "writable": []}}  # fmt: skip


def read(
    transaction: Transaction | VersionedTransaction, signature: str = "", **meta: Any
) -> ChainTransaction:
    result = {
        "slot": 9,
        "blockTime": 77,
        "transaction": [base64.b64encode(bytes(transaction)).decode(), "base64"],
        "meta": META | meta,
        "version": "legacy" if isinstance(transaction, Transaction) else 0,
    }
    answer = GetTransactionResp.from_json(json.dumps({"jsonrpc": "2.0", "id": 0, "result": result}))
    assert isinstance(answer, GetTransactionResp)
    assert answer.value is not None
    return transaction_of(signature or str(transaction.signatures[0]), answer.value)


def legacy() -> Transaction:
    instructions = [
        Instruction(KEYS[0], b"one", [AccountMeta(SIGNER.pubkey(), True, True)]),
        Instruction(KEYS[1], b"two", [AccountMeta(KEYS[2], False, True), AccountMeta(KEYS[0], False, False)]),
    ]
    message = Message.new_with_blockhash(instructions, SIGNER.pubkey(), Hash.default())
    return Transaction([SIGNER], message, Hash.default())


def inner(
    transaction: Transaction, index: int, data: bytes, program: Pubkey, *accounts: Pubkey
) -> dict[str, Any]:
    keys = transaction.message.account_keys
    invoked = {
        "programIdIndex": keys.index(program),
        "accounts": [keys.index(account) for account in accounts],
        "data": base58.encode(data),
        "stackHeight": 2,
    }
    return {"index": index, "instructions": [invoked]}


def test_top_level_and_inner_instructions_in_the_order_of_execution():
    transaction = legacy()
    found = read(transaction, innerInstructions=[inner(transaction, 0, b"within", KEYS[1], KEYS[2])])
    one, two, three, signer = (str(key) for key in (*KEYS[:3], SIGNER.pubkey()))
    assert (found.slot, found.block_time, found.failed, found.logs) == (9, 77, False, ("line",))
    assert found.instructions == (
        Invocation(one, (signer,), b"one"),
        Invocation(two, (three,), b"within", height=2),
        Invocation(two, (three, one), b"two"),
    )


def test_accounts_out_of_lookup_tables():
    message = MessageV0(
        MessageHeader(1, 0, 1), [SIGNER.pubkey(), KEYS[0]], Hash.default(),
        [CompiledInstruction(1, b"data", bytes([0, 2, 3]))],
        [MessageAddressTableLookup(KEYS[3], bytes([0]), bytes([1]))])  # fmt: skip
    transaction = VersionedTransaction.populate(message, [Signature.default()])
    loaded = {"writable": [str(KEYS[1])], "readonly": [str(KEYS[2])]}
    accounts = tuple(str(key) for key in (SIGNER.pubkey(), KEYS[1], KEYS[2]))
    assert read(transaction, loadedAddresses=loaded).instructions == (
        Invocation(str(KEYS[0]), accounts, b"data"),
    )
    # where the node does not tell what was loaded, nothing can be said of them
    assert read(transaction).instructions is None


def test_a_node_that_does_not_keep_inner_instructions():
    assert read(legacy(), innerInstructions=None).instructions is None


@pytest.mark.parametrize("change", [{"programIdIndex": 99}, {"accounts": [99]}, {"data": "0OIl"}])
def test_inner_instructions_that_make_no_sense_are_as_good_as_none(change: dict[str, Any]):
    transaction = legacy()
    group = inner(transaction, 0, b"within", KEYS[1], KEYS[2])
    group["instructions"][0] |= change
    assert read(transaction, innerInstructions=[group]).instructions is None


def test_another_transaction_than_was_asked_for_is_not_believed():
    with pytest.raises(ChainUnavailable, match="has sent another"):
        read(legacy(), str(SIGNER.sign_message(b"other")))


def test_a_node_that_keeps_no_log_lines():
    with pytest.raises(ChainUnavailable, match="keeps no log lines"):
        read(legacy(), logMessages=None)


def tokens_told(account_index: int, amount: str) -> dict[str, Any]:
    told = {"amount": amount, "decimals": 6, "uiAmount": None, "uiAmountString": "0"}
    return {"accountIndex": account_index, "mint": str(KEYS[3]), "uiTokenAmount": told}


def test_the_height_of_an_inner_instruction():
    transaction = legacy()
    group = inner(transaction, 0, b"within", KEYS[1], KEYS[2])
    for told, height in ((3, 3), (None, 2)):
        group["instructions"][0]["stackHeight"] = told
        instructions = read(transaction, innerInstructions=[group]).instructions
        assert instructions is not None
        assert [one.height for one in instructions] == [1, height, 1]


def test_what_token_accounts_held_before_and_after():
    keys = [str(key) for key in legacy().message.account_keys]
    found = read(
        legacy(),
        preTokenBalances=[tokens_told(1, "5"), tokens_told(2, "18446744073709551615")],
        postTokenBalances=[tokens_told(1, "7"), tokens_told(3, "9")],
    )
    assert found.token_amounts == {
        keys[1]: TokenAmounts(5, 7),
        keys[2]: TokenAmounts(2**64 - 1, 0),
        keys[3]: TokenAmounts(0, 9),
    }
    assert read(legacy()).token_amounts == {}


@pytest.mark.parametrize(
    ("index", "amount"), [(99, "5"), (1, "-5"), (1, "x"), (1, ""), (1, "9" * 40), (1, "\u0663")]
)
def test_token_amounts_that_make_no_sense_are_as_good_as_none(index: int, amount: str):
    assert read(legacy(), preTokenBalances=[tokens_told(index, amount)]).token_amounts == {}
