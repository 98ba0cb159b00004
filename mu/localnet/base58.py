"""Base58 with Bitcoin's alphabet, as Solana writes keys, signatures and short data."""

from contract.errors import DecodeError

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: digit for digit, character in enumerate(_ALPHABET)}


def encode(data: bytes) -> str:
    """Write `data`; each leading zero byte is a `1`. Quadratic: for short data only."""
    number = int.from_bytes(data)
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def decode(text: str, *, max_bytes: int) -> bytes:
    """Read base58. Raises DecodeError for a foreign character or more than `max_bytes` bytes."""
    if len(text) > max_bytes * 7 // 5 + 1:
        raise DecodeError(f"base58 text stands for more than {max_bytes} bytes")
    number = 0
    for index, character in enumerate(text):
        digit = _DIGITS.get(character)
        if digit is None:
            raise DecodeError(f"InvalidCharacter {{ character: {character!r}, index: {index} }}")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
    if len(data) > max_bytes:
        raise DecodeError(f"base58 text stands for more than {max_bytes} bytes")
    return data
