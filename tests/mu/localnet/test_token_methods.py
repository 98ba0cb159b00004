"""The methods that read tokens, and what others say of mints and token accounts."""

import base64
from typing import Any

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Processed
from solana.rpc.types import TokenAccountOpts
from solders.pubkey import Pubkey
from solders.rpc.responses import GetTokenAccountBalanceResp, GetTokenAccountsByOwnerResp, GetTokenSupplyResp

from contract import tokens
from contract.addresses import TOKEN_PROGRAM_ID, provider_address, state_address, vault_address
from contract.program_errors import AccountExists
from events.engine.memory import MemoryEngine
from mu.local_marketplace import (
    DEPOSIT,
    PERSON_TOKENS,
    PREPAID,
    TOKEN,
    escrow_instructions,
    marketplace_instructions,
)
from mu.localnet.ledger import Ledger
from tests.mu.localnet.conftest import Rpc
from tests.mu.localnet.marketplace import KEYS, open_ledger, set_up, signed
from tests.mu.localnet.test_server import running

MINT = KEYS.mint.pubkey()
PROVIDER = KEYS.provider.pubkey()
PROVIDER_TOKENS = KEYS.tokens_of(KEYS.provider)
PROCESSED = {"commitment": "processed"}
BASE64 = {**PROCESSED, "encoding": "base64"}


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    ledger = open_ledger(MemoryEngine())
    set_up(ledger)
    return ledger


@pytest.fixture
def rpc(ledger: Ledger) -> Rpc:
    return Rpc(ledger)


