"""The provider of who acts, and its regions."""

from typing import Final

import click
from solders.pubkey import Pubkey

from cli.cluster import Session
from cli.lookups import NotPossible, regions_of
from cli.output import printable
from contract.accounts import Provider, ProviderStatus, Region, RegionStatus
from contract.addresses import MAX_REGION_NUMBER, provider_address, region_address

REGION_NUMBER: Final = click.IntRange(0, MAX_REGION_NUMBER)


async def own_provider(session: Session) -> tuple[Pubkey, Provider]:
    """The provider of `session.keypair`, closed or not. Raises `NotPossible` where there is none."""
    own = session.keypair.pubkey()
    await session.state()
    address, _ = provider_address(own)
    provider = await session.marketplace.account(address, Provider)
    if provider is None:
        raise NotPossible(f"{own} has no provider; create one by `mu provider create`")
    return address, provider


def require_open(provider: Provider) -> None:
    """Raises `NotPossible` if the provider is closed."""
    if provider.status is ProviderStatus.CLOSED:
        raise NotPossible(f"your provider {printable(provider.name)} is closed, for ever")


async def own_region(session: Session, number: int) -> tuple[Pubkey, Region]:
    """A region of one's own provider, closed or not. Raises `NotPossible` where it is not there."""
    provider, _ = await own_provider(session)
    address, _ = region_address(provider, number)
    region = await session.marketplace.account(address, Region)
    if region is None:
        numbers = ", ".join(map(str, sorted(await regions_of(session, provider)))) or "none"
        raise NotPossible(f"your provider has no region {number}; its regions: {numbers}")
    return address, region


async def own_live_region(session: Session, number: int) -> tuple[Pubkey, Region]:
    """A region of one's own provider. Raises `NotPossible` where it is closed, or not there."""
    address, region = await own_region(session, number)
    if region.status is RegionStatus.CLOSED:
        raise NotPossible(f"region {number} ({printable(region.name)}) is closed, for ever")
    return address, region
