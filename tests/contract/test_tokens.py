"""SPL tokens, as the token programs themselves write them, and every kind of other bytes."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.transaction import Transaction
from solders.transaction_metadata import FailedTransactionMetadata
from spl.token.instructions import FreezeAccountParams, InitializeMintParams, freeze_account
from spl.token.instructions import initialize_mint as initialize_mint_that_freezes

from contract.addresses import TOKEN_PROGRAM_ID, associated_token_address
from contract.errors import DecodeError, InvalidInput
from contract.tokens import (
    MINT_BYTES,
    TOKEN_ACCOUNT_BYTES,
    Mint,
    TokenAccount,
    TokenAccountState,
    create_associated_token_account,
    decode_mint,
    decode_token_account,
    initialize_mint,
    mint_to,
    transfer,
)

PAYER, MINT, OTHER_MINT = (Keypair.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
OWNER, FRIEND = (Pubkey([number] * 32) for number in (4, 5))


class Chain:
    """The token programs, in process."""

    def __init__(self) -> None:
        self.svm = LiteSVM().with_blockhash_check(False).with_transaction_history(0)
        self.svm.airdrop(PAYER.pubkey(), 10**12)

    def send(self, *instructions: Instruction, signers: tuple[Keypair, ...] = ()) -> None:
        message = Message(list(instructions), PAYER.pubkey())
        sent = self.svm.send_transaction(Transaction([PAYER, *signers], message, self.svm.latest_blockhash()))
        assert not isinstance(sent, FailedTransactionMetadata), (sent.err(), sent.meta().logs())

    def create_mint(self, key: Keypair, initialize: Instruction) -> None:
        lamports = self.svm.minimum_balance_for_rent_exemption(MINT_BYTES)
        create = create_account(
            CreateAccountParams(
                from_pubkey=PAYER.pubkey(),
                to_pubkey=key.pubkey(),
                lamports=lamports,
                space=MINT_BYTES,
                owner=TOKEN_PROGRAM_ID,
            )
        )
        self.send(create, initialize, signers=(key,))

    def data(self, address: Pubkey) -> bytes:
        account = self.svm.get_account(address)
        assert account is not None
        assert account.owner == TOKEN_PROGRAM_ID
        return account.data


@pytest.fixture(scope="module")
def chain() -> Chain:
    """100 tokens were made for the payer, and 30 sent on; the other mint's token account is frozen."""
    chain, payer = Chain(), PAYER.pubkey()
    chain.create_mint(MINT, initialize_mint(MINT.pubkey(), payer, 6))
    for owner in (payer, FRIEND):
        for _ in range(2):  # idempotent
            chain.send(create_associated_token_account(payer, owner, MINT.pubkey()))
    own, friends = (associated_token_address(owner, MINT.pubkey()) for owner in (payer, FRIEND))
    chain.send(mint_to(MINT.pubkey(), payer, own, 100))
    chain.send(transfer(own, payer, friends, 30))
    initialize = InitializeMintParams(0, TOKEN_PROGRAM_ID, OTHER_MINT.pubkey(), OWNER, payer)
    chain.create_mint(OTHER_MINT, initialize_mint_that_freezes(initialize))
    chain.send(create_associated_token_account(payer, FRIEND, OTHER_MINT.pubkey()))
    frozen = associated_token_address(FRIEND, OTHER_MINT.pubkey())
    chain.send(freeze_account(FreezeAccountParams(TOKEN_PROGRAM_ID, frozen, OTHER_MINT.pubkey(), payer)))
    return chain


def test_mints(chain: Chain) -> None:
    payer = PAYER.pubkey()
    assert decode_mint(chain.data(MINT.pubkey())) == Mint(
        decimals=6, supply=100, mint_authority=payer, freeze_authority=None
    )
    assert decode_mint(chain.data(OTHER_MINT.pubkey())) == Mint(
        decimals=0, supply=0, mint_authority=OWNER, freeze_authority=payer
    )


@pytest.mark.parametrize(
    ("owner", "mint", "amount", "state"),
    [
        (PAYER.pubkey(), MINT.pubkey(), 70, TokenAccountState.OPEN),
        (FRIEND, MINT.pubkey(), 30, TokenAccountState.OPEN),
        (FRIEND, OTHER_MINT.pubkey(), 0, TokenAccountState.FROZEN),
    ],
)
def test_token_accounts(
    chain: Chain, owner: Pubkey, mint: Pubkey, amount: int, state: TokenAccountState
) -> None:
    account = decode_token_account(chain.data(associated_token_address(owner, mint)))
    assert account == TokenAccount(mint=mint, owner=owner, amount=amount, state=state)


@pytest.fixture(scope="module")
def samples(chain: Chain) -> list[tuple[Callable[[bytes], object], bytes]]:
    token_account = chain.data(associated_token_address(FRIEND, MINT.pubkey()))
    return [(decode_mint, chain.data(MINT.pubkey())), (decode_token_account, token_account)]


def test_sizes(samples) -> None:
    assert [len(data) for _, data in samples] == [MINT_BYTES, TOKEN_ACCOUNT_BYTES]


def test_every_truncation_and_what_follows(samples) -> None:
    for decode, data in samples:
        for other in (*(data[:length] for length in range(len(data))), data + b"\0", data + bytes(100)):
            with pytest.raises(DecodeError, match=f"these {len(other)} bytes"):
                decode(other)


def test_one_kind_is_not_the_other(samples) -> None:
    [(_, mint), (_, token_account)] = samples
    with pytest.raises(DecodeError):
        decode_mint(token_account)
    with pytest.raises(DecodeError):
        decode_token_account(mint)


def test_what_is_not_initialized() -> None:
    with pytest.raises(DecodeError, match="initialized"):
        decode_mint(bytes(MINT_BYTES))
    with pytest.raises(DecodeError, match="initialized"):
        decode_token_account(bytes(TOKEN_ACCOUNT_BYTES))


def test_every_byte_altered_is_decoded_or_refused_with_one_error(samples) -> None:
    refused = 0
    for decode, data in samples:
        for at in range(len(data)):
            for flip in (0x01, 0x80, 0xFF):
                altered = bytearray(data)
                altered[at] ^= flip
                try:
                    decode(bytes(altered))
                except DecodeError:
                    refused += 1
    assert refused >= 3 * 4


@given(st.binary(max_size=200) | st.binary(min_size=82, max_size=82) | st.binary(min_size=165, max_size=165))
def test_random_bytes(data: bytes) -> None:
    for decode in (decode_mint, decode_token_account):
        with suppress(DecodeError):
            decode(data)


@pytest.mark.parametrize("amount", [-1, 2**64])
def test_amounts_out_of_limits(amount: int) -> None:
    for build in (
        lambda: mint_to(OWNER, OWNER, OWNER, amount),
        lambda: transfer(OWNER, OWNER, OWNER, amount),
    ):
        with pytest.raises(InvalidInput, match=r"^amount: "):
            build()


@pytest.mark.parametrize("decimals", [-1, 256])
def test_decimals_out_of_limits(decimals: int) -> None:
    with pytest.raises(InvalidInput, match=r"^decimals: "):
        initialize_mint(OWNER, OWNER, decimals)
