"""Where a node keeps functions' binaries: a folder of files named by content id."""

import os
from pathlib import Path

from contract.errors import InvalidInput, MuError
from events.manifest import binary_id, is_binary_id


class MissingBinary(MuError):
    """The binary has not been uploaded here (yet)."""


class BinaryStore:
    """Content-addressed files. Its methods block."""

    def __init__(self, folder: Path, *, max_binary_bytes: int) -> None:
        self._folder = folder
        self._max_binary_bytes = max_binary_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, binary: bytes) -> str:
        """Keep a binary, durably, and return its content id. Raises `InvalidInput` for one that is too large."""
        if len(binary) > self._max_binary_bytes:
            raise InvalidInput(
                "binary", f"has {len(binary)} bytes, more than the {self._max_binary_bytes} allowed"
            )
        identifier = binary_id(binary)
        path = self._folder / identifier
        if not path.exists():
            part = path.with_suffix(f".part{os.getpid()}")
            with part.open("wb") as file:
                file.write(binary)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        return identifier

    def get(self, identifier: str) -> bytes:
        """The binary with this content id. Raises `MissingBinary`, also when the file is not what its name says."""
        if not is_binary_id(identifier):
            raise MissingBinary(f"{identifier!r} is not a content id")
        try:
            binary = (self._folder / identifier).read_bytes()
        except FileNotFoundError:
            raise MissingBinary(f"the binary {identifier} has not been uploaded") from None
        if binary_id(binary) != identifier:
            raise MissingBinary(f"the binary {identifier} is damaged; upload it again")
        return binary
