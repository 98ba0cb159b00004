import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from events.record import (
    MAX_STREAM_ID_BYTES,
    MAX_TOPIC_BYTES,
    MAX_VERSION,
    ZERO_HASH,
    InvalidRecord,
    Record,
)

RECORD = Record(bytes(range(32)), "stack/é", 7, "opened", b"\0state\xff")
BYTES = bytes(range(32)) + b"\0\0\0\0\0\0\0\x07" + b"\0\x08stack/\xc3\xa9" + b"\0\x06opened" + b"\0state\xff"

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=100)
RECORDS = st.builds(
    Record,
    previous_hash=st.binary(min_size=32, max_size=32),
    stream=TEXT,
    version=st.integers(0, MAX_VERSION),
    topic=st.text(st.characters(exclude_categories=["Cs"])),
    state=st.binary(),
)


def test_the_layout():
    assert RECORD.encode() == BYTES
    assert Record.decode(BYTES) == RECORD
    assert RECORD.hash == hashlib.sha256(BYTES).digest()


@given(RECORDS)
def test_a_record_comes_back(record):
    assert Record.decode(record.encode()) == record


@given(st.binary() | st.binary(max_size=60).map(lambda tail: bytes(41) + tail))
def test_random_bytes_decode_to_what_encodes_to_them_or_raise(data):
    try:
        record = Record.decode(data)
    except DecodeError:
        return
    assert record.encode() == data


def test_every_truncation_before_the_state_is_refused():
    whole = BYTES[: BYTES.index(b"\0state")]
    for length in range(len(whole)):
        with pytest.raises(DecodeError):
            Record.decode(BYTES[:length])
    assert Record.decode(whole).state == b""


def test_a_changed_byte_is_refused_or_changes_the_hash():
    generator = random.Random(1)
    for index in range(len(BYTES)):
        changed = bytearray(BYTES)
        changed[index] ^= generator.randrange(1, 256)
        try:
            record = Record.decode(bytes(changed))
        except DecodeError:
            continue
        assert record.hash != RECORD.hash


@pytest.mark.parametrize(
    "data",
    [
        bytes(40) + b"\0\0" + b"\0\0",
        bytes(40) + b"\0\x02a\0" + b"\0\0",
        bytes(40) + b"\0\x01\xff" + b"\0\0",
        bytes(40) + b"\0\x01a" + b"\0\x01\xff",
        bytes(40) + b"\x01\x91" + b"a" * 401 + b"\0\0",
    ],
)
def test_what_no_record_may_hold_is_refused(data):
    with pytest.raises(DecodeError):
        Record.decode(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"previous_hash": b"short"},
        {"stream": ""},
        {"stream": "a\0b"},
        {"stream": "\ud800"},
        {"stream": "é" * (MAX_STREAM_ID_BYTES // 2) + "a"},
        {"topic": "\ud800"},
        {"topic": "t" * (MAX_TOPIC_BYTES + 1)},
        {"version": -1},
        {"version": MAX_VERSION + 1},
    ],
)
def test_what_does_not_fit_is_refused(changes):
    fields = {"previous_hash": ZERO_HASH, "stream": "s", "version": 1, "topic": "t", "state": b""}
    assert Record(**fields).encode()
    with pytest.raises(InvalidRecord):
        Record(**(fields | changes)).encode()


def test_the_longest_parts_fit():
    record = Record(ZERO_HASH, "s" * MAX_STREAM_ID_BYTES, MAX_VERSION, "t" * MAX_TOPIC_BYTES, b"")
    assert Record.decode(record.encode()) == record
