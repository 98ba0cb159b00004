import shutil
from pathlib import Path

import msgspec
import pytest

from contract.errors import InvalidInput
from events.archive import Archive, ArchiveConflict, CopyDiffers
from events.engine import Conflict, Engine, OutcomeUnknown
from events.engine.memory import MemoryEngine
from events.log_keys import LogKeys
from events.recorder import EngineProcessRecorder
from events.relocation import relocate
from events.segment_store import SegmentUnavailable
from events.segment_store.folder import FolderStore
from events.segments import Segment
from events.verify import verify
from tests.events.logs import fill, log_records
from tests.events.recorded import contents


def archived(engine: Engine, *folders: Path) -> None:
    """A log of 40 entries, of which each folder has five segments of two."""
    fill(engine, 40)
    archive = Archive(engine, EngineProcessRecorder(engine), max_segment_entries=2)
    for number, folder in enumerate(folders, 1):
        archive.archive(number * 10 + 1, FolderStore(folder), region="r")


def locations(engine: Engine) -> list[str]:
    return [segment.location for segment in Archive(engine, EngineProcessRecorder(engine)).segments()]


def test_a_folder_that_was_moved_is_found_again(engine: Engine, tmp_path: Path):
    old, other, new = tmp_path / "old", tmp_path / "other", tmp_path / "new"
    archived(engine, old, other)
    records = log_records(engine)
    old.rename(new)
    checked: list[Segment] = []
    moved = relocate(engine, str(old), FolderStore(new), on_checked=checked.append)
    assert [segment.first_position for segment in moved] == [1, 3, 5, 7, 9]
    assert [segment.name for segment in checked] == [segment.name for segment in moved]
    assert locations(engine) == [str(new)] * 5 + [str(other)] * 5
    assert log_records(engine) == records
    assert verify(EngineProcessRecorder(engine)).position == 40


@pytest.mark.parametrize("way", ["link", "dots", "slash"])
def test_the_old_location_may_be_written_as_people_do(memory: MemoryEngine, tmp_path: Path, way: str):
    old, new = tmp_path / "old", tmp_path / "new"
    archived(memory, old)
    old.rename(new)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if way == "link":
        old.symlink_to(elsewhere)
    source = {"link": f"{old}", "dots": f"{new}/../old", "slash": f"{old}/"}[way]
    assert len(relocate(memory, source, FolderStore(new))) == 5


def damage_last(folder: Path, how: str) -> None:
    file = sorted(folder.glob("*.mulog"))[-1]
    data = file.read_bytes()
    match how:
        case "missing":
            file.unlink()
        case "cut":
            file.write_bytes(data[:-1])
        case "altered":
            file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case _:
            other = MemoryEngine()
            fill(other, 40)
            archive = Archive(other, EngineProcessRecorder(other), max_segment_entries=2)
            archive.archive(11, FolderStore(folder.with_name("again")), region="s")
            shutil.copy(folder.with_name("again") / file.name, file)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("missing", SegmentUnavailable),
        ("cut", CopyDiffers),
        ("altered", CopyDiffers),
        ("another", CopyDiffers),
    ],
)
def test_unless_all_are_there_nothing_is_changed(
    memory: MemoryEngine, tmp_path: Path, how: str, error: type[Exception]
):
    old, new = tmp_path / "old", tmp_path / "new"
    archived(memory, old)
    shutil.copytree(old, new)
    damage_last(new, how)
    before = contents(memory)
    with pytest.raises(error, match=r"00009-.*\.mulog"):
        relocate(memory, str(old), FolderStore(new))
    assert contents(memory) == before


def test_what_cannot_be_meant(memory: MemoryEngine, tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"--from: .* nothing was archived"):
        relocate(memory, str(tmp_path / "old"), FolderStore(tmp_path / "new"))
    archived(memory, tmp_path / "old", tmp_path / "other")
    with pytest.raises(InvalidInput, match=f"--from: .* they are at {tmp_path}/old, {tmp_path}/other"):
        relocate(memory, str(tmp_path / "none"), FolderStore(tmp_path / "new"))
    with pytest.raises(InvalidInput, match=r"--to: .* already"):
        relocate(memory, str(tmp_path / "old"), FolderStore(tmp_path / "old"))
    with pytest.raises(InvalidInput, match="--from: gs://"):
        relocate(memory, "gs://bucket", FolderStore(tmp_path / "new"))


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("error", [Conflict("x"), OutcomeUnknown("x")])
def test_an_engine_that_hesitates(memory: MemoryEngine, tmp_path: Path, error: Exception, applied: bool):
    old, new = tmp_path / "old", tmp_path / "new"
    archived(memory, old)
    old.rename(new)
    memory.fail_next_commit(error, applied=applied and isinstance(error, OutcomeUnknown))
    relocate(memory, str(old), FolderStore(new))
    assert locations(memory) == [str(new)] * 5


class Killed(BaseException):
    """The process ends here."""


def test_interrupted_between_transactions_it_can_be_run_again(
    memory: MemoryEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("events.relocation.MAX_NOTES_PER_TRANSACTION", 2)
    old, new = tmp_path / "old", tmp_path / "new"
    archived(memory, old)
    records = log_records(memory)
    shutil.copytree(old, new)
    begin, begun = memory.begin, iter(range(10))

    def mortal():
        if next(begun) == 1:
            raise Killed
        return begin()

    with monkeypatch.context() as dying:
        dying.setattr(memory, "begin", mortal)
        with pytest.raises(Killed):
            relocate(memory, str(old), FolderStore(new))
    assert locations(memory) == [str(new)] * 2 + [str(old)] * 3
    assert log_records(memory) == records
    assert len(relocate(memory, str(old), FolderStore(new))) == 3
    assert locations(memory) == [str(new)] * 5
    assert log_records(memory) == records


def test_a_note_that_another_changes_meanwhile_is_left_to_him(memory: MemoryEngine, tmp_path: Path):
    old, new, third = tmp_path / "old", tmp_path / "new", tmp_path / "third"
    archived(memory, old)
    shutil.copytree(old, new)

    def another(segment: Segment) -> None:
        with memory.begin() as transaction:
            note = msgspec.structs.replace(segment, location=str(third))
            transaction.put(LogKeys().segment(segment.first_position), msgspec.msgpack.encode(note))
            transaction.commit()

    with pytest.raises(ArchiveConflict):
        relocate(memory, str(old), FolderStore(new), on_checked=another)
    assert locations(memory) == [str(third)] * 5
