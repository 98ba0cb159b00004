"""Who comes while a commit is under way is committed with the next; each writer learns what came of its own."""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from hypothesis import given
from hypothesis import strategies as st

from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.group_commit import GroupCommit, TaskGroupCommit, take_batch
from events.insert import (
    KEYS_PER_EVENT,
    MAX_BYTES_PER_COMMIT,
    MAX_EVENTS_PER_BATCH,
    MAX_KEYS_PER_COMMIT,
    Insert,
    insert_of_stored,
    insert_of_stream,
)
from events.log import StreamConflict
from events.recorder import EngineProcessRecorder
from events.verify import verify
from tests.entries import joined, joined_at, open_log, place_of, source_of

PATIENCE_SECONDS = 20.0


def insert(events: int = 1, stream: str = "a") -> Insert:
    return insert_of_stream(stream, 0, [("t", b"")] * events)


class Disk:
    """Commits, and waits in the first one until it is let go; notes what is committed together."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.in_first = threading.Event()
        self.let_go = threading.Event()
        self.error: Exception | None = None

    def commit(self, inserts: list[Insert]) -> None:
        self.batches.append(len(inserts))
        if len(self.batches) == 1:
            self.in_first.set()
            assert self.let_go.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error
        for number, one in enumerate(inserts, 1):
            one.positions = [number]


def in_threads(count: int, act: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=act) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def waiting(group: GroupCommit) -> int:
    return len(group._queue)


def test_who_comes_during_a_commit_is_committed_with_the_next():
    disk = Disk()
    group = GroupCommit(disk.commit)
    inserts = [insert() for _ in range(9)]
    pending = iter(inserts)
    first = in_threads(1, lambda: group.insert([next(pending)]))
    assert disk.in_first.wait(PATIENCE_SECONDS)
    others = in_threads(8, lambda: group.insert([next(pending)]))
    while waiting(group) < 8:
        pass
    disk.let_go.set()
    for thread in first + others:
        thread.join(PATIENCE_SECONDS)
    assert disk.batches == [1, 8]
    assert sorted(one.result()[0] for one in inserts) == [1, *range(1, 9)]


def test_a_commit_is_bounded():
    disk = Disk()
    group = GroupCommit(disk.commit)
    half = MAX_KEYS_PER_COMMIT // KEYS_PER_EVENT // 2
    first = in_threads(1, lambda: group.insert([insert()]))
    assert disk.in_first.wait(PATIENCE_SECONDS)
    others = in_threads(3, lambda: group.insert([insert(half)]))
    while waiting(group) < 3:
        pass
    disk.let_go.set()
    for thread in first + others:
        thread.join(PATIENCE_SECONDS)
    assert disk.batches == [1, 2, 1]


def test_what_the_commit_raises_is_everybodys_error():
    disk = Disk()
    disk.let_go.set()
    disk.error = OSError("full")
    group = GroupCommit(disk.commit)
    failed = [insert(), insert()]
    group.insert(failed)
    for one in failed:
        with pytest.raises(OSError, match="full"):
            one.result()
    disk.error = None
    after = insert()
    group.insert([after])
    assert after.result() == [1]


def sized(keys: int, size_bytes: int) -> Insert:
    made = Insert((), ())
    made.keys, made.size_bytes = keys, size_bytes
    return made


@given(st.lists(st.builds(sized, st.integers(0, 900), st.integers(0, MAX_BYTES_PER_COMMIT)), min_size=1))
def test_a_batch_is_the_longest_beginning_that_fits(inserts: list[Insert]):
    queue = deque(inserts)
    batch = take_batch(queue)
    assert batch + list(queue) == inserts

    def fits(count: int) -> bool:
        taken = inserts[:count]
        return (
            sum(one.keys for one in taken) <= MAX_KEYS_PER_COMMIT
            and sum(one.size_bytes for one in taken) <= MAX_BYTES_PER_COMMIT
        )

    assert len(batch) == 1 or fits(len(batch))
    assert not queue or not fits(len(batch) + 1)


def test_the_largest_batch_with_its_tracking_position_fits_into_a_transaction():
    events = [StoredEvent("a", version, "t", b"") for version in range(MAX_EVENTS_PER_BATCH)]
    assert insert_of_stored(events, Tracking("t", 1)).keys <= MAX_KEYS_PER_COMMIT


def test_who_is_waited_for_in_vain_holds_a_commit_up_for_a_moment_only():
    """After a commit of many, the next one waits for as many, who do not come."""
    disk = Disk()
    group = GroupCommit(disk.commit)
    first = in_threads(1, lambda: group.insert([insert()]))
    assert disk.in_first.wait(PATIENCE_SECONDS)
    others = in_threads(4, lambda: group.insert([insert()]))
    while waiting(group) < 4:
        pass
    disk.let_go.set()
    for thread in first + others:
        thread.join(PATIENCE_SECONDS)
    for _ in range(3):
        group.insert([insert()])
    assert disk.batches == [1, 4, 1, 1, 1]


async def test_a_thread_that_cannot_be_had_is_every_tasks_error():
    def fail(inserts: object) -> None:
        raise RuntimeError("can't start new thread")

    group = TaskGroupCommit(fail)
    inserts = [insert() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for one in inserts:
            nursery.start_soon(group.insert, one)
    for one in inserts:
        with pytest.raises(RuntimeError, match="thread"):
            one.result()


async def test_tasks_that_are_cancelled_while_they_wait_have_their_commits():
    log = open_log(MemoryEngine())
    event = joined(0)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            for number in range(9):
                nursery.start_soon(log.append_from_task, f"{number}", 0, [(source_of(event), event)])
            await trio.testing.wait_all_tasks_blocked(0)
            scope.cancel()
    assert log.head().position == 9


async def test_tasks_share_a_commit_and_the_next_takes_over(autojump_clock: trio.testing.MockClock):
    batches: list[int] = []

    def commit(inserts: object) -> None:
        assert isinstance(inserts, list)
        batches.append(len(inserts))
        for one in inserts:
            one.positions = [len(batches)]

    group = TaskGroupCommit(commit)
    results: list[int] = []

    async def write() -> None:
        for _ in range(2):
            mine = insert()
            await group.insert(mine)
            results.extend(mine.result())

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(write)
    assert sum(batches) == len(results) == 10
    assert len(batches) < 10


async def test_a_cancelled_task_still_has_its_commit():
    log = open_log(MemoryEngine())
    event = joined(0)
    with trio.CancelScope() as scope:
        scope.cancel()
        await log.append_from_task("a", 0, [(source_of(event), event)])
    assert log.head().position == 1


async def test_one_writers_conflict_is_not_anothers():
    log = open_log(MemoryEngine())
    event = joined(0)
    pair = [(source_of(event), event)]
    outcomes: dict[str, object] = {}

    async def write(stream: str, expected_version: int) -> None:
        try:
            outcomes[stream] = await log.append_from_task(stream, expected_version, pair)
        except StreamConflict as error:
            outcomes[stream] = type(error)

    async with trio.open_nursery() as nursery:
        for stream, version in (("a", 0), ("b", 3), ("c", 0)):
            nursery.start_soon(write, stream, version)
    assert outcomes.pop("b") is StreamConflict
    assert sorted(outcomes.values()) == [[1], [2]]


def test_writers_of_one_stream_in_one_commit_conflict_with_each_other():
    recorder = EngineProcessRecorder(MemoryEngine())
    one, other, third = insert(), insert(), insert_of_stream("a", 1, [("t", b"")])
    recorder.insert_together([one, other, third])
    assert one.result() == [1]
    with pytest.raises(IntegrityError):
        other.result()
    assert third.result() == [2]


def test_many_threads_on_a_disk(tmp_path: Path):
    """Positions are gapless, and each stream is whole."""
    engine = LmdbEngine(tmp_path)
    try:
        log = open_log(engine)
        numbers = iter(range(16))

        def write() -> None:
            event = joined_at(7000 + next(numbers))
            stream = place_of(event)
            for version in range(20):
                log.append(stream, version, [(source_of(event), event)])

        for thread in in_threads(16, write):
            thread.join(PATIENCE_SECONDS)
        entries = list(log.replay())
        assert [entry.position for entry in entries] == list(range(1, 321))
        for number in range(16):
            stream = place_of(joined_at(7000 + number))
            assert [entry.version for entry in entries if entry.stream == stream] == list(range(1, 21))
        verify(EngineProcessRecorder(engine))
    finally:
        engine.close()
