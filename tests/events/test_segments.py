import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.archive import Archive
from events.engine.memory import MemoryEngine
from events.entries import EngineFailure
from events.log_keys import LogKeys
from events.recorder import EngineProcessRecorder
from events.segment_store.folder import FolderStore
from events.segments import decode_segment
from events.verify import examine
from tests.events.logs import OTHER_STREAM, STREAM, fill

COUNT = 40


def archived(folder: Path, before: int, max_segment_entries: int) -> MemoryEngine:
    engine = MemoryEngine()
    fill(engine, COUNT)
    archive = Archive(engine, EngineProcessRecorder(engine), max_segment_entries=max_segment_entries)
    archive.archive(before, FolderStore(folder), region="")
    return engine


@pytest.fixture(scope="module")
def whole() -> EngineProcessRecorder:
    engine = MemoryEngine()
    fill(engine, COUNT)
    return EngineProcessRecorder(engine)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, COUNT + 1), st.sampled_from([1, 3, 100]), st.data())
def test_reads_are_those_of_the_whole_log(
    tmp_path_factory: pytest.TempPathFactory,
    whole: EngineProcessRecorder,
    before: int,
    max_segment_entries: int,
    data: st.DataObject,
):
    engine = archived(tmp_path_factory.mktemp("segments"), before, max_segment_entries)
    recorder = EngineProcessRecorder(engine)
    positions, limits = st.integers(0, COUNT + 2), st.integers(0, COUNT + 2)
    for _ in range(8):
        start, stop, limit = data.draw(positions), data.draw(positions), data.draw(limits)
        assert recorder.records(start, limit) == whole.records(start, limit)
        notifications = recorder.select_notifications(start, limit, stop)
        assert notifications == whole.select_notifications(start, limit, stop)
        for stream in (STREAM, OTHER_STREAM, "node/c"):
            for desc in (True, False):
                options = {"gt": start, "lte": stop, "desc": desc, "limit": limit}
                assert recorder.select_events(stream, **options) == whole.select_events(stream, **options)
    assert recorder.head() == whole.head()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, COUNT + 1), st.sampled_from([1, 3, 100]), st.data())
def test_a_scan_backwards_goes_on_in_the_segments(
    tmp_path_factory: pytest.TempPathFactory,
    whole: EngineProcessRecorder,
    before: int,
    max_segment_entries: int,
    data: st.DataObject,
):
    engine = archived(tmp_path_factory.mktemp("segments"), before, max_segment_entries)
    first, last = data.draw(st.integers(1, COUNT)), data.draw(st.integers(1, COUNT))
    limit = data.draw(st.none() | st.integers(0, COUNT))

    def backwards(recorder: EngineProcessRecorder) -> list[tuple[bytes, bytes]]:
        with recorder._reading() as snapshot:
            return list(snapshot.scan(*recorder._entry_range(first, last), limit=limit, reverse=True))

    assert backwards(EngineProcessRecorder(engine)) == backwards(whole)


def test_a_segment_that_is_gone_is_an_engine_that_fails(tmp_path: Path):
    engine = archived(tmp_path, 20, 100)
    recorder = EngineProcessRecorder(engine)
    next(tmp_path.glob("*.mulog")).rename(tmp_path / "elsewhere")
    with pytest.raises(EngineFailure, match=r"\.mulog"):
        recorder.records(1, 1)
    assert recorder.records(20, 1)[0][0] == 20


def test_every_altered_or_cut_segment_is_a_decode_error(tmp_path: Path):
    engine = archived(tmp_path, 4, 100)
    file = next(tmp_path.glob("*.mulog"))
    good = file.read_bytes()
    expected = EngineProcessRecorder(engine).records(1, 100)
    problems: list[str] = []
    for place in range(len(good)):
        for bad in (good[:place], good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]):
            file.write_bytes(bad)
            try:
                found = EngineProcessRecorder(engine).records(1, 100)
            except DecodeError as error:
                problems.append(str(error))
                continue
            # a part of the trailer is not needed
            assert found == expected
    assert problems
    assert all(file.name in problem for problem in problems)


