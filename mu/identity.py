"""Keypairs in files, in the Solana CLI's format: a JSON list of 64 numbers, secret key then public key."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from solders.keypair import Keypair

from contract.errors import InvalidInput

SEED_BYTES = 32
MAX_FILE_BYTES = 4096


def load_keypair(path: Path) -> Keypair:
    """Read a keypair. Raises `InvalidInput`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        fix = f"create one with `solana-keygen new --outfile {path}`, or name one with --keypair"
        raise InvalidInput(str(path), f"there is no keypair; {fix}") from None
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read ({error.strerror})") from None
    try:
        return Keypair.from_bytes(bytes(msgspec.json.decode(data, type=list[int])))
    except (ValueError, RecursionError):
        raise InvalidInput(str(path), "is not a keypair file (a JSON list of 64 numbers)") from None


def load_or_create_keypair(path: Path, random_bytes: Callable[[int], bytes]) -> Keypair:
    """Read a keypair, or write a new one that only this user can read."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(list(bytes(Keypair.from_seed(random_bytes(SEED_BYTES)))), file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    return load_keypair(path)
