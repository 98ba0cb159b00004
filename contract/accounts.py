"""The Marketplace's accounts as frozen structs, and their decoder."""

import enum
from typing import Final

import msgspec
from solders.pubkey import Pubkey

from contract.errors import DecodeError
from contract.interface import parse_account

LAYOUT_VERSION: Final = 1
MAX_NAME_BYTES: Final = 32
MAX_BASE_URL_BYTES: Final = 128
MAX_MANIFEST_BYTES: Final = 941
"""What `deploy_stack` can carry in a legacy transaction (1232 bytes) with one signer and nothing else."""

SPARE_BYTES: Final = 64
"""Zeros at the end of every account, for fields of later versions."""

_HEADER_BYTES: Final = 8 + 1 + 1
_CHAIN_BYTES: Final = 8 + 32
_PROVIDER_BYTES: Final = _HEADER_BYTES + 32 + _CHAIN_BYTES + 4 + MAX_NAME_BYTES + SPARE_BYTES
_STATE_BYTES: Final = _HEADER_BYTES + 32 + _CHAIN_BYTES + SPARE_BYTES
_REGION_BYTES: Final = (
    _HEADER_BYTES + 32 + 4 + _CHAIN_BYTES + 4 + 4 + MAX_NAME_BYTES + 4 + MAX_BASE_URL_BYTES + SPARE_BYTES
)


class StackStatus(enum.Enum):
    """Whether a stack may run; a deleted one never comes back."""

    ACTIVE = "Active"
    DELETED = "Deleted"


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


class Provider(Scope, frozen=True, kw_only=True):
    """One who sells regions."""

    owner: Pubkey
    name: str


class Region(Scope, frozen=True, kw_only=True):
    """A cluster of nodes of a provider; `stack_count` stacks are live in it."""

    provider: Pubkey
    number: int
    stack_count: int
    name: str
    base_url: str


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """What a developer has deployed to a region; a tombstone (no manifest) once deleted."""

    bump: int
    region: Pubkey
    owner: Pubkey
    seed: int
    revision: int
    status: StackStatus
    manifest: bytes

    @property
    def allocated_bytes(self) -> int:
        """The size of the account, in bytes; its rent follows from it."""
        return _HEADER_BYTES + 32 + 32 + 8 + 4 + 1 + 4 + len(self.manifest) + SPARE_BYTES


def decode_account(data: bytes) -> State | Provider | Region | Stack:
    """The account whose whole data this is (layouts: the structs in `program/src/state.rs`).

    Raises `DecodeError` for any other kind, another layout version, another size, and room that is not zeros.
    """
    name, fields, used_bytes = parse_account(data)
    version = fields.pop("version")
    if version != LAYOUT_VERSION:
        raise DecodeError(f"the account has layout version {version}; only {LAYOUT_VERSION} is known")
    account: State | Provider | Region | Stack
    match name:
        case "State":
            account, allocated_bytes = State(**fields), _STATE_BYTES
        case "Provider":
            account, allocated_bytes = Provider(**fields), _PROVIDER_BYTES
        case "Region":
            account, allocated_bytes = Region(**fields), _REGION_BYTES
        case _:
            fields["status"] = StackStatus(type(fields["status"]).__name__)
            account = Stack(**fields)
            allocated_bytes = account.allocated_bytes
    if len(data) != allocated_bytes:
        raise DecodeError(f"a {name} account has {allocated_bytes} bytes, not {len(data)}")
    if any(data[used_bytes:]):
        raise DecodeError(f"the spare room of a {name} account is not zeros")
    return account
