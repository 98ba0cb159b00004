"""Borsh as the program writes it: integers little-endian, bytes and text after their length (u32). Pure."""

import msgspec
from solders.pubkey import Pubkey

from contract.errors import DecodeError
from contract.terms import Prices, Terms, Usage

ADDRESS_BYTES = 32
DIGEST_BYTES = 32


class BorshReader:
    """Takes values off the front of some bytes. Every method raises `DecodeError` where they do not suffice."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def fixed(self, size: int) -> bytes:
        """So many bytes."""
        if len(self._rest) < size:
            raise DecodeError(f"{size} bytes were to follow, there are {len(self._rest)}")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)

    def u8(self) -> int:
        return self.fixed(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.fixed(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.fixed(8), "little")

    def i64(self) -> int:
        return int.from_bytes(self.fixed(8), "little", signed=True)

    def bytes(self) -> bytes:
        return self.fixed(self.u32())

    def address(self) -> str:
        """Base58."""
        return str(Pubkey.from_bytes(self.fixed(ADDRESS_BYTES)))

    def terms(self) -> Terms:
        minimum_escrow, max_instructions, notice = self.u64(), self.u64(), self.u32()
        prices = Prices(**{name: self.u64() for name in Prices.__struct_fields__})
        return Terms(
            minimum_escrow=minimum_escrow,
            max_instructions_per_call=max_instructions,
            notice_seconds=notice,
            prices=prices,
        )

    def usage(self) -> Usage:
        return Usage(**{name: self.u64() for name in Usage.__struct_fields__})

    def finish(self) -> None:
        """Raises `DecodeError` if something is left."""
        if self._rest:
            raise DecodeError(f"{len(self._rest)} bytes are left over")


class BorshWriter:
    """Puts values behind one another; numbers must be in range."""

    def __init__(self) -> None:
        self.data = bytearray()

    def fixed(self, data: bytes) -> "BorshWriter":
        self.data += data
        return self

    def u32(self, value: int) -> "BorshWriter":
        return self.fixed(value.to_bytes(4, "little"))

    def u64(self, value: int) -> "BorshWriter":
        return self.fixed(value.to_bytes(8, "little"))

    def i64(self, value: int) -> "BorshWriter":
        return self.fixed(value.to_bytes(8, "little", signed=True))

    def bytes(self, data: bytes) -> "BorshWriter":
        return self.u32(len(data)).fixed(data)

    def address(self, address: str) -> "BorshWriter":
        return self.fixed(bytes(Pubkey.from_string(address)))

    def terms(self, terms: Terms) -> "BorshWriter":
        self.u64(terms.minimum_escrow).u64(terms.max_instructions_per_call).u32(terms.notice_seconds)
        for price in msgspec.structs.astuple(terms.prices):
            self.u64(price)
        return self

    def usage(self, usage: Usage) -> "BorshWriter":
        for used in msgspec.structs.astuple(usage):
            self.u64(used)
        return self
