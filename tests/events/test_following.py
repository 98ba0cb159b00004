"""When a follower looks, on a clock that jumps: no log, no threads."""

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from events.following import (
    FALSE_HINT_SECONDS,
    FIRST_LOOK_SECONDS,
    LONGEST_CHEAP_LOOK_SECONDS,
    LOOK_SHARE,
    Listener,
    Looks,
    News,
    pause_seconds,
)

POLL_SECONDS = 0.5
ALL = 10**9


class FakeLog:
    """A log of which only the head is there, and a follower of it that notes when it looked, and found what."""

    def __init__(self, changed: Callable[[], bool] | None = None) -> None:
        self.head = 0
        self.changed = changed
        self.looks: list[float] = []
        self.found: list[tuple[int, float]] = []
        self.listener: Listener | None = None

    async def follow(self, news: News) -> None:
        with news.listening() as self.listener:
            looks = Looks(self.listener, POLL_SECONDS)
            start = 1
            while True:
                looks.begin(start)
                self.looks.append(trio.current_time())
                await trio.lowlevel.checkpoint()
                if self.head >= start:
                    looks.found(start)
                    start = self.head + 1
                    self.found.append((self.head, trio.current_time()))
                else:
                    await looks.wait(start, self.changed)


@pytest.fixture
def news() -> News:
    return News()


@pytest.fixture
async def log(news: News, nursery: trio.Nursery) -> FakeLog:
    log = FakeLog()
    nursery.start_soon(log.follow, news)
    await wait_all_tasks_blocked()
    return log


@pytest.fixture
async def quiet_log(log: FakeLog) -> AsyncIterator[FakeLog]:
    """After an hour in which nothing came."""
    await trio.sleep(3600)
    log.looks.clear()
    return log


async def test_it_looks_less_often_the_longer_nothing_comes_but_at_least_every_poll_seconds(
    autojump_clock: MockClock, log: FakeLog
):
    await trio.sleep(3600)
    pauses = [later - earlier for earlier, later in zip(log.looks, log.looks[1:], strict=False)]
    assert pauses[0] == pytest.approx(FIRST_LOOK_SECONDS)
    assert pauses[-1] == pytest.approx(POLL_SECONDS)
    assert all(pause <= POLL_SECONDS + 1e-6 for pause in pauses)
    assert all(earlier <= later + 1e-6 for earlier, later in itertools.pairwise(pauses))


@given(st.floats(0, 10**6))
def test_what_nobody_tells_of_is_late_by_a_share_of_the_quiet_time_or_poll_seconds(quiet_seconds: float):
    pause = pause_seconds(quiet_seconds, POLL_SECONDS)
    assert FIRST_LOOK_SECONDS <= pause <= min(POLL_SECONDS, FIRST_LOOK_SECONDS + LOOK_SHARE * quiet_seconds)


async def test_what_was_found_by_looking_makes_it_look_often(autojump_clock: MockClock, quiet_log: FakeLog):
    quiet_log.head = 1
    await trio.sleep(POLL_SECONDS)
    [(_, found_at)] = quiet_log.found
    await trio.sleep(POLL_SECONDS)
    after = [looked_at for looked_at in quiet_log.looks if looked_at > found_at]
    assert after[0] == pytest.approx(found_at + FIRST_LOOK_SECONDS)


@pytest.mark.parametrize("tell", [News.tell_append, News.tell_hint])
async def test_what_it_is_told_of_is_looked_for_at_once_and_makes_it_look_no_more_often(
    tell: Callable[[News, int], None], autojump_clock: MockClock, quiet_log: FakeLog, news: News
):
    quiet_log.head = 3
    now = trio.current_time()
    tell(news, 3)
    await wait_all_tasks_blocked()
    assert quiet_log.found == [(3, now)]
    await trio.sleep(POLL_SECONDS / 2)
    assert quiet_log.looks == [now, now]


