"""What an instruction of the model of the Marketplace does, or the names of all the rules that it breaks."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from solders.pubkey import Pubkey

from contract.accounts import Account

MILLION = 10**6
FIRST = {"sequence": 0, "event_hash": bytes(32)}
"""Of an account that numbers events, before the first."""


class Refused(Exception):
    """The instruction breaks the rules of these errors, and changes nothing."""

    def __init__(self, errors: frozenset[str]) -> None:
        super().__init__(*sorted(errors))
        self.errors = errors


class Effect(NamedTuple):
    """The event of an instruction that succeeded: its name, its scope, and fields that it must have."""

    event: str
    scope: Pubkey
    fields: dict[str, Any]


@dataclass
class TokenAccount:
    mint: Pubkey
    owner: Pubkey
    amount: int


class Rules:
    """Gathers what an instruction breaks. What cannot be judged, as an account is missing, breaks nothing more."""

    def __init__(self, accounts: dict[Pubkey, Account], tokens: dict[Pubkey, TokenAccount]) -> None:
        self.broken: set[str] = set()
        self._accounts, self._tokens = accounts, tokens

    def refuse(self, error: str, when: object) -> None:
        if when:
            self.broken.add(error)

    def find(self, kind: type[Account], address: Pubkey) -> Any:
        """The account of a kind at an address, or None."""
        account = self._accounts.get(address)
        self.refuse("AccountNotOwned", account is None)
        self.refuse("AccountKindInvalid", account is not None and not isinstance(account, kind))
        return account if isinstance(account, kind) else None

    def new(self, address: Pubkey, derived: Pubkey) -> None:
        """An account is to be created."""
        present = address in self._accounts or address in self._tokens
        self.refuse("AccountExists", present)
        self.refuse("AddressInvalid", not present and address != derived)

    def tokens(self, address: Pubkey, mint: Pubkey, owner: Pubkey | None = None, amount: int = 0) -> None:
        """A token account of a mint, of an owner where one is named, and with as much in it."""
        account = self._tokens.get(address)
        self.refuse("TokenAccountInvalid", account is None or account.mint != mint)
        if account is not None and owner is not None:
            self.refuse("TokenAccountInvalid", account.owner != owner)
            self.refuse("TokensInsufficient", account.amount < amount)

    def hold(self) -> None:
        """Raises `Refused` if anything is broken."""
        if self.broken:
            raise Refused(frozenset(self.broken))
