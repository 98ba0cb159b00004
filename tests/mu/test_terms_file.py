"""Terms files: what they mean, and what is said of those that cannot be used."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.arguments import MAX_TERMS_NOTICE_SECONDS
from contract.errors import InvalidInput
from contract.terms import Prices, Terms
from mu.terms_file import MAX_TERMS_FILE_BYTES, TermsError, format_notice, load_terms, parse_terms

HOUR = 3_600
FILE = """\
minimum_escrow: 10
max_instructions_per_call: 100_000_000_000
notice: 7 days
prices:
  tera_megabyte_instruction: 2.5
  database_gigabyte_month: 0.3
  database_million_reads: 0.05
  database_million_writes: "0.25"
  storage_gigabyte_month: 0.000001
  storage_gigabyte_read: 0.1
  storage_gigabyte_written: 1
  gateway_million_requests: 1
  gateway_gigabyte: 0
"""
TERMS = Terms(
    minimum_escrow=10_000_000,
    max_instructions_per_call=10**11,
    notice_seconds=7 * 24 * HOUR,
    prices=Prices(
        tera_megabyte_instruction=2_500_000,
        database_gigabyte_month=300_000,
        database_million_reads=50_000,
        database_million_writes=250_000,
        storage_gigabyte_month=1,
        storage_gigabyte_read=100_000,
        storage_gigabyte_written=1_000_000,
        gateway_million_requests=1_000_000,
        gateway_gigabyte=0,
    ),
)


def parse(text: str) -> Terms:
    return parse_terms(text, 6, HOUR)


def test_a_whole_file():
    assert parse(FILE) == TERMS


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ("minimum_escrow: 10\n", "", 1, "minimum_escrow", "is missing"),
        ("  gateway_gigabyte: 0\n", "", 5, "prices.gateway_gigabyte", "is missing; write 0 for what is free"),
        ("notice: 7 days", "notice_seconds: 7", 3, "notice_seconds", "is not a field here; these are: mini"),
        ("gateway_gigabyte", "gateway_gigabytes", 13, "prices.gateway_gigabytes", "is not a field here"),
        ("notice: 7 days", "notice: 7 days\nnotice: 7 days", 4, "notice", "is given twice"),
        ("minimum_escrow: 10", "minimum_escrow: -1", 1, "minimum_escrow", "'-1' is not an amount of tokens"),
        ("minimum_escrow: 10", "minimum_escrow: 1e3", 1, "minimum_escrow", "'1e3' is not an amount"),
        ("minimum_escrow: 10", "minimum_escrow:", 1, "minimum_escrow", "'' is not an amount"),
        ("minimum_escrow: 10", "minimum_escrow: [10]", 1, "minimum_escrow", "must be a single value"),
        ("read: 0.1", "read: 0.0000001", 10, "prices.storage_gigabyte_read", "but the mint has 6"),
        ("100_000_000_000", "0", 2, "max_instructions_per_call", "must be a whole number from 1 to 18446"),
        ("100_000_000_000", "1e9", 2, "max_instructions_per_call", "not '1e9'"),
        ("100_000_000_000", "1_00", 2, "max_instructions_per_call", "not '1_00'"),
        ("100_000_000_000", str(2**64), 2, "max_instructions_per_call", "must be a whole number"),
        ("7 days", "7", 3, "notice", "must be a duration such as `7 days` or `36 hours`, not '7'"),
        ("7 days", "1 week", 3, "notice", "must be a duration"),
        ("7 days", "0 days", 3, "notice", "must be a duration"),
        ("7 days", "59 minutes", 3, "notice", "must be 1 hour (the Marketplace's own) to 365 days, not 59"),
        ("7 days", "366 days", 3, "notice", "to 365 days, not 366 days"),
        ("7 days", "*a", 3, "terms file", "must not use YAML aliases"),
        ("7 days", "&a 7 days\nb: *a", 4, "terms file", "must not use YAML aliases"),
        ("7 days", "'7", 14, "terms file", "is not YAML"),
    ],
)
def test_what_cannot_be_used(old: str, new: str, line: int, field: str, problem: str):
    assert old in FILE
    with pytest.raises(TermsError) as raised:
        parse(FILE.replace(old, new))
    assert problem in str(raised.value)
    assert (raised.value.line, raised.value.field) == (line, field)
    assert str(raised.value).startswith(f"line {line}: {field}: ")


@pytest.mark.parametrize("text", ["", "# nothing", "7", "[1]", "prices: 1", "? [a]\n: b", "[" * 5000, "\0"])
def test_no_terms_at_all(text: str):
    with pytest.raises(TermsError):
        parse(text)


def test_prices_that_are_none():
    with pytest.raises(TermsError, match="line 4: prices: must be fields with values"):
        parse("minimum_escrow: 1\nmax_instructions_per_call: 1\nnotice: 1 day\nprices: 3")


@given(st.data())
def test_altered_files_are_terms_or_an_error(data: st.DataObject):
    start = data.draw(st.integers(0, len(FILE)))
    end = data.draw(st.integers(start, min(len(FILE), start + 20)))
    with suppress(TermsError):
        parse(FILE[:start] + data.draw(st.text(max_size=8)) + FILE[end:])


@pytest.mark.parametrize("end", range(0, len(FILE) - 2))
def test_a_file_cut_short_is_refused(end: int):
    with pytest.raises(TermsError):
        parse(FILE[:end])


@given(st.text())
def test_any_text(text: str):
    with suppress(TermsError):
        parse(text)


@given(st.integers(1, MAX_TERMS_NOTICE_SECONDS))
def test_a_notice_is_shown_as_it_is_written(seconds: int):
    assert parse_terms(FILE.replace("7 days", format_notice(seconds)), 6, 1).notice_seconds == seconds


def test_notices_as_text():
    assert [format_notice(seconds) for seconds in (1, 60, 5_400, 86_400, 7 * 86_400, 86_401)] == [
        "1 second", "1 minute", "90 minutes", "1 day", "7 days", "86401 seconds",
    ]  # fmt: skip


def test_files(tmp_path: Path):
    path = tmp_path / "terms.yaml"
    path.write_text(FILE)
    assert load_terms(path, 6, HOUR) == TERMS
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="is not UTF-8 text"):
        load_terms(path, 6, HOUR)
    path.write_text("#" * (MAX_TERMS_FILE_BYTES + 1))
    with pytest.raises(TermsError, match="must have at most 16384 bytes"):
        load_terms(path, 6, HOUR)
    for missing in (tmp_path / "none.yaml", tmp_path, Path("a\0b")):
        with pytest.raises(InvalidInput, match="cannot be read"):
            load_terms(missing, 6, HOUR)
