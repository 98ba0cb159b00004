"""The follower over time: outages, retries, wakes and lost subscriptions, on a clock that jumps."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from events.chain.follower import Follower, FollowerLimits, Health
from events.chain.pubsub import LogsSubscription, SubscriptionLost
from events.chain.reader import ChainUnavailable
from events.engine import Unavailable
from events.engine.memory import MemoryEngine
from events.entries import EngineFailure, InsertOutcomeUnknown
from events.log import Log
from tests.entries import open_log
from tests.events.chain import histories
from tests.events.chain.histories import (
    SCOPE,
    HistoryReader,
    outage,
)
from tests.events.chain.recorded import ALL, HISTORY, follower, sequences

NEVER_SECONDS = 3600.0


@pytest.fixture
def reader() -> HistoryReader:
    return HistoryReader(HISTORY)


@pytest.fixture
def log() -> Log:
    return open_log(MemoryEngine())


async def test_an_outage_is_waited_out_and_shown(
    log: Log, reader: HistoryReader, autojump_clock: MockClock, threads_at_once: None
):
    following = follower(log, reader)
    assert following.health is Health.STARTING
    reader.visible = 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(following.run)
        await trio.sleep(1)
        assert (following.health, following.problem) == (Health.CAUGHT_UP, None)
        reader.spoil = outage
        await trio.sleep(60)
        assert (following.health, following.problem) == (Health.UNAVAILABLE, "the RPC node is down")
        reader.visible = len(ALL)
        reader.missing = {HISTORY[7].signature}
        reader.spoil = lambda: None
        await trio.sleep(60)
        assert following.health is Health.BEHIND
        assert "event 8 " in str(following.problem)
        reader.missing.clear()
        await trio.sleep(60)
        assert (following.health, following.problem) == (Health.CAUGHT_UP, None)
        nursery.cancel_scope.cancel()
    assert sequences(log) == ALL


async def test_an_outage_is_retried_ever_more_slowly(
    log: Log, reader: HistoryReader, autojump_clock: MockClock, threads_at_once: None
):
    asked: list[float] = []

    def down() -> None:
        asked.append(trio.current_time())
        if trio.current_time() < 17:
            outage()

    reader.spoil = down
    reader.visible = 0
    with trio.move_on_after(26):
        await follower(log, reader).run()
    # the retries of 0.1 s, doubled up to 5 s; then the polls of 1.5 s
    assert asked == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3, 21.3, 22.8, 24.3, 25.8])


async def test_a_wake_is_heeded_at_once_and_one_that_comes_while_it_looks_too(
    log: Log, reader: HistoryReader, autojump_clock: MockClock, threads_at_once: None
):
    following = Follower(log, reader, SCOPE, FollowerLimits(poll_seconds=NEVER_SECONDS))
    asked: list[float] = []

    def look() -> None:
        asked.append(trio.current_time())
        if len(asked) == 2:
            following.wake()

    reader.visible = 0
    reader.spoil = look
    async with trio.open_nursery() as nursery:
        nursery.start_soon(following.run)
        await trio.sleep(7)
        following.wake()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert asked == [0, 7, 7]


class FickleSubscription(LogsSubscription):
    """Stands for so many seconds each time, and is lost."""

    def __init__(self, *stands_seconds: float) -> None:
        self._stands_seconds = list(stands_seconds)
        self.started: list[float] = []

    async def run(self, on_news: Callable[[], None]) -> None:
        self.started.append(trio.current_time())
        if not self._stands_seconds:
            await trio.sleep_forever()
        on_news()
        await trio.sleep(self._stands_seconds.pop(0))
        raise SubscriptionLost("lost again")


async def test_a_lost_subscription_is_made_anew_and_one_that_stood_quickly(
    log: Log, reader: HistoryReader, autojump_clock: MockClock, threads_at_once: None
):
    subscription = FickleSubscription(0, 0, 0, 10, 0)
    with trio.move_on_after(100):
        await follower(log, reader).run(subscription)
    assert subscription.started == pytest.approx([0, 0.1, 0.3, 0.7, 10.8, 11.0])
    assert sequences(log) == ALL


async def test_subscriptions_take_turns(
    log: Log, reader: HistoryReader, autojump_clock: MockClock, threads_at_once: None
):
    one, two = FickleSubscription(0, 0), FickleSubscription(0, 0)
    with trio.move_on_after(100):
        await follower(log, reader).run(one, two)
    assert one.started == pytest.approx([0, 0.3, 1.5])
    assert two.started == pytest.approx([0.1, 0.7])


@pytest.mark.parametrize(
    "error",
    [EngineFailure("the engine is away"), InsertOutcomeUnknown("perhaps written"), Unavailable("closed")],
    ids=lambda error: type(error).__name__,
)
async def test_errors_of_the_logs_engine_are_waited_out(
    log: Log,
    reader: HistoryReader,
    autojump_clock: MockClock,
    threads_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
):
    following = follower(log, reader)
    append, version = log.append_from_task, log.version

    async def written_perhaps(*arguments: Any) -> list[int]:
        # an outcome that is not known may be either
        if isinstance(error, InsertOutcomeUnknown):
            await append(*arguments)
        raise error

    def fail(*arguments: Any) -> int:
        raise error

    async with trio.open_nursery() as nursery:
        monkeypatch.setattr(log, "append_from_task", written_perhaps)
        nursery.start_soon(following.run)
        await trio.sleep(0.01)
        assert (following.health, following.problem) == (Health.UNAVAILABLE, f"the log: {error}")
        monkeypatch.setattr(log, "version", fail)
        await trio.sleep(600)
        assert following.health is Health.UNAVAILABLE
        monkeypatch.setattr(log, "append_from_task", append)
        monkeypatch.setattr(log, "version", version)
        await trio.sleep(6)
        assert (following.health, following.problem) == (Health.CAUGHT_UP, None)
        nursery.cancel_scope.cancel()
    assert sequences(log) == ALL


async def test_a_chain_that_stands_still_is_noticed_and_so_is_that_it_goes_on(
    log: Log,
    reader: HistoryReader,
    autojump_clock: MockClock,
    threads_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
):
    following = follower(log, reader)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(following.run)
        await trio.sleep(60)
        assert following.health is Health.CAUGHT_UP
        slot, passed = following.state.slot, histories.slots_passed
        monkeypatch.setattr(histories, "slots_passed", lambda: slot - HISTORY[-1].slot)
        await trio.sleep(5)
        assert (following.health, following.problem) == (
            Health.UNAVAILABLE,
            f"the RPC node has stood at slot {slot}",
        )
        monkeypatch.setattr(histories, "slots_passed", passed)
        await trio.sleep(5)
        assert following.health is Health.CAUGHT_UP
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("asked_for", "waits"), [(7.0, 7.0), (3600.0, 60.0)])
async def test_a_node_that_asks_to_be_left_alone_is_up_to_a_limit(
    log: Log,
    reader: HistoryReader,
    autojump_clock: MockClock,
    threads_at_once: None,
    asked_for: float,
    waits: float,
):
    asked: list[float] = []

    def busy() -> None:
        asked.append(trio.current_time())
        raise ChainUnavailable("busy", retry_after_seconds=asked_for)

    reader.spoil = busy
    with trio.move_on_after(3 * waits - 0.1):
        await follower(log, reader).run()
    assert asked == pytest.approx([0, waits, 2 * waits])
