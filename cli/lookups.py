"""What a person names on the command line, as the account on chain."""

from typing import Final, TypeVar

from solders.pubkey import Pubkey

from cli.cluster import Session
from cli.output import printable
from contract.accounts import Account, Provider, ProviderStatus, Region
from contract.errors import InvalidInput, MuError
from mu.marketplace import MemoryFilter, WrongAccount

T = TypeVar("T", bound=Account)

MAX_SHOWN_CHARACTERS: Final = 64
FIRST_FIELD_AT: Final = 8 + 1 + 1
"""Where an account's first field begins: after its discriminator, version and bump."""
ADDRESS_BYTES: Final = 32

_LISTED_BY: Final[dict[type[Account], str]] = {
    Provider: "`mu list providers` shows the providers",
    Region: "`mu list regions` shows the regions",
}


class NotPossible(MuError):
    """What was asked for cannot be done as things stand on chain; nothing was sent."""


def parse_address(text: str, field: str) -> Pubkey:
    """An address in base58. Raises `InvalidInput`."""
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise InvalidInput(field, f"{shown(text)} is not an address of 32 to 44 base58 characters") from None


async def find_account(session: Session, text: str, kind: type[T], field: str) -> tuple[Pubkey, T]:
    """The account of a kind at the address `text`. Raises `InvalidInput` where there is none."""
    address = parse_address(text, field)
    try:
        account = await session.marketplace.account(address, kind)
    except WrongAccount:
        account = None
    if account is None:
        await session.state()  # a cluster without a Marketplace has a better sentence
        hint = _LISTED_BY.get(kind)
        problem = f"there is no {kind.__name__.lower()} at {address}"
        raise InvalidInput(field, f"{problem}; {hint}" if hint else problem)
    return address, account


async def find_provider(session: Session, text: str, field: str = "PROVIDER") -> tuple[Pubkey, Provider]:
    """The provider at the address `text`, or of that exact name if no other has it. Raises `InvalidInput`."""
    try:
        parse_address(text, field)
    except InvalidInput:
        named = [
            (address, provider)
            for address, provider in await session.marketplace.accounts(Provider)
            if provider.name == text
        ]
        if len(named) == 1:
            return named[0]
        if not named:
            await session.state()
            raise InvalidInput(
                field, f"no provider has the address or the name {shown(text)}; {_LISTED_BY[Provider]}"
            ) from None
        them = ", ".join(f"{address} ({provider.status.value.lower()})" for address, provider in named)
        raise InvalidInput(
            field, f"{len(named)} providers are named {shown(text)}; name one by its address: {them}"
        ) from None
    return await find_account(session, text, Provider, field)


async def regions_of(session: Session, provider: Pubkey) -> dict[int, tuple[Pubkey, Region]]:
    """A provider's regions, by number."""
    found = await session.marketplace.accounts(Region, [MemoryFilter(FIRST_FIELD_AT, bytes(provider))])
    return {region.number: (address, region) for address, region in found}


def require_authorized(provider: Provider, consequence: str) -> None:
    """Raises `NotPossible`, a sentence that ends with the `consequence`, unless the provider is authorized."""
    if provider.status is not ProviderStatus.AUTHORIZED:
        state = "closed" if provider.status is ProviderStatus.CLOSED else "not authorized"
        raise NotPossible(f"the provider {printable(provider.name)} is {state}: {consequence}")


def shown(text: str) -> str:
    """What a person wrote, quoted in a sentence, and cut if it is long."""
    cut = text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"
    return f"'{printable(cut)}'"
