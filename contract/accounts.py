"""The Marketplace's accounts as frozen structs, and their decoder.

Amounts are base units of the Marketplace's mint; times are seconds since 1970 on the chain's clock.
"""

import enum
from typing import Any, Final

import msgspec
from solders.pubkey import Pubkey

from contract.errors import DecodeError
from contract.interface import parse_account
from contract.terms import Lock, Prices, Terms

LAYOUT_VERSION: Final = 1
MAX_NAME_BYTES: Final = 32
MAX_BASE_URL_BYTES: Final = 128
MAX_MANIFEST_BYTES: Final = 875
"""What `deploy_stack` can carry in a legacy transaction (1232 bytes) with one signer and nothing else."""

SPARE_BYTES: Final = 64
"""Zeros at the end of every account, for fields of later versions."""

_EMPTY_STACK_BYTES: Final = 8 + 1 + 1 + 32 + 32 + 8 + 4 + 1 + 8 + 8 + 9 * 8 + 4 + SPARE_BYTES
_ROOM_BYTES: Final = {"name": MAX_NAME_BYTES, "base_url": MAX_BASE_URL_BYTES}
"""An account has room for the longest of these fields, whatever it holds."""


class ProviderStatus(enum.Enum):
    """Whether a provider may sell; a closed one stays closed."""

    DISABLED = "Disabled"
    AUTHORIZED = "Authorized"
    CLOSED = "Closed"


class RegionStatus(enum.Enum):
    """Whether a region takes stacks; a closed one stays closed."""

    LIVE = "Live"
    CLOSED = "Closed"


class StackStatus(enum.Enum):
    """Whether a stack may run; a deleted one never comes back, and is settled by its last usage report."""

    ACTIVE = "Active"
    DELETED = "Deleted"
    SETTLED = "Settled"


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What the accounts that number events have in common.

    `sequence` is the number of the scope's last event, 0 before the first; `event_hash` is the sha256 of that
    event's bytes, 32 zeros before the first.
    """

    bump: int
    sequence: int
    event_hash: bytes


class State(Scope, frozen=True, kw_only=True):
    """The Marketplace itself; there is one."""

    admin: Pubkey
    mint: Pubkey
    commission_tokens: Pubkey
    """The token account that commissions go to."""
    deposit: int
    """What a new provider must deposit."""
    commission_millionths: int
    notice_seconds: int
    """How long a withdrawal waits, a deleted stack's last report is accepted, a report cannot be closed."""


class Authorizer(msgspec.Struct, frozen=True, kw_only=True):
    """A key that may authorize and revoke providers."""

    bump: int
    authority: Pubkey


class Provider(Scope, frozen=True, kw_only=True):
    """One who sells regions; a tombstone (no deposit) once closed. `region_count` regions are live."""

    owner: Pubkey
    vault: Pubkey
    """The token account of the deposit."""
    deposit: int
    region_count: int
    status: ProviderStatus
    name: str


class Region(Scope, frozen=True, kw_only=True):
    """A cluster of nodes of a provider; a tombstone once closed. `stack_count` stacks are live in it."""

    provider: Pubkey
    number: int
    stack_count: int
    status: RegionStatus
    terms: Terms
    next_from: int
    """From when `next_terms` hold; 0 where none are to come."""
    next_terms: Terms
    name: str
    base_url: str

    def terms_at(self, unix_time: int) -> Terms:
        """The terms in force at a time (seconds since 1970)."""
        return self.next_terms if self.next_from != 0 and unix_time >= self.next_from else self.terms


class Escrow(Scope, frozen=True, kw_only=True):
    """A client's prepayment to a provider."""

    provider: Pubkey
    client: Pubkey
    vault: Pubkey
    """The token account that holds it."""
    balance: int
    """What is recorded; the vault may hold more until `sync_escrow`."""
    withdrawal: int
    """What was asked for; 0 where nothing was."""
    withdrawal_from: int
    """From when it can be claimed; 0 where nothing was asked for."""
    locks: tuple[Lock, ...]
    """8 places, some of them empty."""

    @property
    def locked(self) -> int:
        """What live stacks keep from being withdrawn; it can be more than the balance."""
        return sum(lock.minimum for lock in self.locks)


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """What a developer has deployed to a region; a tombstone (no manifest) once deleted."""

    bump: int
    region: Pubkey
    owner: Pubkey
    seed: int
    revision: int
    status: StackStatus
    reported_position: int
    """The last position of its last usage report; 0 before the first."""
    deleted_at: int
    """0 while it is live."""
    final_prices: Prices
    """The prices in force then, at which its last usage is charged; zeros while it is live."""
    manifest: bytes

    @property
    def allocated_bytes(self) -> int:
        """The size of the account, in bytes; its rent follows from it."""
        return _EMPTY_STACK_BYTES + len(self.manifest)


class UsageSigner(msgspec.Struct, frozen=True, kw_only=True):
    """The one key that reports usage in a region, from `valid_from` until before `valid_to`."""

    bump: int
    region: Pubkey
    signer: Pubkey
    valid_from: int
    valid_to: int


class RequestSigner(msgspec.Struct, frozen=True, kw_only=True):
    """A key that makes requests to a region on a client's behalf while it is active."""

    bump: int
    region: Pubkey
    client: Pubkey
    signer: Pubkey
    active: bool


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that was made, for the positions `first_position` to `last_position` of the region's log."""

    bump: int
    region: Pubkey
    stack: Pubkey
    first_position: int
    last_position: int
    payer: Pubkey
    """Who paid the account's rent and gets it back."""
    reported_at: int
    digest: bytes
    """The hash of the log's entry at the last position."""
    cost: int
    charge: int
    """What was taken from the escrow: the cost, or the balance where that was less."""
    commission: int
    """What of the charge went to the commission account."""


Account = State | Authorizer | Provider | Region | Escrow | Stack | UsageSigner | RequestSigner | UsageReport

_KINDS: Final[dict[str, type[Account]]] = {
    kind.__name__: kind
    for kind in (State, Authorizer, Provider, Region, Escrow, Stack, UsageSigner, RequestSigner, UsageReport)
}


def decode_account(data: bytes) -> Account:
    """The account whose whole data this is (layouts: the structs in `program/src/state`).

    Raises `DecodeError` for any other kind, another layout version, another size, and room that is not zeros.
    """
    name, fields, used_bytes = parse_account(data)
    version = fields.pop("version")
    if version != LAYOUT_VERSION:
        raise DecodeError(f"the account has layout version {version}; only {LAYOUT_VERSION} is known")
    allocated_bytes = used_bytes + _unused_room_bytes(fields) + SPARE_BYTES
    if len(data) != allocated_bytes:
        raise DecodeError(f"this {name} account has {allocated_bytes} bytes, not {len(data)}")
    if any(data[used_bytes:]):
        raise DecodeError(f"the spare room of a {name} account is not zeros")
    return msgspec.convert(fields, _KINDS[name], builtin_types=(bytes,), dec_hook=_keep)


def _unused_room_bytes(fields: dict[str, Any]) -> int:
    unused_bytes = 0
    for field in _ROOM_BYTES.keys() & fields.keys():
        free_bytes = _ROOM_BYTES[field] - len(fields[field].encode())
        if free_bytes < 0:
            raise DecodeError(f"the {field} is longer than {_ROOM_BYTES[field]} bytes")
        unused_bytes += free_bytes
    return unused_bytes


def _keep(kind: type, value: Any) -> Any:
    """Public keys arrive as they are; msgspec checks their type."""
    return value
