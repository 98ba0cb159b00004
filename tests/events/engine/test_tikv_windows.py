"""The windows of a scan, over a sorted list that stands for the cluster."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tikv_client")

from events.engine.tikv.windows import Ascent, descend

BYTES = st.lists(st.sampled_from(b"\0\x01ab\xff"), max_size=20).map(bytes)
# No two keys differ only in zeros at their end: a page must hold all that do, and these pages are small.
KEYS = st.lists(BYTES.map(lambda key: key + b"."), max_size=60, unique=True).map(sorted)


class Cluster:
    def __init__(self, keys, page):
        self.keys, self.page = keys, page
        self.asked = 0

    def first_keys(self, low, high):
        self.asked += 1
        assert self.asked < 20_000
        found = self.keys[bisect_left(self.keys, low) : bisect_left(self.keys, high)][: self.page]
        return found, len(found) == self.page

    def read_up(self, start, end):
        windows, read = Ascent(start, end), []
        while not windows.done:
            found, full = self.first_keys(windows.low, windows.high)
            read += found
            windows.learn(found, full=full)
        return read

    def read_down(self, start, end):
        windows, read = descend(start, end, self.page), []
        window = next(windows)
        while True:
            found, full = self.first_keys(*window)
            if not full:
                read += found[::-1]
            try:
                window = windows.send((found, full))
            except StopIteration:
                return read


@given(KEYS, st.integers(2, 20), BYTES, BYTES)
def test_each_key_of_the_range_is_read_once_and_in_order(keys, page, start, end):
    start, end = sorted([start, end + b"\xff"])
    inside = [key for key in keys if start <= key < end]
    assert Cluster(keys, page).read_up(start, end) == inside
    assert Cluster(keys, page).read_down(start, end) == inside[::-1]


NUMBERED = [b"stream\0" + number.to_bytes(8) for number in range(1, 100_001)]
DECIMAL = [b"table/%d/%05d" % (table, row) for table in range(10) for row in range(1000)]


@pytest.mark.parametrize(
    ("keys", "start", "end", "most"),
    [
        (NUMBERED[:1000], b"stream\0", b"stream\0" + b"\xff" * 9, 1),
        (NUMBERED, b"stream\0", b"stream\0" + b"\xff" * 9, 25),
        (DECIMAL, b"table/", b"table0", 60),
    ],
)
def test_the_last_key_is_found_in_few_steps(keys, start, end, most):
    cluster = Cluster(keys, 1024)
    windows = descend(start, end, cluster.page)
    window = next(windows)
    while True:
        found, full = cluster.first_keys(*window)
        if found and not full:
            break
        window = windows.send((found, full))
    assert found[-1] == keys[-1]
    assert cluster.asked <= most


def test_reading_in_order_asks_for_little_more_than_it_reads():
    for read in (Cluster.read_up, Cluster.read_down):
        cluster = Cluster(NUMBERED, 1024)
        read(cluster, b"stream\0", b"stream\0" + b"\xff" * 9)
        assert cluster.asked < 2.5 * len(NUMBERED) / 1024


def test_windows_upwards_stay_close_to_what_is_read():
    windows = Ascent(b"stream\0", b"stream\0" + b"\xff" * 9)
    windows.learn(NUMBERED[:100], full=True)
    assert windows.high <= NUMBERED[400]