async def test_the_balance_of_a_token_account(rpc: Rpc) -> None:
    held = PERSON_TOKENS - DEPOSIT
    assert await rpc.value("getTokenAccountBalance", str(PROVIDER_TOKENS), PROCESSED) == {
        "amount": str(held),
        "decimals": 6,
        "uiAmount": held / TOKEN,
        "uiAmountString": str(held // TOKEN),
    }
    vault = vault_address(provider_address(PROVIDER)[0])[0]
    assert (await rpc.value("getTokenAccountBalance", str(vault), PROCESSED))["amount"] == str(DEPOSIT)


async def test_the_supply_of_a_mint(rpc: Rpc) -> None:
    supply = await rpc.value("getTokenSupply", str(MINT), PROCESSED)
    assert (supply["amount"], supply["decimals"]) == (str(2 * PERSON_TOKENS), 6)


async def test_the_token_accounts_of_an_owner(rpc: Rpc) -> None:
    for which in ({"mint": str(MINT)}, {"programId": str(TOKEN_PROGRAM_ID)}):
        [found] = await rpc.value("getTokenAccountsByOwner", str(PROVIDER), which, BASE64)
        assert found["pubkey"] == str(PROVIDER_TOKENS)
        account = tokens.decode_token_account(base64.b64decode(found["account"]["data"][0]))
        assert account.amount == PERSON_TOKENS - DEPOSIT
    assert await rpc.value("getTokenAccountsByOwner", str(MINT), {"mint": str(MINT)}, BASE64) == []


async def test_before_its_commitment_a_token_account_is_not_there(rpc: Rpc) -> None:
    error = await rpc.error("getTokenAccountBalance", str(PROVIDER_TOKENS))
    assert (error["code"], error["message"]) == (-32602, "Invalid param: could not find account")


@pytest.mark.parametrize(
    ("method", "params", "problem"),
    [
        ("getTokenAccountBalance", [MINT], "not a Token account"),
        ("getTokenAccountBalance", [PROVIDER], "not a Token account"),
        ("getTokenAccountBalance", [state_address()[0]], "not a Token account"),
        ("getTokenAccountBalance", [Pubkey(bytes([9] * 32))], "could not find account"),
        ("getTokenSupply", [PROVIDER_TOKENS], "not a Token mint"),
        ("getTokenSupply", [PROVIDER], "not a Token mint"),
        ("getTokenSupply", [Pubkey(bytes([9] * 32))], "could not find mint"),
        ("getTokenAccountsByOwner", [PROVIDER, {"mint": str(PROVIDER)}], "not a Token mint"),
        ("getTokenAccountsByOwner", [PROVIDER, {"programId": "1" * 32}], "unrecognized Token program id"),
        ("getTokenAccountsByOwner", [PROVIDER, {}], "either mint or programId"),
        ("getTokenAccountsByOwner", [PROVIDER, {"mint": "1" * 32, "programId": "1" * 32}], "either mint or"),
    ],
)
async def test_a_nodes_refusals(rpc: Rpc, method: str, params: list[Any], problem: str) -> None:
    address, *others = params
    error = await rpc.error(method, str(address), *others, PROCESSED)
    assert error["code"] == -32602
    assert problem in error["message"]


async def test_the_accounts_of_mints_and_tokens_are_read_as_any_other(rpc: Rpc) -> None:
    mint = await rpc.value("getAccountInfo", str(MINT), BASE64)
    assert (mint["owner"], mint["space"]) == (str(TOKEN_PROGRAM_ID), tokens.MINT_BYTES)
    assert tokens.decode_mint(base64.b64decode(mint["data"][0])).decimals == 6
    held = await rpc.value("getAccountInfo", str(PROVIDER_TOKENS), BASE64)
    assert tokens.decode_token_account(base64.b64decode(held["data"][0])).mint == MINT


async def test_a_simulation_moves_no_tokens(rpc: Rpc, ledger: Ledger) -> None:
    there = KEYS.tokens_of(KEYS.developer)
    move = signed(ledger, [tokens.transfer(PROVIDER_TOKENS, PROVIDER, there, TOKEN)], KEYS.provider)
    text = base64.b64encode(bytes(move)).decode()
    before = await rpc.value("getTokenAccountBalance", str(there), PROCESSED)
    assert before["amount"] == str(PERSON_TOKENS - PREPAID)
    answer = await rpc.value(
        "simulateTransaction", text, {**BASE64, "accounts": {"addresses": [str(there)], "encoding": "base64"}}
    )
    assert answer["err"] is None
    after = tokens.decode_token_account(base64.b64decode(answer["accounts"][0]["data"][0]))
    assert after.amount == int(before["amount"]) + TOKEN
    assert await rpc.value("getTokenAccountBalance", str(there), PROCESSED) == before


async def test_a_simulation_tells_what_the_marketplace_would_refuse(rpc: Rpc, ledger: Ledger) -> None:
    again = signed(ledger, escrow_instructions(KEYS), KEYS.developer)
    answer = await rpc.value("simulateTransaction", base64.b64encode(bytes(again)).decode(), BASE64)
    assert answer["err"] == {"InstructionError": [0, {"Custom": AccountExists.code}]}


async def test_the_client_can_parse_them() -> None:
    async with running(MemoryEngine()) as localnet, AsyncClient(localnet.url, Processed) as client:
        ledger = localnet.ledger
        set_up(ledger)
        balance = await client.get_token_account_balance(PROVIDER_TOKENS)
        assert isinstance(balance, GetTokenAccountBalanceResp)
        assert balance.value.amount == str(PERSON_TOKENS - DEPOSIT)
        supply = await client.get_token_supply(MINT)
        assert isinstance(supply, GetTokenSupplyResp)
        assert supply.value.ui_amount_string == str(2 * PERSON_TOKENS // TOKEN)
        listed = await client.get_token_accounts_by_owner(PROVIDER, TokenAccountOpts(mint=MINT))
        assert isinstance(listed, GetTokenAccountsByOwnerResp)
        assert [one.pubkey for one in listed.value] == [PROVIDER_TOKENS]


async def test_a_transaction_that_fails_at_its_last_instruction_moves_no_tokens(
    rpc: Rpc, ledger: Ledger
) -> None:
    more = tokens.mint_to(MINT, KEYS.admin.pubkey(), PROVIDER_TOKENS, 1)
    *_, initialize = marketplace_instructions(KEYS)
    record = ledger.transact(signed(ledger, [more, initialize], KEYS.admin))
    assert record.outcome.error == {"InstructionError": [1, {"Custom": AccountExists.code}]}
    assert (await rpc.value("getTokenSupply", str(MINT), PROCESSED))["amount"] == str(2 * PERSON_TOKENS)
