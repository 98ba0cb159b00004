"""The follower over a history that it is shown well or badly; whole chains are in test_live.py."""

import random
from contextlib import suppress

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.addresses import state_address
from contract.errors import DecodeError
from events.catalogue import ChainSource, Event, Finality, Source
from events.chain import backfill
from events.chain import follower as follower_module
from events.chain.backfill import MAX_CONCURRENT_TRANSACTION_READS
from events.chain.follower import Follower, Gap
from events.chain.reader import AccountAnswer, ChainUnavailable, SignatureInfo
from events.engine.memory import MemoryEngine
from events.log import Log
from tests.entries import open_log
from tests.events.chain.histories import (
    PROVIDER,
    SCOPE,
    Executed,
    HistoryReader,
    RegionWriter,
    outage,
    random_history,
)
from tests.events.chain.recorded import ALL, HISTORY, LIMITS, follower, recorded, sequences, truth


@pytest.fixture
def reader() -> HistoryReader:
    return HistoryReader(HISTORY)


@pytest.fixture
def log() -> Log:
    return open_log(MemoryEngine())


async def test_catch_up_takes_everything_once(log: Log, reader: HistoryReader):
    assert await follower(log, reader).catch_up() == len(ALL)
    assert recorded(log) == truth(HISTORY)
    assert await follower(log, reader).catch_up() == 0
    assert sequences(log) == ALL


async def test_catch_up_goes_on_from_the_cursor_inside_a_slot(log: Log, reader: HistoryReader):
    for visible in range(len(ALL) + 1):
        reader.visible = visible
        await follower(log, reader).catch_up()
        assert sequences(log) == ALL[:visible]


@pytest.mark.parametrize("page_size", [1, 2, 5, len(ALL)])
async def test_pages_and_any_order_inside_a_slot(log: Log, reader: HistoryReader, page_size: int):
    reader.page_size = page_size
    reader.shuffle_within_slots(random.Random(page_size))
    await follower(log, reader).catch_up()
    assert recorded(log) == truth(HISTORY)


async def test_pages_are_read_down_to_the_slot_of_the_cursor_only(log: Log, reader: HistoryReader):
    reader.visible = len(ALL) - 1
    await follower(log, reader).catch_up()
    reader.visible, reader.page_size = len(ALL), 1
    questions: list[None] = []
    reader.spoil = lambda: questions.append(None)
    await follower(log, reader).catch_up()
    since = [executed for executed in HISTORY if executed.slot >= HISTORY[-2].slot]
    # the account twice, a page for each transaction since and one beyond, and each of their log lines
    assert len(questions) == 2 + (len(since) + 1) + len(since)


@pytest.mark.parametrize("copies", [2, 3])
async def test_transactions_listed_again(log: Log, reader: HistoryReader, copies: int):
    reader.copies, reader.page_size = copies, 4
    await follower(log, reader).catch_up()
    assert recorded(log) == truth(HISTORY)


async def test_a_node_that_repeats_a_page_is_not_asked_for_ever(log: Log, reader: HistoryReader):
    pages = iter(range(5))

    async def first_page(address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        assert next(pages, None) is not None, "asked for ever"
        return [SignatureInfo(HISTORY[-1].signature, HISTORY[-1].slot, failed=False)]

    reader.signatures = first_page
    with pytest.raises(ChainUnavailable, match="again and again"):
        await follower(log, reader).catch_up()


async def test_failed_transactions_hold_no_events(log: Log, reader: HistoryReader):
    reader.failed = [SignatureInfo(f"failed {place}", place, failed=True) for place in range(40)]
    reader.page_size = 3
    await follower(log, reader).catch_up()
    assert recorded(log) == truth(HISTORY)


async def test_several_events_in_one_transaction_and_those_of_other_scopes(log: Log):
    writer = RegionWriter()
    writer.act(writer.deploy(), writer.deploy(), writer.update(0))
    writer.act(writer.delete(1))
    await follower(log, HistoryReader(writer.history)).catch_up()
    created, *others = recorded(log)
    assert isinstance(created[0], ChainSource)
    # the first transaction's events 0 to 3 belong to the Marketplace's state and to the provider
    assert created[0].index == 4
    assert [source.index for source, _ in others if isinstance(source, ChainSource)] == [0, 1, 2, 0]
    assert sequences(log) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("events", "transactions"), [(1, 256), (2, 5), (100, 1), (3, 2)], ids=str)
async def test_batches_of_any_size(
    log: Log, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch, events: int, transactions: int
):
    monkeypatch.setattr(follower_module, "MAX_EVENTS_PER_APPEND", events)
    monkeypatch.setattr(backfill, "MAX_TRANSACTIONS_PER_ROUND", transactions)
    await follower(log, reader).catch_up()
    assert recorded(log) == truth(HISTORY)


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


