"""The journal's entries: durable, in order, and never trusted when damaged."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.engine import KeyExists
from events.engine.memory import MemoryEngine
from mu.localnet.journal import Entry, Genesis, Journal, ProgramDeployed, TransactionAccepted, decode_entry

ENTRIES: list[Entry] = [
    Genesis(b"seed", 7),
    ProgramDeployed(1, 8, b"p" * 32, b"h" * 32),
    TransactionAccepted(2, 9, b"transaction"),
]


def test_entries_come_back_in_order() -> None:
    engine = MemoryEngine()
    journal = Journal(engine)
    for entry in ENTRIES:
        journal.append(entry)
    again = Journal(engine)
    assert list(again.entries()) == ENTRIES
    assert again.next_sequence == len(ENTRIES)


def test_code_larger_than_a_value_comes_back_whole() -> None:
    journal = Journal(MemoryEngine())
    code = bytes(index % 251 for index in range(1_300_000))
    assert journal.code(journal.store_code(code)) == code
    with pytest.raises(DecodeError):
        journal.code(bytes(32))


def test_a_second_writer_is_refused() -> None:
    engine = MemoryEngine()
    first, second = Journal(engine), Journal(engine)
    first.append(ENTRIES[0])
    with pytest.raises(KeyExists):
        second.append(ENTRIES[0])


def test_a_missing_entry_is_told() -> None:
    engine = MemoryEngine()
    journal = Journal(engine)
    for entry in ENTRIES:
        journal.append(entry)
    with engine.begin() as transaction:
        transaction.delete(b"chain/entry/" + (1).to_bytes(8))
        transaction.commit()
    with pytest.raises(DecodeError, match="entry 1"):
        list(Journal(engine).entries())


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_truncation_and_addition_is_refused(entry: Entry) -> None:
    whole = msgspec.msgpack.encode(entry)
    assert decode_entry(whole) == entry
    for length in range(len(whole)):
        with pytest.raises(DecodeError):
            decode_entry(whole[:length])
    with pytest.raises(DecodeError):
        decode_entry(whole + b"\0")


@given(st.binary(max_size=60))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decode_entry(data)
    except DecodeError:
        return
    assert data  # nothing is no entry
