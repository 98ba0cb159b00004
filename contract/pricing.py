"""What usage costs, and who gets what of a charge: the program's arithmetic, exact and rounded down once."""

from math import lcm
from typing import Final

import msgspec

from contract.terms import Prices, Usage

TERA: Final = 10**12
GIGA: Final = 10**9
MILLION: Final = 10**6
MONTH_SECONDS: Final = 30 * 24 * 3600

UNITS: Final = (
    ("megabyte_instructions", "tera_megabyte_instruction", TERA),
    ("database_byte_seconds", "database_gigabyte_month", GIGA * MONTH_SECONDS),
    ("database_reads", "database_million_reads", MILLION),
    ("database_writes", "database_million_writes", MILLION),
    ("storage_byte_seconds", "storage_gigabyte_month", GIGA * MONTH_SECONDS),
    ("storage_bytes_read", "storage_gigabyte_read", GIGA),
    ("storage_bytes_written", "storage_gigabyte_written", GIGA),
    ("gateway_requests", "gateway_million_requests", MILLION),
    ("gateway_bytes", "gateway_gigabyte", GIGA),
)
"""What is metered, its price, and how much of what is metered the price buys."""

_DENOMINATOR: Final = lcm(*(unit for _, _, unit in UNITS))


class Charge(msgspec.Struct, frozen=True):
    """How a cost is met, in base units of the mint.

    `charge` is taken from the escrow, of which `commission` goes to the Marketplace and the rest to the
    provider; `shortfall` is what the escrow could not pay.
    """

    charge: int
    commission: int
    shortfall: int


def cost(usage: Usage, prices: Prices) -> int:
    """What `usage` costs, in base units of the mint; the program refuses a cost above 2^64 - 1."""
    numerator = sum(
        getattr(usage, metered) * getattr(prices, price) * (_DENOMINATOR // unit)
        for metered, price, unit in UNITS
    )
    return numerator // _DENOMINATOR


def split_charge(cost: int, balance: int, commission_millionths: int) -> Charge:
    """How an escrow with `balance` meets `cost`, all in base units of the mint."""
    charge = min(cost, balance)
    return Charge(charge, charge * commission_millionths // MILLION, cost - charge)
