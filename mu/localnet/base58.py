"""Base58 with Bitcoin's alphabet, as Solana writes keys, signatures and short data, under a limit."""

import based58

from contract.errors import DecodeError


def encode(data: bytes) -> str:
    """Write `data`. Quadratic: for short data only."""
    return based58.b58encode(data).decode("ascii")


def decode(text: str, *, max_bytes: int) -> bytes:
    """Read base58. Raises DecodeError for a foreign character or more than `max_bytes` bytes."""
    # seven characters stand for five bytes at least: a long text is refused before it is read
    if len(text) > max_bytes * 7 // 5 + 1:
        raise DecodeError(f"base58 text stands for more than {max_bytes} bytes")
    try:
        data = based58.b58decode(text.encode())
    except ValueError as error:
        raise DecodeError(f"base58: {error}") from None
    if len(data) > max_bytes:
        raise DecodeError(f"base58 text stands for more than {max_bytes} bytes")
    return data
