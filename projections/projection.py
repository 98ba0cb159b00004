"""What a projection is: a typed state and a pure fold of entries into it; and the checksum by which states compare."""

import hashlib
from typing import Any, ClassVar, Generic, Self, TypeVar

import msgspec

from contract.errors import DecodeError
from events.log import Entry

S = TypeVar("S", bound=msgspec.Struct)

_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Projection(Generic[S]):
    """Base of all projections. A subclass names itself, gives its state's type, and folds entries.

    `apply` reads nothing but the state and the entry: no clock, no I/O, no randomness, so that the same log gives the
    same state, byte for byte. Raise `version` when the state's type or the meaning of the fold changes: checkpoints of
    other versions are then not used.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    state_type: ClassVar[Any]
    reads: ClassVar[tuple[type[Any], ...]]
    """The kinds of events that it folds; it is given no others."""

    def __init__(self, state: S | None = None) -> None:
        self.state: S = self.state_type() if state is None else state

    def apply(self, entry: Entry) -> None:
        """Fold one entry, of a kind that it reads, into the state."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The state's bytes: MessagePack with sorted keys, the same for equal states."""
        return _encoder.encode(self.state)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The projection with the state in `data`. Raises `DecodeError`."""
        try:
            return cls(msgspec.msgpack.decode(data, type=cls.state_type))
        except (msgspec.DecodeError, ValueError) as error:
            raise DecodeError(f"the state of projection {cls.name}: {error}") from None

    def checksum(self) -> str:
        """SHA-256 over the state's bytes, in hexadecimal."""
        return hashlib.sha256(self.encode()).hexdigest()
