"""What token accounts held before and after a transaction: of which it is told, and how it is written."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.account import Account
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from spl.token import instructions as spl
from spl.token.constants import TOKEN_2022_PROGRAM_ID

from contract import tokens
from contract.addresses import TOKEN_PROGRAM_ID
from events.engine.memory import MemoryEngine
from mu.local_marketplace import DEPOSIT, PERSON_TOKENS, PREPAID
from mu.localnet.commitment import Commitment
from mu.localnet.encoding import token_amount_json, transaction_json
from mu.localnet.history import TransactionRecord
from mu.localnet.ledger import Ledger
from mu.localnet.token_balances import TokenBalance, token_balances
from tests.mu.localnet.marketplace import KEYS, open_ledger, send, set_up, signed

MINT = KEYS.mint.pubkey()
PROVIDER, DEVELOPER, ADMIN = (key.pubkey() for key in (KEYS.provider, KEYS.developer, KEYS.admin))
HELD, OTHER = KEYS.tokens_of(KEYS.provider), KEYS.tokens_of(KEYS.developer)
HAS, OTHER_HAS = PERSON_TOKENS - DEPOSIT, PERSON_TOKENS - PREPAID
STRANGER = Keypair.from_seed(bytes([77] * 32)).pubkey()
LAMPORTS = 10**7


@pytest.fixture
def ledger() -> Ledger:
    ledger = open_ledger(MemoryEngine())
    set_up(ledger)
    return ledger


def told(record: TransactionRecord, balances: tuple[TokenBalance, ...]) -> dict[Pubkey, int]:
    """The amounts by account; their order is that of the accounts."""
    assert [one.account_index for one in balances] == sorted(one.account_index for one in balances)
    return {record.account_keys[one.account_index]: one.amount for one in balances}


def before_and_after(record: TransactionRecord) -> tuple[dict[Pubkey, int], dict[Pubkey, int]]:
    return told(record, record.pre_token_balances), told(record, record.post_token_balances)


def allocate(address: Pubkey, space: int, program: Pubkey) -> Instruction:
    return create_account(
        CreateAccountParams(
            from_pubkey=ADMIN, to_pubkey=address, lamports=LAMPORTS, space=space, owner=program
        )
    )


def close(account: Pubkey, owner: Pubkey) -> Instruction:
    return spl.close_account(spl.CloseAccountParams(TOKEN_PROGRAM_ID, account, owner, owner))


def test_a_transfer_which_does_not_name_the_mint(ledger: Ledger) -> None:
    record = send(ledger, [tokens.transfer(HELD, PROVIDER, OTHER, 5)], KEYS.provider)
    assert MINT not in record.account_keys
    assert before_and_after(record) == ({HELD: HAS, OTHER: OTHER_HAS}, {HELD: HAS - 5, OTHER: OTHER_HAS + 5})
    assert {(one.mint, one.program, one.decimals) for one in record.post_token_balances} == {
        (MINT, TOKEN_PROGRAM_ID, 6)
    }
    owners = {record.account_keys[one.account_index]: one.owner for one in record.pre_token_balances}
    assert owners == {HELD: PROVIDER, OTHER: DEVELOPER}


def test_an_account_that_was_not_there_before_or_is_not_afterwards(ledger: Ledger) -> None:
    create = tokens.create_associated_token_account(ADMIN, STRANGER, MINT)
    created = create.accounts[1].pubkey
    record = send(ledger, [create], KEYS.admin)
    assert before_and_after(record) == ({}, {created: 0})
    move = tokens.transfer(HELD, PROVIDER, OTHER, HAS)
    record = send(ledger, [move, close(HELD, PROVIDER)], KEYS.provider)
    assert before_and_after(record) == ({HELD: HAS, OTHER: OTHER_HAS}, {OTHER: OTHER_HAS + HAS})


def test_a_mint_that_is_made_in_the_transaction_itself(ledger: Ledger) -> None:
    mint = Keypair.from_seed(bytes([78] * 32))
    create = tokens.create_associated_token_account(ADMIN, ADMIN, mint.pubkey())
    made = create.accounts[1].pubkey
    instructions = [
        allocate(mint.pubkey(), tokens.MINT_BYTES, TOKEN_PROGRAM_ID),
        tokens.initialize_mint(mint.pubkey(), ADMIN, 2),
        create,
        tokens.mint_to(mint.pubkey(), ADMIN, made, 7),
    ]
    record = send(ledger, instructions, KEYS.admin, mint)
    assert before_and_after(record) == ({}, {made: 7})
    assert record.post_token_balances[0].decimals == 2


def test_a_failed_transaction_left_all_as_it_was(ledger: Ledger) -> None:
    instructions = [tokens.transfer(HELD, PROVIDER, OTHER, 5), tokens.transfer(HELD, PROVIDER, OTHER, HAS)]
    record = ledger.transact(signed(ledger, instructions, KEYS.provider))
    assert record.outcome.error is not None
    held = {HELD: HAS, OTHER: OTHER_HAS}
    assert before_and_after(record) == (held, held)


def test_nothing_is_told_where_no_token_program_is_named(ledger: Ledger) -> None:
    pay = transfer(TransferParams(from_pubkey=PROVIDER, to_pubkey=HELD, lamports=1))
    record = send(ledger, [pay], KEYS.provider)
    assert HELD in record.account_keys
    assert before_and_after(record) == ({}, {})
    for program in (TOKEN_PROGRAM_ID, TOKEN_2022_PROGRAM_ID):
        named = Instruction(
            pay.program_id, bytes(pay.data), [*pay.accounts, AccountMeta(program, False, False)]
        )
        assert before_and_after(send(ledger, [named], KEYS.provider)) == ({HELD: HAS}, {HELD: HAS})


def test_accounts_of_token_2022_with_and_without_extensions(ledger: Ledger) -> None:
    mint = Keypair.from_seed(bytes([79] * 32))
    parameters = spl.InitializeMintParams(3, TOKEN_2022_PROGRAM_ID, mint.pubkey(), ADMIN)
    create = spl.create_associated_token_account(ADMIN, ADMIN, mint.pubkey(), TOKEN_2022_PROGRAM_ID)
    held = create.accounts[1].pubkey
    mint_to = spl.MintToParams(TOKEN_2022_PROGRAM_ID, mint.pubkey(), held, ADMIN, 9)
    instructions = [
        allocate(mint.pubkey(), tokens.MINT_BYTES, TOKEN_2022_PROGRAM_ID),
        spl.initialize_mint(parameters),
        create,
        spl.mint_to(mint_to),
    ]
    record = send(ledger, instructions, KEYS.admin, mint)
    assert before_and_after(record) == ({}, {held: 9})
    [balance] = record.post_token_balances
    assert (balance.program, balance.decimals) == (TOKEN_2022_PROGRAM_ID, 3)
    assert len(account_data(ledger, held)) > tokens.TOKEN_ACCOUNT_BYTES
    plain = Keypair.from_seed(bytes([80] * 32))
    account = spl.InitializeAccountParams(TOKEN_2022_PROGRAM_ID, plain.pubkey(), mint.pubkey(), ADMIN)
    space = allocate(plain.pubkey(), tokens.TOKEN_ACCOUNT_BYTES, TOKEN_2022_PROGRAM_ID)
    record = send(ledger, [space, spl.initialize_account(account)], KEYS.admin, plain)
    assert before_and_after(record) == ({}, {plain.pubkey(): 0})


def account_data(ledger: Ledger, address: Pubkey) -> bytes:
    account = ledger.account(address, Commitment.PROCESSED)
    assert account is not None
    return bytes(account.data)


def told_of(data: bytes, mint: bytes, program: Pubkey = TOKEN_PROGRAM_ID) -> tuple[TokenBalance, ...]:
    """What is told of an account with this data whose mint, if it is at MINT, has that one."""
    instruction = Instruction(TOKEN_PROGRAM_ID, b"", [AccountMeta(HELD, False, True)])
    message = Message.new_with_blockhash([instruction], PROVIDER, Hash.default())
    accounts = {HELD: Account(1, data, program), MINT: Account(1, mint, TOKEN_PROGRAM_ID)}
    return token_balances(message, accounts.get)


def test_accounts_cut_short_altered_or_of_other_programs_are_not_told_of(ledger: Ledger) -> None:
    held, mint = account_data(ledger, HELD), account_data(ledger, MINT)
    [balance] = told_of(held, mint)
    assert balance == TokenBalance(1, MINT, PROVIDER, TOKEN_PROGRAM_ID, HAS, 6)
    for size in range(len(held)):
        assert told_of(held[:size], mint) == ()
    for size in range(len(mint)):
        assert told_of(held, mint[:size]) == ()
    assert told_of(mint, mint) == told_of(held, held) == ()
    assert told_of(held, mint, PROVIDER) == told_of(held, mint, TOKEN_2022_PROGRAM_ID) == ()
    assert told_of(bytes(32) + held[32:], mint) == ()
    # more than 165 bytes: a mint, a multisig and a token account with extensions
    for kind, size, expected in ((1, 170, ()), (2, 355, ()), (2, 170, (balance,))):
        extended = held + bytes([kind]) + bytes(size - 166)
        assert told_of(extended, mint) == expected


@given(st.integers(0, 2**32))
def test_any_data_is_told_of_or_not(seed: int) -> None:
    randomness = random.Random(seed)
    data = bytearray(bytes(MINT) + randomness.randbytes(randomness.choice((50, 133, 138, 323))))
    if randomness.random() < 0.5:
        data[72:] = bytes(len(data) - 72)
        data[108:109] = bytes([randomness.randrange(4)])
    mint = bytes(randomness.choice((4, 36, 44))) + bytes([6, 1]) + bytes(36)
    for balance in told_of(bytes(data), mint):
        assert balance.amount == int.from_bytes(data[64:72], "little")


@pytest.mark.parametrize(
    ("amount", "decimals", "ui_amount", "text"),
    [
        # as Agave's validator wrote them
        (0, 6, 0.0, "0"),
        (1, 6, 1e-06, "0.000001"),
        (1234567890123456790, 6, 1234567890123.4568, "1234567890123.45679"),
        (1234567890123456783, 18, 1.2345678901234567, "1.234567890123456783"),
        (1234567890123456783, 0, 1.2345678901234568e18, "1234567890123456783"),
        (7, 25, None, "0.0000000000000000000000007"),
    ],
)
def test_amounts_are_written_as_a_node_does(
    amount: int, decimals: int, ui_amount: float | None, text: str
) -> None:
    written = token_amount_json(amount, decimals)
    assert written == {
        "amount": str(amount),
        "decimals": decimals,
        "uiAmount": ui_amount,
        "uiAmountString": text,
    }


@pytest.mark.parametrize(
    ("amount", "decimals", "ui_amount"),
    [(0, 0, None), (1, 0, 1.0), (1, 6, 1e-06), (1, 18, None), (1234567890123456790, 18, 1.2345678901234567)],
)
def test_a_transaction_does_not_tell_nothing_from_next_to_nothing(
    ledger: Ledger, amount: int, decimals: int, ui_amount: float | None
) -> None:
    record = send(ledger, [tokens.transfer(HELD, PROVIDER, OTHER, 5)], KEYS.provider)
    balance = TokenBalance(1, MINT, PROVIDER, TOKEN_PROGRAM_ID, amount, decimals)
    altered = msgspec.structs.replace(record, pre_token_balances=(balance,))
    for encoding in ("json", "jsonParsed", "base64", "base58"):
        answer = transaction_json(altered, encoding, None)
        [written] = answer["meta"]["preTokenBalances"]
        assert written.pop("uiTokenAmount")["uiAmount"] == ui_amount
        assert written == {
            "accountIndex": 1,
            "mint": str(MINT),
            "owner": str(PROVIDER),
            "programId": str(TOKEN_PROGRAM_ID),
        }
        assert len(answer["meta"]["postTokenBalances"]) == 2
