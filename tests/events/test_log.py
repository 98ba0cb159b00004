import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from events import following
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.log import Log, StreamConflict
from events.log_keys import Head
from tests.entries import append_all, joined, open_log, place_of, source_of

EVENT = joined(0)
PATIENCE_SECONDS = 20.0
PAIR = (source_of(EVENT), EVENT)


@pytest.fixture
def log() -> Log:
    return open_log(MemoryEngine())


def test_positions_versions_and_hashes(log: Log):
    assert log.append("a", 0, [PAIR, PAIR]) == [1, 2]
    assert log.append("b", 0, [PAIR]) == [3]
    entries = log.read()
    assert [(entry.position, entry.stream, entry.version) for entry in entries] == [
        (1, "a", 1),
        (2, "a", 2),
        (3, "b", 1),
    ]
    assert [entry.event for entry in entries] == [EVENT] * 3
    assert entries[0].previous_hash == bytes(32)
    assert [entry.previous_hash for entry in entries[1:]] == [entry.hash for entry in entries[:2]]
    assert log.head() == Head(3, entries[2].hash)
    assert [entry.recorded_at for entry in entries] == [1_000_000, 1_000_000, 1_000_001]


def test_an_empty_log(log: Log):
    assert (log.head(), log.read(), log.version("a"), log.last("a")) == (Head(0, bytes(32)), [], 0, None)
    assert list(log.replay()) == []


@pytest.mark.parametrize("expected_version", [0, 1, 3])
def test_another_version_than_expected_is_refused_whole(log: Log, expected_version: int):
    log.append("a", 0, [PAIR, PAIR])
    with pytest.raises(StreamConflict):
        log.append("a", expected_version, [PAIR, PAIR, PAIR])
    assert log.head().position == 2
    assert log.append("a", log.version("a"), [PAIR]) == [3]


def test_replay_reads_past_one_batch(log: Log):
    append_all(log, [EVENT] * 1300)
    assert [entry.position for entry in log.replay(2)] == list(range(2, 1301))
    last = log.last(place_of(EVENT))
    assert last is not None
    assert last.event == EVENT


# these run on the real clock: autojump would jump while a thread works


async def test_follow_gives_what_is_there_and_is_woken_by_appends_in_any_thread(log: Log):
    log.append("a", 0, [PAIR])
    seen: list[int] = []
    with trio.fail_after(10):
        async for entries in log.follow(poll_seconds=3600):
            seen.extend(entry.position for entry in entries)
            if len(seen) == 6:
                break
            await trio.to_thread.run_sync(log.append, "a", seen[-1], [PAIR])
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_an_append_while_the_follower_waits_wakes_it(log: Log):
    seen: list[int] = []

    async def follow() -> None:
        async for entries in log.follow(poll_seconds=3600):
            seen.extend(entry.position for entry in entries)
            return

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.testing.wait_all_tasks_blocked(0.05)
            log.append("a", 0, [PAIR])
    assert seen == [1]


async def test_follow_finds_the_appends_of_another_process_by_polling():
    engine = MemoryEngine()
    ours, theirs = open_log(engine), open_log(engine)
    theirs.append("a", 0, [PAIR])
    with trio.fail_after(10):
        async for entries in ours.follow(poll_seconds=0.01):
            assert [entry.position for entry in entries] == [theirs.head().position]
            if entries[-1].position == 3:
                break
            theirs.append("a", theirs.version("a"), [PAIR])


async def test_a_hint_makes_a_follower_look_long_before_it_would(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "FIRST_LOOK_SECONDS", 3600.0)
    engine = MemoryEngine()
    ours, theirs = open_log(engine), open_log(engine)
    ours.append("a", 0, [PAIR])
    with trio.fail_after(10):
        async for entries in ours.follow(poll_seconds=3600):
            last = entries[-1].position
            assert last == theirs.head().position
            if last == 4:
                break
            ours.hint(last)
            theirs.append("a", last, [PAIR])
            await trio.to_thread.run_sync(ours.hint, last + 1)


async def test_appends_of_this_process_are_told_and_those_of_others_are_not():
    engine = MemoryEngine()
    ours, theirs = open_log(engine), open_log(engine)
    ours.append("a", 0, [PAIR, PAIR])
    told: list[int] = []
    with trio.fail_after(10):
        async for position in ours.appends():
            told.append(position)
            if position == 6:
                break
            theirs.append("a", position, [PAIR])
            await trio.to_thread.run_sync(ours.append, "a", position + 1, [PAIR])
    assert told == [2, 4, 6]


async def test_appends_that_come_while_the_caller_is_busy_are_told_as_one(log: Log):
    told: list[int] = []
    with trio.fail_after(10):
        log.append("a", 0, [PAIR])
        async for position in log.appends():
            told.append(position)
            if position > 1:
                break
            for version in range(1, 5):
                log.append("a", version, [PAIR])
            with pytest.raises(StreamConflict):
                log.append("a", 0, [PAIR])
            await log.append_from_task("a", 5, [])
            await trio.testing.wait_all_tasks_blocked()
    assert told == [1, 5]


def test_a_log_on_disk_is_there_after_reopening(tmp_path: Path):
    engine = LmdbEngine(tmp_path)
    open_log(engine).append("a", 0, [PAIR])
    head = open_log(engine).head()
    engine.close()
    engine = LmdbEngine(tmp_path)
    assert open_log(engine).head() == head
    engine.close()


APPEND_ELSEWHERE = """
import sys
from pathlib import Path
from events import following
from events.engine.lmdb import LmdbEngine
from tests.entries import joined, open_log, place_of, source_of
event = joined(0)
log = open_log(LmdbEngine(Path(sys.argv[1])))
log.append("elsewhere", 0, [(source_of(event), event)])
"""


async def test_follow_sees_a_commit_of_another_process_long_before_it_would_look(tmp_path: Path):
    engine = LmdbEngine(tmp_path)
    log = open_log(engine)
    async with trio.open_nursery() as nursery:

        async def append_elsewhere() -> None:
            await trio.run_process([sys.executable, "-c", APPEND_ELSEWHERE, str(tmp_path)])

        nursery.start_soon(append_elsewhere)
        with trio.fail_after(PATIENCE_SECONDS):
            async for entries in log.follow(poll_seconds=3600):
                assert [entry.stream for entry in entries] == ["elsewhere"]
                break
    engine.close()
