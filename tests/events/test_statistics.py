import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.record import ZERO_HASH, Record
from events.statistics import MILLISECONDS_PER_DAY, Statistics, Tally, day


def record(recorded_at: object, *, stream: str = "a", topic: str = "T") -> Record:
    return Record(
        ZERO_HASH, stream, 1, topic, msgspec.msgpack.encode({"recorded_at": recorded_at, "event": {}})
    )


def test_totals_by_kind_stream_and_day():
    statistics = Statistics()
    added = [
        record(0),
        record(MILLISECONDS_PER_DAY - 1, topic="U"),
        record(MILLISECONDS_PER_DAY, stream="b"),
        record(2 * MILLISECONDS_PER_DAY),
    ]
    for one in added:
        statistics.add(one)
    sizes = [len(one.encode()) for one in added]
    assert statistics.total == Tally(4, sum(sizes))
    assert statistics.kinds == {"T": Tally(3, sum(sizes) - sizes[1]), "U": Tally(1, sizes[1])}
    assert statistics.streams == {"a": Tally(3, sum(sizes) - sizes[2]), "b": Tally(1, sizes[2])}
    assert statistics.days == {
        "1970-01-01": Tally(2, sizes[0] + sizes[1]),
        "1970-01-02": Tally(1, sizes[2]),
        "1970-01-03": Tally(1, sizes[3]),
    }
    assert (statistics.first_at, statistics.last_at) == (0, 2 * MILLISECONDS_PER_DAY)
    assert statistics.entries_per_day() == 2.0


def test_clocks_that_differ_give_the_earliest_and_the_latest():
    statistics = Statistics()
    for time in (5, 3, 9, 4):
        statistics.add(record(time))
    assert (statistics.first_at, statistics.last_at) == (3, 9)


def test_less_than_a_day_has_no_daily_rate():
    statistics = Statistics()
    assert statistics.entries_per_day() is None
    statistics.add(record(5))
    statistics.add(record(4 + MILLISECONDS_PER_DAY))
    assert statistics.entries_per_day() is None
    statistics.add(record(5 + MILLISECONDS_PER_DAY))
    assert statistics.entries_per_day() == 3.0


@pytest.mark.parametrize("time", [-1, 2**62, "now", None])
def test_a_record_without_a_time(time: object):
    with pytest.raises(DecodeError):
        Statistics().add(record(time))


@given(st.binary(max_size=60))
def test_a_state_of_random_bytes(state: bytes):
    with pytest.raises(DecodeError):
        Statistics().add(Record(ZERO_HASH, "a", 1, "T", state))


@given(st.integers(0, 253_402_300_799_999))
def test_days_are_whole(milliseconds: int):
    start = milliseconds - milliseconds % MILLISECONDS_PER_DAY
    assert day(milliseconds) == day(start) == day(start + MILLISECONDS_PER_DAY - 1)
