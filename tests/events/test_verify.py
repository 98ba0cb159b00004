import pytest

from events.engine.memory import MemoryEngine
from events.record import Record
from events.recorder import EngineProcessRecorder
from events.verify import BrokenLog, verify
from tests.entries import append_all, joined, open_log


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0)] * 600)
    return engine


def key(position: int) -> bytes:
    return b"log/e" + position.to_bytes(8, "big")


def test_a_whole_log_gives_its_head(engine: MemoryEngine):
    assert verify(EngineProcessRecorder(engine)) == open_log(engine).head()
    assert verify(EngineProcessRecorder(MemoryEngine())).position == 0


@pytest.mark.parametrize("position", [1, 300, 599])
def test_an_altered_entry_shows_at_the_next(engine: MemoryEngine, position: int):
    with engine.begin() as transaction:
        record = Record.decode(transaction.get(key(position)) or b"")
        forged = Record(
            record.previous_hash, record.stream, record.version, record.topic, record.state + b"\0"
        )
        transaction.put(key(position), forged.encode())
        transaction.commit()
    with pytest.raises(BrokenLog, match="hash") as caught:
        verify(EngineProcessRecorder(engine))
    assert caught.value.position == position + 1


def test_an_altered_last_entry_shows_at_the_head(engine: MemoryEngine):
    with engine.begin() as transaction:
        record = Record.decode(transaction.get(key(600)) or b"")
        forged = Record(
            record.previous_hash, record.stream, record.version, record.topic, record.state + b"\0"
        )
        transaction.put(key(600), forged.encode())
        transaction.commit()
    with pytest.raises(BrokenLog, match="head"):
        verify(EngineProcessRecorder(engine))


@pytest.mark.parametrize("position", [1, 300, 600])
def test_a_missing_entry_is_named(engine: MemoryEngine, position: int):
    with engine.begin() as transaction:
        transaction.delete(key(position))
        transaction.commit()
    with pytest.raises(BrokenLog) as caught:
        verify(EngineProcessRecorder(engine))
    assert caught.value.position == (position if position < 600 else 599)
