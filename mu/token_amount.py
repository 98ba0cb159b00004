"""Amounts of tokens: whole tokens as people write them, base units as the chain counts them. Exact, no floats."""

import re

from contract.errors import InvalidInput

MAX_BASE_UNITS = 2**64 - 1
MAX_CHARACTERS = 300
"""Room for the 255 decimals that SPL allows a mint, and for u64's 20 digits."""

_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?")


def parse_tokens(text: str, decimals: int, field: str = "amount") -> int:
    """The base units (u64) of an amount in whole tokens, such as `12.5`, of a mint with so many `decimals`.

    Plain digits with at most one point: no sign, exponent or separators. Raises `InvalidInput(field, ...)`.
    """
    found = _AMOUNT.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if found is None:
        shown = repr(text if len(text) <= 40 else text[:39] + "…")
        raise InvalidInput(field, f"{shown} is not an amount of tokens; write digits as in 1000 or 12.5")
    whole, fraction = found[1], found[2] or ""
    if len(fraction) > decimals:
        raise InvalidInput(field, f"{text} has {len(fraction)} decimals, but the mint has {decimals}")
    base_units = int(whole + fraction.ljust(decimals, "0"))
    if base_units > MAX_BASE_UNITS:
        most = format_tokens(MAX_BASE_UNITS, decimals)
        raise InvalidInput(field, f"{text} is more than a token account can hold ({most})")
    return base_units


def format_tokens(base_units: int, decimals: int) -> str:
    """Base units as whole tokens: `12.5`, `0.000001`; no exponent, no zeros at the end of the decimals."""
    digits = str(base_units).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