def test_another_logs_segment_is_not_read_in_the_place_of_ours(tmp_path: Path):
    engine = archived(tmp_path / "ours", 20, 100)
    other = MemoryEngine()
    fill(other, COUNT, reason_characters=4)
    for region in ("", "another"):
        store = FolderStore(tmp_path / f"theirs {region}")
        Archive(other, EngineProcessRecorder(other)).archive(20, store, region=region)
    [ours] = (tmp_path / "ours").glob("*.mulog")
    for theirs in tmp_path.glob("theirs*/*.mulog"):
        ours.write_bytes(theirs.read_bytes())
        with pytest.raises(DecodeError, match=r"as the file that was archived|another file than"):
            EngineProcessRecorder(engine).records(1, 1)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("block_bytes", [1, 100, 1000, 10**6])
def test_a_store_is_asked_for_blocks(
    tmp_path: Path,
    whole: EngineProcessRecorder,
    monkeypatch: pytest.MonkeyPatch,
    block_bytes: int,
    backwards: bool,
):
    monkeypatch.setattr("events.log_file.FRAME_BYTES", 500)
    engine = archived(tmp_path, COUNT + 1, 1000)
    [file] = tmp_path.glob("*.mulog")
    asked: list[tuple[int, int]] = []
    read = FolderStore.read

    def counting(store: FolderStore, name: str, start: int, count: int) -> bytes:
        asked.append((start, count))
        return read(store, name, start, count)

    monkeypatch.setattr(FolderStore, "read", counting)
    monkeypatch.setattr(FolderStore, "block_bytes", block_bytes)
    recorder = EngineProcessRecorder(engine)
    positions = range(1, COUNT + 1)
    for position in reversed(positions) if backwards else positions:
        assert recorder.records(position, 1) == whole.records(position, 1)
    if block_bytes > 500:
        assert all(start % block_bytes == 0 and count == block_bytes for start, count in asked)
        # Backwards, all of it is gone through first, to find the last. One more has its end.
        assert len(asked) <= (2 if backwards else 1) * (file.stat().st_size // block_bytes + 1) + 1


def test_what_is_not_needed_of_a_segment_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("events.log_file.FRAME_BYTES", 500)
    engine = archived(tmp_path, COUNT + 1, 1000)
    [file] = tmp_path.glob("*.mulog")
    data = file.read_bytes()
    middle = len(data) // 2
    file.write_bytes(data[:middle] + b"junk" + data[middle + 4 :])
    recorder = EngineProcessRecorder(engine)
    assert [position for position, _ in recorder.records(1, 2)] == [1, 2]
    with pytest.raises(DecodeError):
        recorder.records(1, COUNT)


@pytest.mark.parametrize("location", ["gs://bucket", "s3://", "s3://bucket/..", ""])
def test_a_note_that_names_no_store(tmp_path: Path, location: str):
    engine = archived(tmp_path, 20, 100)
    keys = LogKeys()
    with engine.begin() as transaction:
        segment = decode_segment(transaction.get(keys.segment(1)) or b"")
        note = msgspec.structs.replace(segment, location=location)
        transaction.put(keys.segment(1), msgspec.msgpack.encode(note))
        transaction.commit()
    with pytest.raises(EngineFailure, match="location"):
        EngineProcessRecorder(engine).records(1, 1)
    [found] = examine(EngineProcessRecorder(engine)).disagreements
    assert "location" in found.problem


def test_a_store_that_does_not_answer_keeps_no_others_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    engine = archived(tmp_path, COUNT + 1, 20)
    asked, answer = threading.Event(), threading.Event()
    read = FolderStore.read

    def slow(store: FolderStore, name: str, start: int, count: int) -> bytes:
        if name.startswith(f"{1:020}"):
            asked.set()
            answer.wait(60)
        return read(store, name, start, count)

    monkeypatch.setattr(FolderStore, "read", slow)
    recorder = EngineProcessRecorder(engine)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(recorder.records, 1, 1)
        assert asked.wait(60)
        assert recorder.records(21, 1)[0][0] == 21
        answer.set()
        assert waiting.result()[0][0] == 1


@given(st.binary(max_size=100))
def test_a_note_of_random_bytes(data: bytes):
    with pytest.raises(DecodeError):
        decode_segment(data)
