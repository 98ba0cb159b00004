"""Costs and charges, against exact fractions."""

from fractions import Fraction
from math import floor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.pricing import UNITS, Charge, cost, split_charge
from contract.terms import Prices, Usage

MONTH_SECONDS = 2_592_000
UNIT_OF = {"megabyte_instructions": 10**12, "database_byte_seconds": 10**9 * MONTH_SECONDS, "database_reads": 10**6,
           "database_writes": 10**6, "storage_byte_seconds": 10**9 * MONTH_SECONDS, "storage_bytes_read": 10**9,
           "storage_bytes_written": 10**9, "gateway_requests": 10**6, "gateway_bytes": 10**9}  # fmt: skip
PRICE_OF = {"megabyte_instructions": "tera_megabyte_instruction", "database_byte_seconds": "database_gigabyte_month",
            "database_reads": "database_million_reads", "database_writes": "database_million_writes",
            "storage_byte_seconds": "storage_gigabyte_month", "storage_bytes_read": "storage_gigabyte_read",
            "storage_bytes_written": "storage_gigabyte_written", "gateway_requests": "gateway_million_requests",
            "gateway_bytes": "gateway_gigabyte"}  # fmt: skip

u64 = st.integers(0, 2**64 - 1)
near = st.builds(
    lambda unit, by: max(0, unit + by), st.sampled_from(list(UNIT_OF.values())), st.integers(-2, 2)
)
numbers = u64 | near | st.integers(0, 9)
usages = st.builds(Usage, **dict.fromkeys(Usage.__struct_fields__, numbers))
prices = st.builds(Prices, **dict.fromkeys(Prices.__struct_fields__, numbers))


def test_everything_metered_has_its_price_and_its_unit() -> None:
    assert {metered: price for metered, price, _ in UNITS} == PRICE_OF
    assert {metered: unit for metered, _, unit in UNITS} == UNIT_OF
    assert list(Usage.__struct_fields__) == list(UNIT_OF)
    assert list(Prices.__struct_fields__) == list(PRICE_OF.values())


@given(usages, prices)
def test_a_cost_is_exact_and_rounded_down_once(usage: Usage, prices: Prices) -> None:
    used, price = msgspec.structs.asdict(usage), msgspec.structs.asdict(prices)
    exact = sum((Fraction(used[name] * price[PRICE_OF[name]], UNIT_OF[name]) for name in used), Fraction(0))
    assert cost(usage, prices) == floor(exact)


@pytest.mark.parametrize("metered", UNIT_OF)
def test_one_unit_costs_its_price(metered: str) -> None:
    prices = Prices(**{PRICE_OF[metered]: 3})
    assert cost(Usage(**{metered: UNIT_OF[metered]}), prices) == 3
    assert cost(Usage(**{metered: UNIT_OF[metered] - 1}), prices) == 2
    assert cost(Usage(**{metered: UNIT_OF[metered]}), Prices()) == 0


def test_parts_of_a_base_unit_add_up() -> None:
    prices = Prices(database_million_reads=1, gateway_million_requests=1)
    assert cost(Usage(database_reads=500_000, gateway_requests=499_999), prices) == 0
    assert cost(Usage(database_reads=500_000, gateway_requests=500_000), prices) == 1


@given(u64, u64, st.integers(0, 1_000_000))
def test_a_charge_is_what_the_escrow_can_pay(cost: int, balance: int, rate: int) -> None:
    split = split_charge(cost, balance, rate)
    assert split.charge == min(cost, balance)
    assert split.charge + split.shortfall == cost
    assert split.commission == floor(Fraction(split.charge * rate, 1_000_000))
    assert 0 <= split.commission <= split.charge


@pytest.mark.parametrize(
    ("cost", "balance", "rate", "split"),
    [
        (100, 100, 50_000, Charge(100, 5, 0)),
        (100, 30, 50_000, Charge(30, 1, 70)),
        (100, 0, 1_000_000, Charge(0, 0, 100)),
        (7, 99, 1_000_000, Charge(7, 7, 0)),
        (2**64 - 1, 2**64 - 1, 999_999, Charge(2**64 - 1, (2**64 - 1) * 999_999 // 10**6, 0)),
    ],
)
def test_charges(cost: int, balance: int, rate: int, split: Charge) -> None:
    assert split_charge(cost, balance, rate) == split