async def test_true_hints_are_not_held_up_however_many_there_are(
    autojump_clock: MockClock, quiet_log: FakeLog, news: News
):
    began = trio.current_time()
    for position in range(1, 1001):
        quiet_log.head = position
        news.tell_hint(position)
        await wait_all_tasks_blocked()
        await trio.sleep(0.001)
    assert [position for position, _ in quiet_log.found] == list(range(1, 1001))
    assert quiet_log.found[-1][1] == pytest.approx(began + 0.999)


async def test_a_hint_of_what_was_read_before_costs_nothing(
    autojump_clock: MockClock, quiet_log: FakeLog, news: News
):
    quiet_log.head = 3
    news.tell_hint(3)
    await wait_all_tasks_blocked()
    looks = len(quiet_log.looks)
    for _ in range(10):
        news.tell_hint(3)
        news.tell_hint(1)
        await wait_all_tasks_blocked()
    assert len(quiet_log.looks) == looks


async def test_false_hints_cost_a_bounded_number_of_looks(
    autojump_clock: MockClock, quiet_log: FakeLog, news: News
):
    seconds = 10
    for position in range(2, 2 + seconds * 1000):
        news.tell_hint(position)
        await trio.sleep(0.001)
    most = seconds / FALSE_HINT_SECONDS + seconds / POLL_SECONDS
    assert seconds / FALSE_HINT_SECONDS / 2 <= len(quiet_log.looks) <= most + 2


async def test_a_true_hint_among_false_ones_is_late_by_the_pause_after_a_false_one(
    autojump_clock: MockClock, quiet_log: FakeLog, news: News
):
    news.tell_hint(ALL)
    await wait_all_tasks_blocked()
    await trio.sleep(0.001)
    quiet_log.head = 1
    now = trio.current_time()
    news.tell_hint(1)
    await trio.sleep(FALSE_HINT_SECONDS)
    [(_, found_at)] = quiet_log.found
    assert now < found_at <= now + FALSE_HINT_SECONDS


async def test_false_hints_hold_up_no_append_of_this_process(
    autojump_clock: MockClock, quiet_log: FakeLog, news: News
):
    news.tell_hint(ALL)
    await wait_all_tasks_blocked()
    quiet_log.head = 1
    news.tell_append(1)
    now = trio.current_time()
    await wait_all_tasks_blocked()
    assert quiet_log.found == [(1, now)]


async def test_a_hint_that_comes_during_a_look_is_looked_after_then(news: News):
    with news.listening() as listener:
        looks = Looks(listener, POLL_SECONDS)
        news.tell_hint(1)
        await wait_all_tasks_blocked()
        assert not looks.begin(2)
        news.tell_hint(2)
        await wait_all_tasks_blocked()
        await looks.wait(2, lambda: False)
        assert looks.begin(2)


@pytest.mark.parametrize("ever", [True, False])
async def test_where_changes_can_be_asked_for_it_reads_only_after_one(
    ever: bool, news: News, nursery: trio.Nursery, autojump_clock: MockClock
):
    asked: list[float] = []

    def changed() -> bool:
        asked.append(trio.current_time())
        return ever

    log = FakeLog(changed)
    nursery.start_soon(log.follow, news)
    await trio.sleep(60)
    pauses = [later - earlier for earlier, later in itertools.pairwise(sorted(asked + log.looks))]
    assert max(pauses) <= LONGEST_CHEAP_LOOK_SECONDS + 1e-6
    assert len(log.looks) == pytest.approx(len(asked) if ever else 60 / POLL_SECONDS, abs=2)


async def test_listeners_that_come_later_know_of_appends_and_not_of_hints(news: News):
    news.tell_append(7)
    news.tell_hint(9)
    with news.listening() as listener:
        assert (listener.appended, listener.hinted) == (7, 0)


def test_a_trio_run_that_is_over_is_told_nothing(news: News):
    async def listen_on() -> None:
        # left open, as by a generator that nobody closes
        context = news.listening()
        context.__enter__()
        left.append(context)

    left: list[object] = []
    trio.run(listen_on)
    news.tell_append(1)
    news.tell_hint(2)
