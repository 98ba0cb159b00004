"""SPL tokens: decoders of mints and token accounts, and the instructions that set up and move tokens.

Of the classic SPL Token program alone. Amounts are base units of the mint.
"""

import enum

import msgspec
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.token.state import Mint as SplMint
from solders.token.state import TokenAccount as SplTokenAccount
from solders.token.state import TokenAccountState as SplTokenAccountState
from spl.token import instructions as spl

from contract.addresses import TOKEN_PROGRAM_ID
from contract.arguments import require_amount, require_number
from contract.errors import DecodeError

MINT_BYTES = 82
TOKEN_ACCOUNT_BYTES = 165
MAX_DECIMALS = 255


class TokenAccountState(enum.Enum):
    """Whether a token account can be used; tokens move neither into a frozen one nor out of it."""

    OPEN = "open"
    FROZEN = "frozen"


class TokenAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A token account; `owner` is the authority of its tokens."""

    mint: Pubkey
    owner: Pubkey
    amount: int
    state: TokenAccountState


class Mint(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of token: one is 10^`decimals` base units, of which there are `supply`.

    `mint_authority` makes more, `freeze_authority` freezes token accounts; None is nobody, for ever.
    """

    decimals: int
    supply: int
    mint_authority: Pubkey | None
    freeze_authority: Pubkey | None


def decode_token_account(data: bytes) -> TokenAccount:
    """The token account whose whole data (165 bytes) this is. Raises `DecodeError`, also if not initialized."""
    try:
        account = SplTokenAccount.from_bytes(data)
    except ValueError as error:
        raise DecodeError(f"these {len(data)} bytes are not an SPL token account: {error}") from error
    frozen = account.state == SplTokenAccountState.Frozen
    return TokenAccount(
        mint=account.mint,
        owner=account.owner,
        amount=account.amount,
        state=TokenAccountState.FROZEN if frozen else TokenAccountState.OPEN,
    )


def decode_mint(data: bytes) -> Mint:
    """The mint whose whole data (82 bytes) this is. Raises `DecodeError`, also if it is not initialized."""
    try:
        mint = SplMint.from_bytes(data)
    except ValueError as error:
        raise DecodeError(f"these {len(data)} bytes are not an SPL token mint: {error}") from error
    return Mint(
        decimals=mint.decimals,
        supply=mint.supply,
        mint_authority=mint.mint_authority,
        freeze_authority=mint.freeze_authority,
    )


def create_associated_token_account(payer: Pubkey, owner: Pubkey, mint: Pubkey) -> Instruction:
    """Creates `associated_token_address(owner, mint)` unless it is there; `payer` signs and pays the rent."""
    return spl.create_idempotent_associated_token_account(payer, owner, mint)


def initialize_mint(mint: Pubkey, authority: Pubkey, decimals: int) -> Instruction:
    """Makes an account of `MINT_BYTES` that the token program owns a mint, whose tokens `authority` makes.

    The account is created by the system program in the same transaction. Raises `InvalidInput`.
    """
    require_number("decimals", decimals, 0, MAX_DECIMALS)
    return spl.initialize_mint(spl.InitializeMintParams(decimals, TOKEN_PROGRAM_ID, mint, authority))


def mint_to(mint: Pubkey, authority: Pubkey, destination: Pubkey, amount: int) -> Instruction:
    """Makes `amount` new tokens in a token account; the mint's `authority` signs. Raises `InvalidInput`."""
    require_amount("amount", amount)
    return spl.mint_to(spl.MintToParams(TOKEN_PROGRAM_ID, mint, destination, authority, amount))


def transfer(source: Pubkey, owner: Pubkey, destination: Pubkey, amount: int) -> Instruction:
    """Moves tokens between two token accounts; the source's `owner` signs. Raises `InvalidInput`."""
    require_amount("amount", amount)
    return spl.transfer(spl.TransferParams(TOKEN_PROGRAM_ID, source, destination, owner, amount))
