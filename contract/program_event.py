"""An event of the Marketplace as a frozen struct, and its decoder."""

from hashlib import sha256
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from contract.errors import DecodeError
from contract.interface import parse_event


class ProgramEvent(msgspec.Struct, frozen=True):
    """One event.

    `scope` is the account (State, Provider, Region or Escrow) whose `sequence`-th event this is, counting from
    1 without a gap; `previous_hash` is the `hash` of the one before (32 zeros for the first), and `hash` the
    sha256 of this event's bytes. `fields` are the others, in snake case: numbers, text, bytes, public keys in
    base58, and structs (Terms, Usage) as dicts of these.
    """

    name: str
    scope: Pubkey
    sequence: int
    previous_hash: bytes
    hash: bytes
    fields: dict[str, Any]


def decode_event(data: bytes) -> ProgramEvent:
    """The event of one `Program data:` log line, after base64.

    Layout: discriminator (8 bytes), scope (32), sequence u64, previous hash (32), fields in Borsh. Raises
    `DecodeError` for bytes that are no event of ours, are cut short, or go on after the end.
    """
    name, fields, used_bytes = parse_event(data)
    if used_bytes != len(data):
        raise DecodeError(f"{len(data) - used_bytes} bytes follow the {name} event")
    return ProgramEvent(
        name=name,
        scope=fields.pop("scope"),
        sequence=fields.pop("sequence"),
        previous_hash=fields.pop("previous_hash"),
        hash=sha256(data).digest(),
        fields={field: str(value) if isinstance(value, Pubkey) else value for field, value in fields.items()},
    )