async def test_an_account_ahead_of_the_history_is_a_gap_until_it_shows(log: Log, reader: HistoryReader):
    reader.missing = {executed.signature for executed in HISTORY[-3:]}
    with pytest.raises(Gap, match=f"event {ALL[-3]}"):
        await follower(log, reader).catch_up()
    assert sequences(log) == ALL[:-3]
    with pytest.raises(Gap, match=f"event {ALL[-3]}"):
        await follower(log, reader).catch_up()
    reader.missing.clear()
    assert await follower(log, reader).catch_up() == 3
    assert sequences(log) == ALL


async def test_a_history_ahead_of_the_account_waits_for_it(log: Log, reader: HistoryReader):
    async def behind(address: str, finality: Finality) -> AccountAnswer:
        return AccountAnswer(1, HISTORY[4].account)

    reader.account = behind
    assert await follower(log, reader).catch_up() == 5
    assert sequences(log) == ALL[:5]


async def test_an_account_behind_the_log_changes_nothing(log: Log, reader: HistoryReader):
    await follower(log, reader).catch_up()
    reader.visible = 3
    assert await follower(log, reader).catch_up() == 0
    assert sequences(log) == ALL


async def test_an_event_that_does_not_follow_from_the_one_before_is_a_gap(log: Log, reader: HistoryReader):
    # event 3, but of a history in which event 2 was another
    other = RegionWriter()
    other.act(other.deploy(b"another"))
    other.act(other.deploy(b"one more"))
    reader.altered = {HISTORY[2].signature: other.history[2].logs}
    with pytest.raises(Gap, match=r"event 3 .* does not hold the hash"):
        await follower(log, reader).catch_up()
    assert sequences(log) == []


async def test_a_last_event_that_the_account_does_not_vouch_for_is_a_gap(log: Log, reader: HistoryReader):
    other = RegionWriter()
    other.act(other.deploy(b"another"))
    reader.visible = 2
    reader.altered = {HISTORY[1].signature: other.history[1].logs}
    with pytest.raises(Gap, match="event 2 is not the one whose hash the account holds"):
        await follower(log, reader).catch_up()
    assert sequences(log) == []
    reader.altered.clear()
    await follower(log, reader).catch_up()
    assert sequences(log) == ALL[:2]


async def test_a_log_of_another_fork_is_not_caught_up(log: Log, reader: HistoryReader):
    other = RegionWriter()
    other.act(other.deploy(b"another"))
    await follower(log, HistoryReader(other.history)).catch_up()
    reader.visible = 2
    with pytest.raises(Gap, match=r"event 2 .* is not the one on chain"):
        await follower(log, reader).catch_up()
    reader.visible = 3
    with pytest.raises(Gap, match=r"event 3 .* does not hold the hash"):
        await follower(log, reader).catch_up()
    assert sequences(log) == [1, 2]


async def test_truncated_logs_show_as_a_gap(log: Log, reader: HistoryReader):
    reader.altered = {HISTORY[0].signature: (*HISTORY[0].logs[:1], "Log truncated")}
    with pytest.raises(Gap, match="event 1"):
        await follower(log, reader).catch_up()
    assert sequences(log) == []


async def test_truncated_logs_without_an_event_of_ours_hold_up_nothing(log: Log):
    history = [*HISTORY[:3], Executed("full", HISTORY[2].slot, ("Log truncated",), HISTORY[2].account)]
    await follower(log, HistoryReader([*history, *HISTORY[3:]])).catch_up()
    assert recorded(log) == truth(HISTORY)


async def test_log_lines_that_make_no_sense_are_an_error_and_nothing_is_appended(
    log: Log, reader: HistoryReader
):
    reader.altered = {HISTORY[3].signature: HISTORY[3].logs[1:]}
    with pytest.raises(DecodeError):
        await follower(log, reader).catch_up()
    assert sequences(log) == []


async def test_a_transaction_listed_but_not_there_yet_is_an_outage(log: Log, reader: HistoryReader):
    reader.unread = {HISTORY[-1].signature}
    with pytest.raises(ChainUnavailable, match="does not have it"):
        await follower(log, reader).catch_up()
    assert sequences(log) == []
    reader.unread.clear()
    await follower(log, reader).catch_up()
    assert sequences(log) == ALL


async def test_one_unanswered_read_ends_the_others(log: Log, reader: HistoryReader):
    asked: list[str] = []

    async def hang(signature: str, finality: Finality) -> None:
        asked.append(signature)
        if len(asked) == MAX_CONCURRENT_TRANSACTION_READS:
            outage()
        await trio.sleep_forever()

    reader.transaction = hang
    assert len(HISTORY) > MAX_CONCURRENT_TRANSACTION_READS
    with trio.fail_after(20), pytest.raises(ChainUnavailable):
        await follower(log, reader).catch_up()
    assert len(asked) == MAX_CONCURRENT_TRANSACTION_READS


