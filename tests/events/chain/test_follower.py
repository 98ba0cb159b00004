"""The follower over a history that it is shown well or badly; whole chains are in test_live.py."""

import random
from contextlib import suppress

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.catalogue import ChainEvent
from events.chain.follower import Follower, FollowerLimits, Gap, Health
from events.chain.rpc import ChainUnavailable
from events.engine.memory import MemoryEngine
from events.log import Log
from tests.entries import open_log
from tests.events.chain.histories import SCOPE, HistoryReader, make_history, outage

LIMITS = FollowerLimits()
HISTORY = make_history()


@pytest.fixture
def reader() -> HistoryReader:
    return HistoryReader(HISTORY)


@pytest.fixture
def log() -> Log:
    return open_log(MemoryEngine())


def follower(log: Log, reader: HistoryReader) -> Follower:
    return Follower(log, reader, SCOPE, LIMITS)


def sequences(log: Log) -> list[int]:
    """The sequences in the log, whose chain of hashes is checked on the way."""
    previous, found = bytes(32), list[int]()
    for entry in log.replay():
        assert isinstance(entry.event, ChainEvent)
        assert entry.event.previous_hash == previous
        previous = entry.event.event_hash
        found.append(entry.event.sequence)
    return found


ALL = list(range(1, len(HISTORY) + 1))


async def test_catch_up_takes_everything_once(log: Log, reader: HistoryReader):
    assert await follower(log, reader).catch_up() == len(ALL)
    assert sequences(log) == ALL
    assert await follower(log, reader).catch_up() == 0


async def test_catch_up_goes_on_from_the_cursor_inside_a_slot(log: Log, reader: HistoryReader):
    for visible in range(len(ALL) + 1):
        reader.visible = visible
        await follower(log, reader).catch_up()
        assert sequences(log) == ALL[:visible]


@pytest.mark.parametrize("page_size", [1, 2, 5])
async def test_pages_and_any_order_inside_a_slot(log: Log, reader: HistoryReader, page_size: int):
    reader.page_size = page_size
    reader.shuffle_within_slots(random.Random(page_size))
    await follower(log, reader).catch_up()
    assert sequences(log) == ALL


async def test_a_transaction_that_is_missing_is_a_gap_and_what_comes_before_is_kept(
    log: Log, reader: HistoryReader
):
    reader.missing = {HISTORY[4].signature}
    with pytest.raises(Gap, match="event 5"):
        await follower(log, reader).catch_up()
    assert sequences(log) == ALL[:4]
    reader.missing.clear()
    await follower(log, reader).catch_up()
    assert sequences(log) == ALL


async def test_an_event_that_does_not_follow_from_the_one_before_is_a_gap(log: Log, reader: HistoryReader):
    other = make_history(stacks=2)
    reader.altered = {HISTORY[2].signature: other[3].logs}
    with pytest.raises(Gap):
        await follower(log, reader).catch_up()
    assert sequences(log) == ALL[:2]


async def test_truncated_logs_show_as_a_gap(log: Log, reader: HistoryReader):
    reader.altered = {HISTORY[0].signature: (*HISTORY[0].logs[:1], "Log truncated")}
    with pytest.raises(Gap, match="event 1"):
        await follower(log, reader).catch_up()
    assert sequences(log) == []


async def test_a_transaction_listed_but_not_there_is_an_outage(log: Log, reader: HistoryReader):
    async def nothing(signature: str) -> None:
        return None

    reader.transaction_logs = nothing
    with pytest.raises(ChainUnavailable, match="does not have it"):
        await follower(log, reader).catch_up()
    assert sequences(log) == []


async def test_an_account_that_is_not_there_means_nothing(log: Log, reader: HistoryReader):
    await follower(log, reader).catch_up()
    reader.visible = 0
    assert await follower(log, reader).catch_up() == 0
    assert sequences(log) == ALL


async def test_an_account_of_another_kind_is_refused(log: Log, reader: HistoryReader):
    async def rubbish(address: str) -> bytes:
        return b"rubbish"

    reader.account_data = rubbish
    with pytest.raises(DecodeError):
        await follower(log, reader).catch_up()


async def test_two_nodes_record_each_event_once(reader: HistoryReader):
    engine = MemoryEngine()
    one, two = follower(open_log(engine), reader), follower(open_log(engine), HistoryReader(HISTORY))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.catch_up)
            nursery.start_soon(two.catch_up)
    assert sequences(open_log(engine)) == ALL


async def test_an_outage_is_waited_out_and_shown(log: Log, reader: HistoryReader):
    quick = FollowerLimits(poll_seconds=0.005, first_retry_seconds=0.001, longest_retry_seconds=0.005)
    following = Follower(log, reader, SCOPE, quick)
    assert following.health is Health.STARTING

    async def until(health: Health) -> None:
        with trio.fail_after(10):
            while following.health is not health:
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        reader.visible = 5
        nursery.start_soon(following.run)
        await until(Health.CAUGHT_UP)
        reader.spoil = outage
        await until(Health.UNAVAILABLE)
        assert following.problem == "the RPC node is down"
        reader.visible = len(ALL)
        reader.missing = {HISTORY[7].signature}
        reader.spoil = lambda: None
        await until(Health.BEHIND)
        reader.missing.clear()
        await until(Health.CAUGHT_UP)
        assert following.problem is None
        nursery.cancel_scope.cancel()
    assert sequences(log) == ALL


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20))
def test_whatever_the_reader_does_the_log_becomes_the_history(seed: int, page_size: int):
    randomness = random.Random(seed)
    log = open_log(MemoryEngine())
    reader = HistoryReader(HISTORY, page_size=page_size)

    def spoil() -> None:
        if randomness.random() < 0.1:
            outage()

    async def follow() -> None:
        for _ in range(40):
            reader.visible = randomness.randint(1, len(HISTORY))
            reader.shuffle_within_slots(randomness)
            reader.missing = {executed.signature for executed in HISTORY if randomness.random() < 0.1}
            with suppress(ChainUnavailable, Gap):
                await follower(log, reader).catch_up()
            assert sequences(log) == ALL[: len(sequences(log))]
        reader.spoil, reader.missing, reader.visible = lambda: None, set(), len(HISTORY)
        await follower(log, reader).catch_up()

    reader.spoil = spoil
    trio.run(follow)
    assert sequences(log) == ALL
