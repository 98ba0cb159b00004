import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import InvalidInput
from events.catalogue import NodeSource, kind
from events.codec import Recorded, encode
from events.engine import Conflict, OutcomeUnknown, Unavailable
from events.engine.memory import MemoryEngine
from events.export import describe, export
from events.insert import MAX_BYTES_PER_COMMIT
from events.log_file import InvalidLogFile, TruncatedLogFile
from events.log_import import (
    MAX_RECORDS_PER_TRANSACTION,
    DifferentLog,
    Imported,
    InvalidEntry,
    LogImport,
    LogMoved,
    batches,
)
from events.log_keys import Head
from events.record import ZERO_HASH, Record
from events.recorder import EngineProcessRecorder
from events.verify import verify
from tests.events.logs import append_failures, failed, fill, joined, log_records, make_file
from tests.events.recorded import contents


def source(count: int = 20, reason_characters: int = 3) -> MemoryEngine:
    engine = MemoryEngine()
    fill(engine, count, reason_characters=reason_characters)
    return engine


def file_of(engine: MemoryEngine, first: int = 1, last: int | None = None) -> bytes:
    recorder = EngineProcessRecorder(engine)
    header = describe(recorder, first=first, last=last, region="", created_at=1)
    return b"".join(export(recorder, header))


def import_into(engine: MemoryEngine, *pieces: bytes, resume: bool = False) -> Imported:
    return LogImport(engine, resume=resume).run(pieces)


