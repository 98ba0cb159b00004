"""One event's step in a rebuilding: the accounts before it, and those that it changes."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from solders.pubkey import Pubkey

from contract.accounts import Account, Escrow, Provider, Region, State
from contract.errors import MuError
from contract.program_event import ProgramEvent

AccountT = TypeVar("AccountT", bound=Account)


class EventMisfit(MuError):
    """An event does not follow from those before it: one is missing, repeated, out of order, or forged."""

    def __init__(self, event: ProgramEvent, problem: str) -> None:
        super().__init__(f"{event.name}, event {event.sequence} of {event.scope}: {problem}")
        self.event = event


class Step:
    """`changes` are the accounts as the event leaves them, None for one that it closes.

    Every method raises `EventMisfit` where an account is not what the event presumes.
    """

    def __init__(self, accounts: Mapping[Pubkey, Account], event: ProgramEvent) -> None:
        self.event = event
        self.scope = event.scope
        self.changes: dict[Pubkey, Account | None] = {}
        self._accounts = accounts

    def __getitem__(self, field: str) -> Any:
        """A field of the event."""
        return self.event.fields[field]

    def key(self, field: str) -> Pubkey:
        """A field of the event that is a public key."""
        return Pubkey.from_string(self[field])

    def misfit(self, problem: str) -> EventMisfit:
        """The error to raise about this event."""
        return EventMisfit(self.event, problem)

    def get(self, kind: type[AccountT], address: Pubkey) -> AccountT:
        """The account of this kind at an address, with the changes so far."""
        account = self.changes.get(address, self._accounts.get(address))
        if not isinstance(account, kind):
            raise self.misfit(f"there is no {kind.__name__} at {address}")
        return account

    def change(self, kind: type[AccountT], address: Pubkey, **fields: Any) -> None:
        """Give fields of the account of this kind at an address these values."""
        self.changes[address] = msgspec.structs.replace(self.get(kind, address), **fields)

    def create(self, address: Pubkey, account: Account) -> None:
        """A new account where there is none."""
        if address in self._accounts:
            raise self.misfit(f"there is an account at {address} already")
        self.changes[address] = account

    def close(self, kind: type[Account], address: Pubkey) -> None:
        """The account of this kind at an address goes."""
        self.get(kind, address)
        self.changes[address] = None

    def bump(self, derived: tuple[Pubkey, int], address: Pubkey) -> int:
        """The bump of a derived address, which must be the one that the event names."""
        if derived[0] != address:
            raise self.misfit(f"its fields give the address {derived[0]}, not {address}")
        return derived[1]

    def number_scope(self) -> None:
        """The event is the last of its scope from now on."""
        account = self.changes.get(self.scope, self._accounts.get(self.scope))
        if not isinstance(account, State | Provider | Region | Escrow):
            raise self.misfit("its scope is no account that numbers events")
        self.changes[self.scope] = msgspec.structs.replace(
            account, sequence=self.event.sequence, event_hash=self.event.hash
        )
