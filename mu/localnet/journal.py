"""The ledger's journal: what happened to the chain, in order, on the engine.

Keys: `chain/entry/` + sequence (u64, big endian); `chain/code/` + sha256 of a program + chunk number (u32,
big endian); `chain/slot`: the last reserved slot (u64, big endian). Entries are tagged MessagePack arrays.
"""

import hashlib
from collections.abc import Iterator

import msgspec

from contract.errors import DecodeError
from events.engine import Engine

_ENTRIES = b"chain/entry/"
_ENTRIES_END = b"chain/entry0"
_CODE = b"chain/code/"
_RESERVED_SLOT = b"chain/slot"
_CODE_CHUNK_BYTES = 512 * 1024


class Genesis(msgspec.Struct, frozen=True, array_like=True, tag="genesis"):
    """The first entry: everything else of a new chain follows from the seed."""

    seed: bytes
    unix_timestamp: int


class ProgramDeployed(msgspec.Struct, frozen=True, array_like=True, tag="program"):
    """From this slot on `program_id` runs the code with this hash."""

    slot: int
    unix_timestamp: int
    program_id: bytes
    code_sha256: bytes


class TransactionAccepted(msgspec.Struct, frozen=True, array_like=True, tag="transaction"):
    """A transaction that pays its fee; it may still fail, and fails again in the same way on replay."""

    slot: int
    unix_timestamp: int
    transaction: bytes


Entry = Genesis | ProgramDeployed | TransactionAccepted

_decoder = msgspec.msgpack.Decoder(Entry)


def decode_entry(data: bytes) -> Entry:
    """Read one entry. Raises DecodeError."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise DecodeError(f"an entry of the chain's journal cannot be read: {error}") from error


class Journal:
    """Appends and reads entries. One process at a time: a second writer meets `KeyExists`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.snapshot() as snapshot:
            last = next(snapshot.scan(_ENTRIES, _ENTRIES_END, limit=1, reverse=True), None)
            reserved = snapshot.get(_RESERVED_SLOT)
        self.next_sequence = 0 if last is None else int.from_bytes(last[0][len(_ENTRIES) :]) + 1
        self.reserved_slot = 0 if reserved is None else int.from_bytes(reserved)

    def entries(self) -> Iterator[Entry]:
        """Every entry in order. Raises DecodeError for a damaged one, or for a gap."""
        with self._engine.snapshot() as snapshot:
            for expected, (key, value) in enumerate(snapshot.scan(_ENTRIES, _ENTRIES_END)):
                if key != _ENTRIES + expected.to_bytes(8):
                    raise DecodeError(f"entry {expected} of the chain's journal is missing")
                yield decode_entry(value)

    def append(self, entry: Entry) -> None:
        """Make `entry` durable. Raises EngineError; after any but `Unavailable` open the ledger again."""
        with self._engine.begin() as transaction:
            transaction.insert(_ENTRIES + self.next_sequence.to_bytes(8), msgspec.msgpack.encode(entry))
            transaction.commit()
        self.next_sequence += 1

    def reserve_slots(self, slot: int) -> None:
        """Promise that no later process uses a slot up to `slot`. Raises EngineError."""
        with self._engine.begin() as transaction:
            transaction.put(_RESERVED_SLOT, slot.to_bytes(8))
            transaction.commit()
        self.reserved_slot = slot

    def store_code(self, code: bytes) -> bytes:
        """Keep a program's bytes; returns their sha256."""
        digest = hashlib.sha256(code).digest()
        with self._engine.begin() as transaction:
            for number, start in enumerate(range(0, len(code), _CODE_CHUNK_BYTES)):
                chunk = code[start : start + _CODE_CHUNK_BYTES]
                transaction.put(_CODE + digest + number.to_bytes(4), chunk)
            transaction.commit()
        return digest

    def code(self, digest: bytes) -> bytes:
        """The program with this sha256. Raises DecodeError if it is not there whole."""
        with self._engine.snapshot() as snapshot:
            prefix = _CODE + digest
            code = b"".join(chunk for _, chunk in snapshot.scan(prefix, prefix + b"\xff" * 5))
        if hashlib.sha256(code).digest() != digest:
            raise DecodeError(f"the program {digest.hex()} of the chain's journal is damaged")
        return code
