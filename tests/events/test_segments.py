from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.archive import Archive
from events.engine.memory import MemoryEngine
from events.entries import EngineFailure
from events.recorder import EngineProcessRecorder
from events.segments import FolderStore, SegmentUnavailable, decode_segment, open_store
from tests.events.logs import fill

COUNT = 40


def archived(folder: Path, before: int, max_segment_entries: int) -> MemoryEngine:
    engine = MemoryEngine()
    fill(engine, COUNT)
    archive = Archive(engine, EngineProcessRecorder(engine), max_segment_entries=max_segment_entries)
    archive.archive(before, FolderStore(folder), region="", created_at=1)
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
        for stream in ("node/a", "node/b", "node/c"):
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
    for place in range(len(good)):
        for bad in (good[:place], good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]):
            file.write_bytes(bad)
            try:
                found = EngineProcessRecorder(engine).records(1, 100)
            except DecodeError:
                continue
            # header and trailer are not read again
            assert found == expected


@given(st.binary(max_size=100))
def test_a_note_of_random_bytes(data: bytes):
    with pytest.raises(DecodeError):
        decode_segment(data)


def test_a_folder_keeps_files_whole(tmp_path: Path):
    store = FolderStore(tmp_path / "a" / "b")

    def interrupted() -> Iterator[bytes]:
        yield b"part"
        raise InterruptedError("stopped")

    store.put("one", [b"first", b" second"])
    with pytest.raises(SegmentUnavailable):
        store.put("two", interrupted())
    with pytest.raises(SegmentUnavailable):
        store.size_bytes("two")
    store.put("one", [b"again"])
    store = open_store(store.location)
    assert (store.size_bytes("one"), store.read("one", 1, 3), store.read("one", 4, 9)) == (5, b"gai", b"n")
    with pytest.raises(SegmentUnavailable):
        store.read("two", 0, 1)


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SegmentUnavailable):
        FolderStore(tmp_path / "file" / "new").put("one", [b""])
