"""The escrows of who acts, each with its provider."""

import shlex
from typing import Final

import msgspec
from solders.pubkey import Pubkey

from cli.cluster import Session
from cli.lookups import ADDRESS_BYTES, FIRST_FIELD_AT, NotPossible, find_provider
from cli.output import printable
from contract.accounts import Escrow, Provider, ProviderStatus
from contract.addresses import escrow_address
from mu.marketplace import MemoryFilter

TOO_LITTLE: Final = "nothing can be deployed or updated, and nodes may suspend what is live"
"""What follows where less is available than live stacks lock."""


class Holding(msgspec.Struct, frozen=True):
    """An escrow of who acts, its provider, and how a person may name the provider on the command line."""

    address: Pubkey
    escrow: Escrow
    provider: Provider
    named: str

    @property
    def free(self) -> int:
        """What live stacks do not keep from being withdrawn, in base units."""
        return max(0, self.escrow.balance - self.escrow.locked)

    @property
    def claimable(self) -> int:
        """What of the withdrawal would be paid if the notice were over, in base units."""
        return min(self.escrow.withdrawal, self.free)

    @property
    def available(self) -> int:
        """What counts for stacks, in base units: what was asked for does not, though it is still there."""
        return max(0, self.escrow.balance - self.escrow.withdrawal)

    @property
    def name(self) -> str:
        return printable(self.provider.name)


async def own_escrow(session: Session, text: str) -> Holding:
    """Raises `InvalidInput` for no provider, `NotPossible` where there is no escrow with it."""
    address, provider = await find_provider(session, text)
    place = escrow_address(address, session.keypair.pubkey())[0]
    found = await session.marketplace.account(place, Escrow)
    if found is None:
        missing = f"you have no escrow with {printable(provider.name)}"
        if provider.status is not ProviderStatus.AUTHORIZED:
            raise NotPossible(f"{missing}, which is {provider.status.value.lower()}")
        raise NotPossible(f"{missing}; `mu escrow create {word(text)}` opens one")
    return Holding(place, found, provider, word(text))


async def own_escrows(session: Session) -> list[Holding]:
    """By the name of their providers."""
    client = MemoryFilter(FIRST_FIELD_AT + ADDRESS_BYTES, bytes(session.keypair.pubkey()))
    holdings: list[Holding] = []
    for address, found in await session.marketplace.accounts(Escrow, [client]):
        _, provider = await find_provider(session, str(found.provider))
        holdings.append(Holding(address, found, provider, str(found.provider)))
    return sorted(holdings, key=lambda holding: (holding.provider.name.casefold(), bytes(holding.address)))


def word(text: str) -> str:
    """As a person types it into a shell again."""
    return shlex.quote(printable(text))