def test_a_whole_log_is_the_same_key_by_key():
    ours, theirs = MemoryEngine(), source(700)
    imported = import_into(ours, file_of(theirs))
    assert contents(ours) == contents(theirs)
    head = Head(*EngineProcessRecorder(theirs).head())
    assert imported == Imported(0, 700, head)
    assert verify(EngineProcessRecorder(ours)).position == 700


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_records_are_written_as_many_at_a_time_as_fit(quarters: list[int]):
    records = [b"r" * (MAX_BYTES_PER_COMMIT // 4 * number) for number in quarters] * 20
    written = list(batches(records))
    assert [record for batch in written for record in batch] == records
    for batch, after in zip(written, [*written[1:], None], strict=True):
        size_bytes = sum(map(len, batch))
        assert 0 < len(batch) <= MAX_RECORDS_PER_TRANSACTION
        assert size_bytes <= MAX_BYTES_PER_COMMIT
        assert (
            after is None
            or len(batch) == MAX_RECORDS_PER_TRANSACTION
            or size_bytes + len(after[0]) > MAX_BYTES_PER_COMMIT
        )


def test_an_imported_log_is_appended_to_as_any_other():
    ours, theirs = MemoryEngine(), source()
    import_into(ours, file_of(theirs))
    for engine in (ours, theirs):
        log = fill(engine, 0)
        append_failures(log, range(20, 25))
    assert contents(ours) == contents(theirs)


@settings(max_examples=30)
@given(st.integers(0, 20), st.integers(1, 21), st.booleans())
def test_parts_that_overlap_or_meet(present: int, first: int, resume: bool):
    theirs, ours = source(), MemoryEngine()
    import_into(ours, file_of(theirs, 1, present))
    before = contents(ours)
    part = file_of(theirs, first)
    if first > present + 1 or (first <= min(present, 20) and not resume):
        with pytest.raises(InvalidInput):
            import_into(ours, part, resume=resume)
        assert contents(ours) == before
    else:
        imported = import_into(ours, part, resume=resume)
        assert (imported.present, imported.added) == (present + 1 - first, 20 - present)
        assert contents(ours) == contents(theirs)


def test_a_log_that_differs_is_refused_at_the_first_position_that_does():
    theirs, ours = source(20), MemoryEngine()
    import_into(ours, file_of(theirs, 1, 10))
    append_failures(fill(ours, 0), range(30, 33))
    before = contents(ours)
    with pytest.raises(DifferentLog) as caught:
        import_into(ours, file_of(theirs), resume=True)
    assert caught.value.position == 11
    assert contents(ours) == before
    with pytest.raises(DifferentLog) as caught:
        import_into(ours, file_of(theirs, 14))
    assert caught.value.position == 13
    assert contents(ours) == before


def test_a_cut_file_gives_its_whole_frames_and_the_rest_follows():
    theirs = source(1100)
    file = file_of(theirs)
    added: set[int] = set()
    for length in range(0, len(file), len(file) // 40):
        ours = MemoryEngine()
        with pytest.raises(TruncatedLogFile):
            import_into(ours, file[:length])
        added.add(verify(EngineProcessRecorder(ours)).position)
        import_into(ours, file, resume=True)
        assert contents(ours) == contents(theirs)
    assert added >= {0, 512, 1024}


def test_byte_by_byte_and_with_trailing_data():
    theirs, ours = source(), MemoryEngine()
    file = file_of(theirs)
    import_into(ours, *(file[place : place + 1] for place in range(len(file))))
    assert contents(ours) == contents(theirs)
    ours = MemoryEngine()
    with pytest.raises(InvalidLogFile, match="more bytes"):
        import_into(ours, file, b"x")
    assert contents(ours) == contents(theirs)


@settings(max_examples=60)
@given(st.data())
def test_nothing_of_an_altered_file_is_written(data: st.DataObject):
    file = bytearray(FILE)
    file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    ours = MemoryEngine()
    with pytest.raises(InvalidLogFile):
        import_into(ours, bytes(file))
    # all is in one frame: only an altered trailer comes after it
    assert log_records(ours) in ([], log_records(THEIRS))


THEIRS = source()
FILE = file_of(THEIRS)


def record(previous: bytes, version: int, state: bytes, topic: str = "StackFailed") -> Record:
    return Record(previous, "node/a", version, topic, state)


GOOD = encode(Recorded(NodeSource("node", 1), 5, failed(1)))


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (record(record(ZERO_HASH, 1, GOOD).hash, 3, GOOD), "comes after version 1"),
        (record(record(ZERO_HASH, 1, GOOD).hash, 1, GOOD), "comes after version 1"),
        (record(record(ZERO_HASH, 1, GOOD).hash, 2, b"junk"), "event"),
        (record(record(ZERO_HASH, 1, GOOD).hash, 2, GOOD, kind(joined())), "is called NodeJoined"),
    ],
)
def test_entries_that_no_log_has_are_refused_with_their_position(second: Record, problem: str):
    ours = MemoryEngine()
    with pytest.raises(InvalidEntry, match=problem) as caught:
        import_into(ours, make_file([record(ZERO_HASH, 1, GOOD).encode(), second.encode()]))
    assert caught.value.position == 2
    assert contents(ours) == []


def test_what_is_no_record_is_refused():
    with pytest.raises(InvalidEntry, match="position 1"):
        import_into(MemoryEngine(), make_file([ZERO_HASH + b"\0"]))


@pytest.mark.parametrize("applied", [False, True])
def test_an_engine_that_does_not_say_what_became_of_a_commit(applied: bool):
    theirs, ours = source(600), MemoryEngine()
    ours.fail_next_commit(OutcomeUnknown("no answer"), applied=applied)
    ours.fail_next_commit(Conflict("another"))
    import_into(ours, file_of(theirs))
    assert contents(ours) == contents(theirs)


def test_an_engine_that_fails_leaves_a_log_that_can_be_gone_on_with():
    theirs, ours = source(600), MemoryEngine()

    def pieces():
        yield file_of(theirs)

    importing = LogImport(ours, resume=False, progress=lambda _: ours.fail_next_commit(Unavailable("down")))
    with pytest.raises(Unavailable):
        importing.run(pieces())
    assert verify(EngineProcessRecorder(ours)).position == 512
    import_into(ours, file_of(theirs), resume=True)
    assert contents(ours) == contents(theirs)


def test_an_append_meanwhile_is_neither_overwritten_nor_followed():
    theirs, ours = source(600), MemoryEngine()
    importing = LogImport(ours, resume=False, progress=lambda _: append_failures(fill(ours, 0), [7]))
    with pytest.raises(LogMoved, match="position 513"):
        importing.run([file_of(theirs)])
    assert verify(EngineProcessRecorder(ours)).position == 513
