import io

import pytest

from contract.errors import InvalidInput
from events.engine.memory import MemoryEngine
from events.export import describe, export, region_of, resume_export
from events.log_file import Frame, Header, InvalidLogFile, LogFileDecoder
from events.record import Record
from events.recorder import EngineProcessRecorder
from events.verify import BrokenLog
from tests.events.logs import REGION, append_failures, fill, items, log_records


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine()
    fill(engine, 20)
    return engine


def whole(engine: MemoryEngine, first: int = 1, last: int | None = None, region: str = REGION) -> bytes:
    recorder = EngineProcessRecorder(engine)
    header = describe(recorder, first=first, last=last, region=region, created_at=1)
    return b"".join(export(recorder, header))


def records_in(file: bytes) -> tuple[Header, list[bytes]]:
    decoder = LogFileDecoder()
    decoder.feed(file)
    found = list(items(decoder))
    decoder.finish()
    assert decoder.header is not None
    return decoder.header, [record for item in found if isinstance(item, Frame) for record in item.records]


@pytest.mark.parametrize(("first", "last"), [(1, None), (7, None), (7, 9), (20, None), (21, None), (1, 1)])
def test_a_file_has_the_entries_between_two_positions(engine: MemoryEngine, first: int, last: int | None):
    header, records = records_in(whole(engine, first, last))
    everything = log_records(engine)
    assert records == everything[first - 1 : last]
    assert (header.first_position, header.last_position) == (first, last or 20)
    before = Record.decode(everything[first - 2]).hash if first > 1 else bytes(32)
    assert header.previous_hash == before
    assert whole(engine, first, last) == whole(engine, first, last)


def test_an_empty_log():
    assert records_in(whole(MemoryEngine()))[1] == []


@pytest.mark.parametrize(("first", "last"), [(0, None), (22, None), (1, 21), (9, 7)])
def test_positions_that_the_log_does_not_have(engine: MemoryEngine, first: int, last: int | None):
    with pytest.raises(InvalidInput):
        whole(engine, first, last)


def test_the_region_is_found(engine: MemoryEngine):
    assert region_of(EngineProcessRecorder(engine)) == REGION
    assert region_of(EngineProcessRecorder(MemoryEngine())) == ""


def test_a_resumed_file_is_the_same_wherever_it_was_cut_and_though_the_log_grew(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("events.log_file.MAX_FRAME_RECORDS", 4)
    engine = MemoryEngine()
    log = fill(engine, 10)
    recorder = EngineProcessRecorder(engine)
    file = whole(engine)
    append_failures(log, range(10, 20))
    resumed_from: set[int] = set()
    for length in range(len(file) + 1):
        cut = io.BytesIO(file[:length])
        rest = resume_export(recorder, cut)
        if rest is None:
            assert cut.getvalue() == b""
            continue
        resumed_from.add(cut.tell())
        cut.writelines(rest)
        assert cut.getvalue() == file
    # after the header, after the two frames that are full, and at the end
    assert len(resumed_from) >= 4


def test_a_file_of_another_log_is_not_resumed(engine: MemoryEngine):
    other = MemoryEngine()
    fill(other, 20, reason_characters=4)
    file = whole(engine)
    for length in (len(file), len(file) - 1):
        with pytest.raises(InvalidInput, match="another log"):
            resume_export(EngineProcessRecorder(other), io.BytesIO(file[:length]))
    fewer = MemoryEngine()
    fill(fewer, 3)
    with pytest.raises(InvalidInput, match="another log"):
        resume_export(EngineProcessRecorder(fewer), io.BytesIO(file[:200]))


def test_an_altered_file_is_not_resumed(engine: MemoryEngine):
    file = bytearray(whole(engine))
    file[len(file) // 2] ^= 1
    with pytest.raises(InvalidLogFile):
        resume_export(EngineProcessRecorder(engine), io.BytesIO(bytes(file)))
    with pytest.raises(InvalidLogFile, match="more bytes"):
        resume_export(EngineProcessRecorder(engine), io.BytesIO(whole(engine) + b"x"))


def test_a_broken_log_is_not_exported(engine: MemoryEngine):
    key = b"log/e" + (9).to_bytes(8, "big")
    with engine.begin() as transaction:
        record = Record.decode(transaction.get(key) or b"")
        transaction.put(key, Record(record.previous_hash, record.stream, 99, record.topic, b"").encode())
        transaction.commit()
    with pytest.raises(BrokenLog, match="position 10"):
        whole(engine)
    with engine.begin() as transaction:
        transaction.delete(key)
        transaction.commit()
    for first in (1, 9):
        with pytest.raises(BrokenLog, match="position 9"):
            whole(engine, first)
