from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from mu.token_amount import MAX_BASE_UNITS, format_tokens, parse_tokens

DECIMALS = st.integers(0, 255)
BASE_UNITS = st.integers(0, MAX_BASE_UNITS)


@given(BASE_UNITS, DECIMALS)
def test_what_is_shown_can_be_written(base_units: int, decimals: int):
    text = format_tokens(base_units, decimals)
    assert parse_tokens(text, decimals) == base_units
    assert set(text) <= set("0123456789.")
    assert "." not in text or not text.endswith(("0", "."))


@given(BASE_UNITS, DECIMALS, st.integers(0, 20))
def test_zeros_in_front_and_behind_change_nothing(base_units: int, decimals: int, zeros: int):
    whole, _, fraction = format_tokens(base_units, decimals).partition(".")
    padded = fraction.ljust(min(decimals, len(fraction) + zeros), "0")
    text = "0" * zeros + whole + (f".{padded}" if padded else "")
    assert parse_tokens(text, decimals) == base_units


@pytest.mark.parametrize(
    ("text", "decimals", "base_units"),
    [
        ("12.5", 6, 12_500_000),
        ("0.000001", 6, 1),
        ("0", 6, 0),
        ("7", 0, 7),
        ("18446744073709551615", 0, MAX_BASE_UNITS),
        ("18446744073709.551615", 6, MAX_BASE_UNITS),
    ],
)
def test_amounts(text: str, decimals: int, base_units: int):
    assert parse_tokens(text, decimals) == base_units
    assert format_tokens(base_units, decimals) == text


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", ".5", "5.", "1.2.3", "1_000", "1,000", "1,5", "1e3", "-1", "+1", "0x10", "NaN", "inf", " 1", "1\n",
     "\u0661", "\u00b2", "1" * 301, "\x1b[2J"],
)  # fmt: skip
def test_what_is_no_amount(text: str):
    with pytest.raises(InvalidInput, match=r"write digits as in 1000 or 12\.5") as caught:
        parse_tokens(text, 6, "--amount")
    assert caught.value.field == "--amount"
    assert len(str(caught.value)) < 150
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("text", "decimals"), [("0.0000001", 6), ("1.0", 0), ("1.0000000", 6)])
def test_more_decimals_than_the_mint_has(text: str, decimals: int):
    with pytest.raises(InvalidInput, match=f"decimals, but the mint has {decimals}"):
        parse_tokens(text, decimals)


@pytest.mark.parametrize(("text", "decimals"), [("18446744073709551616", 0), ("1", 20), ("9" * 300, 6)])
def test_more_than_an_account_holds(text: str, decimals: int):
    with pytest.raises(InvalidInput, match="more than a token account can hold"):
        parse_tokens(text, decimals)


@given(st.text(), DECIMALS)
def test_any_text_is_an_amount_or_a_sentence(text: str, decimals: int):
    with suppress(InvalidInput):
        assert 0 <= parse_tokens(text, decimals) <= MAX_BASE_UNITS
