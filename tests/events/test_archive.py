from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest
from eventsourcing.persistence import Tracking

from contract.errors import InvalidInput
from events.archive import Archive, ArchiveConflict, CopyDiffers
from events.engine import Conflict, Engine, OutcomeUnknown, Transaction
from events.engine.memory import MemoryEngine
from events.export import describe, export
from events.log import StreamConflict
from events.log_file import InvalidLogFile
from events.log_keys import LogKeys
from events.recorder import EngineProcessRecorder
from events.relocation import relocate
from events.segment_files import read_back
from events.segment_store.folder import FolderStore
from events.segments import Segment
from events.verify import BrokenLog, examine, verify
from tests.entries import source_of
from tests.events.logs import OTHER_STREAM, STREAM, append_failures, failed, fill, log_records
from tests.events.recorded import contents


def archive(
    engine: Engine,
    before: int,
    folder: Path,
    *,
    max_segment_entries: int = 7,
    store: FolderStore | None = None,
) -> int:
    return Archive(engine, EngineProcessRecorder(engine), max_segment_entries=max_segment_entries).archive(
        before, store or FolderStore(folder), region="r"
    )


def held(engine: Engine) -> list[int]:
    """The positions whose records the engine itself holds."""
    return [int.from_bytes(key[-8:], "big") for key, _ in contents(engine) if key.startswith(b"log/e")]


def test_archived_entries_are_read_as_before_and_appends_go_on(engine: Engine, tmp_path: Path):
    log = fill(engine, 40)
    recorder = EngineProcessRecorder(engine)
    recorder.insert_tracking(Tracking("chain", 5))
    entries, versions = log.read(), {stream: log.version(stream) for stream in (STREAM, OTHER_STREAM, "none")}
    last = log.last(OTHER_STREAM)
    assert archive(engine, 31, tmp_path / "segments") == 30
    assert held(engine) == list(range(31, 41))
    assert log.read() == entries
    assert list(log.replay(3)) == entries[2:]
    assert {stream: log.version(stream) for stream in versions} == versions
    assert log.last(OTHER_STREAM) == last
    assert recorder.max_tracking_id("chain") == 5
    event = failed(99)
    with pytest.raises(StreamConflict):
        log.append(STREAM, versions[STREAM] - 1, [(source_of(event), event)])
    assert log.append(STREAM, versions[STREAM], [(source_of(event), event)]) == [41]
    assert verify(recorder).position == 41


def test_everything_can_be_archived_and_more_later(engine: Engine, tmp_path: Path):
    log = fill(engine, 20)
    file = b"".join(export_all(engine))
    assert archive(engine, 21, tmp_path / "one") == 20
    assert held(engine) == []
    assert log.head().position == 20
    assert b"".join(export_all(engine)) == file
    append_failures(log, range(20, 30))
    assert archive(engine, 11, tmp_path / "one") == 0
    assert archive(engine, 26, tmp_path / "two") == 5
    assert held(engine) == list(range(26, 31))
    spans = [(s.first_position, s.last_position) for s in segments(engine)]
    assert spans == [(1, 7), (8, 14), (15, 20), (21, 25)]
    assert verify(EngineProcessRecorder(engine)).position == 30


def export_all(engine: Engine) -> Iterator[bytes]:
    recorder = EngineProcessRecorder(engine)
    return export(recorder, describe(recorder, first=1, last=20, region="r", created_at=1))


def segments(engine: Engine) -> list[Segment]:
    return Archive(engine, EngineProcessRecorder(engine)).segments()


@pytest.mark.parametrize("before", [0, 22])
def test_a_position_that_is_none_of_the_log(memory: MemoryEngine, tmp_path: Path, before: int):
    fill(memory, 20)
    with pytest.raises(InvalidInput):
        archive(memory, before, tmp_path)


class Killed(BaseException):
    """The process ends here."""


