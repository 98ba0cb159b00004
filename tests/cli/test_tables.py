from hypothesis import given
from hypothesis import strategies as st

from cli.tables import counted, moment, span, table


def test_columns_stand_below_each_other():
    lines = table(("NAME", "SUM", "STATUS"), [("a", "1.5", "open"), ("longer", "12345", "")], right=("SUM",))
    assert lines == ["NAME      SUM  STATUS", "a         1.5  open", "longer  12345"]
    assert table(("NAME",), []) == ["NAME"]


def test_moments():
    assert moment(1_800_000_000) == "2027-01-15 08:00:00 UTC"
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment(2**63 - 1) == "9223372036854775807 seconds after 1970"
    assert moment(-1) == "-1 seconds after 1970"


def test_spans():
    assert [span(seconds) for seconds in (0, 1, 59, 60, 61, 3_600, 3_601, 90_061, 2_592_000)] == [
        "0 seconds", "1 second", "59 seconds", "1 minute", "1 minute 1 second", "1 hour", "1 hour 1 second",
        "1 day 1 hour", "30 days",
    ]  # fmt: skip


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_of_the_chain_can_be_shown(unix_time: int):
    assert moment(unix_time)
    assert span(abs(unix_time))


def test_counts():
    assert [counted(number, "stack") for number in (0, 1, 2)] == ["0 stacks", "1 stack", "2 stacks"]
