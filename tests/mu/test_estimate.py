"""A month as a developer describes it, as usage and as money."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.accounts import Region, RegionStatus
from contract.errors import InvalidInput
from contract.pricing import cost
from contract.terms import NO_TERMS, Prices, Terms, Usage
from mu.estimate import MonthlyUsage, estimate, parse_bytes, parse_count, usage_of

PRICES = Prices(
    tera_megabyte_instruction=2_000_000,
    database_gigabyte_month=300_000,
    database_million_reads=50_000,
    database_million_writes=250_000,
    storage_gigabyte_month=25_000,
    storage_gigabyte_read=10_000,
    storage_gigabyte_written=12_000,
    gateway_million_requests=1_000_000,
    gateway_gigabyte=90_000,
)
TERMS = Terms(minimum_escrow=1, max_instructions_per_call=1, notice_seconds=1, prices=PRICES)
DEARER = Terms(
    minimum_escrow=2,
    max_instructions_per_call=1,
    notice_seconds=1,
    prices=Prices(gateway_million_requests=3_000_000),
)
MONTH = MonthlyUsage(
    requests=5_000_000,
    instructions_per_request=2_000_000,
    megabytes_per_request=64,
    traffic_bytes=20 * 10**9,
    database_bytes=5 * 10**9,
    reads=10_000_000,
    writes=1_000_000,
    storage_bytes=50 * 10**9,
    storage_bytes_read=10 * 10**9,
    storage_bytes_written=10**9,
)
UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def region(next_from: int = 0) -> Region:
    return Region(
        bump=1, sequence=1, event_hash=bytes(32), provider=Pubkey.default(), number=1, stack_count=0,
        status=RegionStatus.LIVE, terms=TERMS, next_from=next_from, next_terms=DEARER if next_from else NO_TERMS,
        name="north", base_url="https://north.example")  # fmt: skip


def test_a_whole_month():
    usage = usage_of(MONTH)
    assert usage.megabyte_instructions == 640 * 10**12
    assert (usage.gateway_requests, usage.database_byte_seconds) == (5_000_000, 5 * 10**9 * 2_592_000)
    by_hand = (
        640 * 2_000_000 + 5 * 300_000 + 10 * 50_000 + 1 * 250_000
        + 50 * 25_000 + 10 * 10_000 + 1 * 12_000 + 5 * 1_000_000 + 20 * 90_000
    )  # fmt: skip
    assert estimate(region(), usage, 0).cost == by_hand


def test_nothing_used_costs_nothing():
    assert usage_of(MonthlyUsage()) == Usage()
    assert estimate(region(), Usage(), 0).cost == 0


def test_requests_alone_are_no_calls():
    assert usage_of(MonthlyUsage(requests=7)) == Usage(gateway_requests=7)


@pytest.mark.parametrize(
    "month",
    [
        MonthlyUsage(requests=1, instructions_per_request=1),
        MonthlyUsage(requests=1, megabytes_per_request=1),
        MonthlyUsage(instructions_per_request=1, megabytes_per_request=1),
    ],
)
def test_a_call_described_in_part(month: MonthlyUsage):
    with pytest.raises(InvalidInput, match=r"give --requests, .* together"):
        usage_of(month)


def test_announced_terms():
    usage = Usage(gateway_requests=10**6)
    before = estimate(region(next_from=100), usage, 99)
    assert (before.cost, before.terms) == (1_000_000, TERMS)
    assert before.announced is not None
    assert (before.announced.from_time, before.announced.cost) == (100, 3_000_000)
    assert before.announced.terms == DEARER
    after = estimate(region(next_from=100), usage, 100)
    assert (after.cost, after.terms, after.announced) == (3_000_000, DEARER, None)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=10, max_size=10))
def test_any_month_is_counted_exactly(numbers: list[int]):
    month = MonthlyUsage(**dict(zip(MonthlyUsage.__struct_fields__, numbers, strict=True)))
    try:
        usage = usage_of(month)
    except InvalidInput:
        assert 0 in numbers[:3]
        return
    exact = (
        Fraction(numbers[0] * numbers[1] * numbers[2], 10**12) * PRICES.tera_megabyte_instruction
        + Fraction(numbers[0] * PRICES.gateway_million_requests, 10**6)
        + Fraction(numbers[3] * PRICES.gateway_gigabyte, 10**9)
        + Fraction(numbers[4] * PRICES.database_gigabyte_month, 10**9)
        + Fraction(numbers[5] * PRICES.database_million_reads, 10**6)
        + Fraction(numbers[6] * PRICES.database_million_writes, 10**6)
        + Fraction(numbers[7] * PRICES.storage_gigabyte_month, 10**9)
        + Fraction(numbers[8] * PRICES.storage_gigabyte_read, 10**9)
        + Fraction(numbers[9] * PRICES.storage_gigabyte_written, 10**9)
    )
    assert cost(usage, PRICES) == exact.numerator // exact.denominator


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("1500", 1500), ("20k", 20_000), ("2.5M", 2_500_000), ("1.000k", 1000), ("3T", 3 * 10**12),
     ("18446744073709551615", 2**64 - 1)],
)  # fmt: skip
def test_counts(text: str, count: int):
    assert parse_count(text, "--reads") == count


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("20GB", 20 * 10**9), ("1.5KiB", 1536), ("1TiB", 2**40), ("0.5kB", 500), ("7MB", 7 * 10**6)],
)
def test_sizes(text: str, size: int):
    assert parse_bytes(text, "--traffic") == size


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1e6", "1_000", "1,000", " 1", "1 ", "5 M", "5m", "5K", "5MB", "M", ".5M", "1.M", "٣", "1\n",
     "1.5", "0.0001k", "18446744073709551616", "19000000T", "9" * 41, "nan"],
)  # fmt: skip
def test_no_count(text: str):
    with pytest.raises(InvalidInput, match=r"^--reads: ") as caught:
        parse_count(text, "--reads")
    assert caught.value.field == "--reads"
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("text", ["20", "20gb", "20Gb", "20G", "20 GB", "0.5B", "1kiB", "1PB", "x" * 10_000])
def test_no_size(text: str):
    with pytest.raises(InvalidInput, match=r"^--traffic: "):
        parse_bytes(text, "--traffic")


@given(st.integers(0, 10**7), st.integers(0, 999), st.sampled_from(sorted(UNITS)))
def test_decimals_are_exact(whole: int, thousandths: int, unit: str):
    number = parse_count(f"{whole}.{thousandths:03}{unit}", "--reads")
    assert number * 1000 == (whole * 1000 + thousandths) * UNITS[unit]


@given(st.text())
def test_any_text_is_a_number_or_a_sentence(text: str):
    for parse in (parse_count, parse_bytes):
        with suppress(InvalidInput):
            assert 0 <= parse(text, "field") <= 2**64 - 1