class Lifetime:
    """Ends at the `steps`th step, before or after it has taken effect."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self._steps = steps
        self._after = after

    def step(self, act):
        self._steps -= 1
        last = self._steps == 0
        if last and not self._after:
            raise Killed
        act()
        if last:
            raise Killed


class MortalEngine:
    """An engine whose process can be killed at any commit."""

    def __init__(self, engine: Engine, lifetime: Lifetime) -> None:
        self._engine = engine
        self._lifetime = lifetime
        self.snapshot = engine.snapshot
        self.close = engine.close

    def begin(self) -> Transaction:
        transaction = self._engine.begin()
        commit = transaction.commit
        transaction.commit = lambda: self._lifetime.step(commit)  # type: ignore[method-assign]
        return transaction


class MortalStore(FolderStore):
    """A store whose process can be killed before each piece, before the file is there, and after."""

    def __init__(self, folder: Path, lifetime: Lifetime) -> None:
        super().__init__(folder)
        self._lifetime = lifetime

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        def mortal() -> Iterator[bytes]:
            for piece in pieces:
                self._lifetime.step(lambda: None)
                yield piece

        self._lifetime.step(lambda: FolderStore.put(self, name, mortal()))

    def read(self, name: str, start: int, count: int) -> bytes:
        self._lifetime.step(lambda: None)
        return super().read(name, start, count)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool):
    monkeypatch.setattr("events.archive.MAX_DELETES_PER_TRANSACTION", 3)
    original = MemoryEngine()
    fill(original, 24)
    records = log_records(original)
    for steps in count(1):
        engine = MemoryEngine()
        fill(engine, 24)
        folder = tmp_path / f"{steps}"
        lifetime = Lifetime(steps, after=after)
        store = MortalStore(folder, lifetime)
        try:
            archive(MortalEngine(engine, lifetime), 20, folder, store=store)
        except Killed:
            pass
        else:
            break
        assert log_records(engine) == records
        assert verify(EngineProcessRecorder(engine)).position == 24
        append_failures(fill(engine, 0), [50])
        archive(engine, 20, folder)
        assert held(engine) == list(range(20, 26))
        assert log_records(engine)[:24] == records
        assert verify(EngineProcessRecorder(engine)).position == 25
    assert steps > 20


@pytest.mark.parametrize(
    "fault", [(Conflict("x"), False), (OutcomeUnknown("x"), False), (OutcomeUnknown("x"), True)]
)
@pytest.mark.parametrize("commit", range(5))
def test_an_engine_that_hesitates(tmp_path: Path, fault, commit: int):
    engine = MemoryEngine()
    fill(engine, 24)
    records = log_records(engine)
    store = FolderStore(tmp_path)
    happened = iter(range(10))

    def on_segment(_: Segment) -> None:
        if next(happened) == commit:
            engine.fail_next_commit(fault[0], applied=fault[1])

    if commit == 0:
        engine.fail_next_commit(fault[0], applied=fault[1])
    Archive(engine, EngineProcessRecorder(engine), max_segment_entries=5).archive(
        24, store, region="", on_segment=on_segment
    )
    assert held(engine) == [24]
    assert log_records(engine) == records


class LyingStore(FolderStore):
    """Gives back something else."""

    def __init__(self, folder: Path, changed) -> None:
        super().__init__(folder)
        self._changed = changed

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        super().put(name, [self._changed(b"".join(pieces))])


@pytest.mark.parametrize("changed", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b""])
def test_a_copy_that_is_damaged_is_not_relied_on(memory: MemoryEngine, tmp_path: Path, changed):
    fill(memory, 10)
    before = contents(memory)
    with pytest.raises(InvalidLogFile):
        archive(memory, 10, tmp_path, store=LyingStore(tmp_path, changed))
    assert contents(memory) == before


def test_a_copy_of_something_else_is_not_relied_on(memory: MemoryEngine, tmp_path: Path):
    fill(memory, 10)
    other = MemoryEngine()
    fill(other, 10, reason_characters=4)
    recorder = EngineProcessRecorder(other)
    file = b"".join(export(recorder, describe(recorder, first=1, last=7, region="r", created_at=1)))
    before = contents(memory)
    with pytest.raises(CopyDiffers):
        archive(memory, 10, tmp_path, store=LyingStore(tmp_path, lambda data: file))
    assert contents(memory) == before


def test_two_that_archive_the_same_at_the_same_time_write_the_same_file(memory: MemoryEngine, tmp_path: Path):
    fill(memory, 20)
    records = log_records(memory)

    class Slow(FolderStore):
        """While it writes, another archives as far, and has noted its segments."""

        def put(self, name: str, pieces: Iterable[bytes]) -> None:
            archive(memory, 11, tmp_path)
            super().put(name, pieces)

    assert archive(memory, 11, tmp_path, store=Slow(tmp_path)) == 10
    assert log_records(memory) == records
    assert examine(EngineProcessRecorder(memory)).disagreements == ()
    tmp_path.rename(tmp_path.with_name("moved"))
    assert len(relocate(memory, str(tmp_path), FolderStore(tmp_path.with_name("moved")))) == 2


def test_the_file_of_a_segment_has_the_time_of_its_last_record(memory: MemoryEngine, tmp_path: Path):
    log = fill(memory, 20)
    archive(memory, 8, tmp_path)
    header, _ = read_back(FolderStore(tmp_path), segments(memory)[0].name)
    assert header.created_at == log.read(7, 1)[0].recorded_at


def test_what_is_noted_of_another_log_is_named_and_takes_nothing_away(memory: MemoryEngine, tmp_path: Path):
    fill(memory, 20)
    records = log_records(memory)
    other = MemoryEngine()
    fill(other, 20, reason_characters=4)
    archive(other, 8, tmp_path)
    with memory.begin() as transaction:
        transaction.put(LogKeys().segment(1), msgspec.msgpack.encode(segments(other)[0]))
        transaction.commit()
    [found] = examine(EngineProcessRecorder(memory)).disagreements
    assert (found.position, "of another log" in found.problem) == (1, True)
    with pytest.raises(CopyDiffers, match="they stay"):
        archive(memory, 15, tmp_path)
    assert log_records(memory) == records


def test_a_note_of_another_region_is_named(memory: MemoryEngine, tmp_path: Path):
    fill(memory, 20)
    archive(memory, 8, tmp_path)
    with memory.begin() as transaction:
        note = msgspec.structs.replace(segments(memory)[0], region="another")
        transaction.put(LogKeys().segment(1), msgspec.msgpack.encode(note))
        transaction.commit()
    [found] = examine(EngineProcessRecorder(memory)).disagreements
    assert "another file than was archived" in found.problem


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "a bit":
            path.write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:])
        case "cut":
            path.write_bytes(data[:-1])
        case "longer":
            path.write_bytes(data + b"x")
        case "its checksum":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case _:
            assert how == "another"
            other = MemoryEngine()
            fill(other, 20)
            elsewhere = path.parent / "other"
            Archive(other, EngineProcessRecorder(other), max_segment_entries=7).archive(
                20, FolderStore(elsewhere), region="s"
            )
            path.write_bytes((elsewhere / path.name).read_bytes())


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("a bit", "checksum"),
        ("cut", "bytes, and should have"),
        ("longer", "bytes, and should have"),
        ("its checksum", "checksum"),
        ("another", "another file than was archived"),
    ],
)
def test_a_damaged_segment_is_one_disagreement_and_the_rest_is_checked(
    memory: MemoryEngine, tmp_path: Path, how: str, problem: str
):
    fill(memory, 40)
    archive(memory, 31, tmp_path)
    damaged = segments(memory)[1]
    damage(tmp_path / damaged.name, how)
    with memory.begin() as transaction:
        transaction.put(LogKeys().entry(35), b"junk")
        transaction.commit()
    found = examine(EngineProcessRecorder(memory)).disagreements
    assert [one.position for one in found] == [8, 35]
    assert problem in found[0].problem
    assert f"the segment up to position 14, {damaged.name} at {tmp_path}" in found[0].problem


@pytest.mark.parametrize("missing", [3, 7, 20])
def test_a_log_that_lacks_a_record_is_not_archived(memory: MemoryEngine, tmp_path: Path, missing: int):
    fill(memory, 20)
    with memory.begin() as transaction:
        transaction.delete(LogKeys().entry(missing))
        transaction.commit()
    with pytest.raises(BrokenLog) as caught:
        archive(memory, 21, tmp_path)
    assert caught.value.position == missing


def test_of_two_that_archive_at_the_same_time_one_is_told(memory: MemoryEngine, tmp_path: Path):
    fill(memory, 20)

    class Slow(FolderStore):
        def put(self, name: str, pieces: Iterable[bytes]) -> None:
            super().put(name, pieces)
            archive(memory, 6, tmp_path / "other")

    records = log_records(memory)
    with pytest.raises(ArchiveConflict):
        archive(memory, 11, tmp_path, store=Slow(tmp_path))
    assert log_records(memory) == records
    assert archive(memory, 11, tmp_path) == 5
    assert log_records(memory) == records