async def test_a_node_without_the_account_says_nothing_of_it_and_is_doubted(log: Log, reader: HistoryReader):
    await follower(log, reader).catch_up()
    reader.visible = 0
    with pytest.raises(ChainUnavailable, match="knows nothing"):
        await follower(log, reader).catch_up()
    assert sequences(log) == ALL
    assert len(reader.doubts) == 1


@pytest.mark.parametrize("data", [b"", b"rubbish", HISTORY[0].account[:-1], HISTORY[0].account + b"\0"])
async def test_an_account_that_cannot_be_read_is_refused(log: Log, reader: HistoryReader, data: bytes):
    async def account(address: str, finality: Finality) -> AccountAnswer:
        return AccountAnswer(1, data)

    reader.account = account
    with pytest.raises(DecodeError):
        await follower(log, reader).catch_up()


async def test_other_scopes_have_streams_of_their_own(log: Log, reader: HistoryReader):
    async def account(address: str, finality: Finality) -> AccountAnswer:
        return AccountAnswer(1, accounts[address])

    writer = RegionWriter()
    accounts = {str(address): writer.account(address) for address in (state_address()[0], PROVIDER)}
    reader = HistoryReader(writer.history)
    reader.account = account
    for scope in accounts:
        assert await Follower(log, reader, scope, LIMITS).catch_up() == 2
    assert [(entry.stream, entry.version) for entry in log.replay()] == [
        (scope, version) for scope in accounts for version in (1, 2)
    ]


async def test_two_nodes_record_each_event_once(reader: HistoryReader):
    engine = MemoryEngine()
    one, two = follower(open_log(engine), reader), follower(open_log(engine), HistoryReader(HISTORY))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.catch_up)
            nursery.start_soon(two.catch_up)
    assert recorded(open_log(engine)) == truth(HISTORY)


@pytest.mark.parametrize("recorded_by_the_other", [1, 2, 3, 4, 5])
async def test_another_node_records_while_this_one_appends(
    monkeypatch: pytest.MonkeyPatch, reader: HistoryReader, recorded_by_the_other: int
):
    monkeypatch.setattr(follower_module, "MAX_EVENTS_PER_APPEND", 2)
    engine = MemoryEngine()
    log, others_log = open_log(engine), open_log(engine)
    append, appends = log.append_from_task, 0

    async def append_late(stream: str, expected: int, events: list[tuple[Source, Event]]):
        nonlocal appends
        appends += 1
        if appends == 2:
            taken = truth(HISTORY)[2 : 2 + recorded_by_the_other]
            others_log.append(SCOPE, 2, taken)
        return await append(stream, expected, events)

    monkeypatch.setattr(log, "append_from_task", append_late)
    with trio.fail_after(20):
        await follower(log, reader).catch_up()
    assert appends > 2
    assert recorded(log) == truth(HISTORY)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 16))
def test_whatever_the_readers_do_the_log_becomes_the_history(seed: int, page_size: int, transactions: int):
    randomness = random.Random(seed)
    history = random_history(randomness, transactions)
    whole = truth(history)
    engine = MemoryEngine()
    readers = [HistoryReader(history, page_size=page_size) for _ in range(2)]

    def spoil() -> None:
        if randomness.random() < 0.05:
            outage()

    async def try_to_catch_up(reader: HistoryReader) -> None:
        with suppress(ChainUnavailable, Gap):
            await follower(open_log(engine), reader).catch_up()

    async def follow() -> None:
        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for reader in readers:
                    reader.visible = randomness.randint(1, len(history))
                    reader.copies = randomness.randint(1, 2)
                    reader.shuffle_within_slots(randomness)
                    reader.missing = {one.signature for one in history if randomness.random() < 0.1}
                    reader.unread = {one.signature for one in history if randomness.random() < 0.02}
                    reader.spoil = spoil
                    nursery.start_soon(try_to_catch_up, reader)
            found = recorded(open_log(engine))
            assert found == whole[: len(found)]
        healed = HistoryReader(history, page_size=page_size)
        await follower(open_log(engine), healed).catch_up()

    trio.run(follow)
    assert recorded(open_log(engine)) == whole


def test_the_test_histories_hold_all_kinds():
    kinds = {type(event).__name__ for _, event in truth(random_history(random.Random(1), 16))}
    assert kinds == {"RegionCreated", "StackDeployed", "StackUpdated", "StackDeleted"}
