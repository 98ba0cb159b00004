"""The Marketplace of a local region: who has which key, what it all costs, and the transactions that set it up."""

from collections.abc import Callable
from typing import Final, Self

import msgspec
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.rent import Rent
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer

from contract import client as program
from contract import tokens
from contract.addresses import (
    TOKEN_PROGRAM_ID,
    associated_token_address,
    escrow_address,
    provider_address,
    region_address,
    state_address,
)
from contract.client import Escrow, Prices, Region, State, Terms
from contract.errors import DecodeError, InvalidInput
from mu.config import RuntimeLimits
from mu.identity import load_or_create_keypair
from mu.marketplace import Confirmation, Marketplace
from mu.region_folder import RegionFolder

REGION_NUMBER: Final = 1
NAME: Final = "local"
"""Of the provider and of its region."""
BASE_URL: Final = "http://127.0.0.1"

DECIMALS: Final = 6
TOKEN: Final = 10**DECIMALS
"""One token, in base units of the local mint."""

DEPOSIT: Final = 100 * TOKEN
COMMISSION_MILLIONTHS: Final = 50_000
NOTICE_SECONDS: Final = 3600
USAGE_SIGNER_SECONDS: Final = 10 * 365 * 24 * 3600

PRICES: Final = Prices(
    tera_megabyte_instruction=2 * TOKEN,
    database_gigabyte_month=300_000,
    database_million_reads=50_000,
    database_million_writes=250_000,
    storage_gigabyte_month=25_000,
    storage_gigabyte_read=10_000,
    storage_gigabyte_written=10_000,
    gateway_million_requests=1 * TOKEN,
    gateway_gigabyte=90_000,
)
TERMS: Final = Terms(
    minimum_escrow=10 * TOKEN,
    max_instructions_per_call=RuntimeLimits().max_instructions_per_call,
    notice_seconds=NOTICE_SECONDS,
    prices=PRICES,
)

PERSON_TOKENS: Final = 100_000 * TOKEN
"""What the provider and the developer each have at first."""
PREPAID: Final = 10_000 * TOKEN
"""What the developer pays into the escrow of that."""
PERSON_LAMPORTS: Final = 100 * 10**9
"""What the provider, the developer and the node each have at first; the admin, who gives it, keeps as much."""


class LocalKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a local region.

    The admin is the Marketplace's, authorizes the provider, makes the tokens, and gets the commissions. The mint's
    key signs once, when it is created. The node signs usage reports.
    """

    admin: Keypair
    mint: Keypair
    provider: Keypair
    developer: Keypair
    node: Keypair

    @classmethod
    def load(cls, folder: RegionFolder, random_bytes: Callable[[int], bytes]) -> Self:
        """Those in the folder; what is not there is created. Raises `InvalidInput`."""
        return cls(
            **{
                role: load_or_create_keypair(folder.keypair(role), random_bytes)
                for role in cls.__struct_fields__
            }
        )

    def tokens_of(self, key: Keypair) -> Pubkey:
        """The token account of one of them."""
        return associated_token_address(key.pubkey(), self.mint.pubkey())


async def set_up(
    keys: LocalKeys, marketplace: Marketplace, report: Callable[[str, Confirmation], None]
) -> None:
    """Send what has not been done yet; each transaction creates one account that tells that it has.

    So it goes on where it was stopped, and leaves alone whatever became of that account afterwards. `report` is told
    each transaction, and what it was for. Raises `InvalidInput` for a chain that another version of mu began.
    """
    provider = provider_address(keys.provider.pubkey())[0]
    try:
        if await marketplace.account(state_address()[0], State) is None:
            lamports = 4 * PERSON_LAMPORTS
            report("fund the admin", await marketplace.airdrop(keys.admin.pubkey(), lamports))
            report(
                "create the mint and the Marketplace",
                await marketplace.send(marketplace_instructions(keys), keys.admin, keys.mint),
            )
        if await marketplace.account(region_address(provider, REGION_NUMBER)[0], Region) is None:
            valid_to = await marketplace.unix_time() + USAGE_SIGNER_SECONDS
            report(
                "create the provider and the region",
                await marketplace.send(region_instructions(keys, valid_to), keys.provider, keys.admin),
            )
        if await marketplace.account(escrow_address(provider, keys.developer.pubkey())[0], Escrow) is None:
            report(
                "create the developer's escrow",
                await marketplace.send(escrow_instructions(keys), keys.developer),
            )
    except DecodeError as error:
        problem = (
            f"another version of mu began this chain ({error}); begin a new one with an empty --data folder"
        )
        raise InvalidInput("folder", problem) from error


def marketplace_instructions(keys: LocalKeys) -> list[Instruction]:
    """Funds for everybody, the mint, its token accounts, and the Marketplace; the admin and the mint sign."""
    admin, mint = keys.admin.pubkey(), keys.mint.pubkey()
    funded = (keys.provider, keys.developer, keys.node)
    create_mint = CreateAccountParams(
        from_pubkey=admin,
        to_pubkey=mint,
        lamports=Rent.default().minimum_balance(tokens.MINT_BYTES),
        space=tokens.MINT_BYTES,
        owner=TOKEN_PROGRAM_ID,
    )
    return [
        *(
            transfer(TransferParams(from_pubkey=admin, to_pubkey=key.pubkey(), lamports=PERSON_LAMPORTS))
            for key in funded
        ),
        create_account(create_mint),
        tokens.initialize_mint(mint, admin, DECIMALS),
        *(
            tokens.create_associated_token_account(admin, key.pubkey(), mint)
            for key in (keys.admin, keys.provider, keys.developer)
        ),
        *(
            tokens.mint_to(mint, admin, keys.tokens_of(key), PERSON_TOKENS)
            for key in (keys.provider, keys.developer)
        ),
        program.initialize(
            admin,
            mint=mint,
            commission_tokens=keys.tokens_of(keys.admin),
            deposit=DEPOSIT,
            commission_millionths=COMMISSION_MILLIONTHS,
            notice_seconds=NOTICE_SECONDS,
        ),
    ]


def region_instructions(keys: LocalKeys, usage_signer_valid_to: int) -> list[Instruction]:
    """The provider, authorized, its region, and the region's usage signer; the provider and the admin sign.

    `usage_signer_valid_to` is in seconds since 1970, on the chain's clock.
    """
    admin, owner = keys.admin.pubkey(), keys.provider.pubkey()
    return [
        program.create_provider_authorizer(admin, admin),
        program.create_provider(
            owner,
            NAME,
            mint=keys.mint.pubkey(),
            owner_tokens=keys.tokens_of(keys.provider),
            max_deposit=DEPOSIT,
        ),
        program.authorize_provider(admin, provider_address(owner)[0]),
        program.create_region(owner, REGION_NUMBER, NAME, BASE_URL, TERMS),
        program.create_usage_signer(owner, REGION_NUMBER, keys.node.pubkey(), usage_signer_valid_to),
    ]


def escrow_instructions(keys: LocalKeys) -> list[Instruction]:
    """The developer's escrow with the provider, and money in it; the developer signs."""
    provider, developer = provider_address(keys.provider.pubkey())[0], keys.developer.pubkey()
    escrow = escrow_address(provider, developer)[0]
    return [
        program.create_escrow(developer, provider, mint=keys.mint.pubkey()),
        program.deposit_escrow(developer, escrow, keys.tokens_of(keys.developer), PREPAID),
    ]
