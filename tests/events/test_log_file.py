import hashlib
import struct
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from events.log_file import (
    FRAME_BYTES,
    MAGIC,
    MAX_FRAME_RECORDS,
    Frame,
    Header,
    InvalidLogFile,
    LogFileDecoder,
    Trailer,
    TruncatedLogFile,
)
from events.record import ZERO_HASH, hash_record
from tests.events.logs import chained, items, make_file

RECORDS = chained([b"state %d" % number for number in range(3)])
FILE = make_file(RECORDS)
states = st.lists(st.binary(max_size=40), max_size=6)


def decode(*pieces: bytes) -> list[Header | Frame | Trailer]:
    decoder = LogFileDecoder()
    found: list[Header | Frame | Trailer] = []
    for piece in pieces:
        decoder.feed(piece)
        found += items(decoder)
    decoder.finish()
    return found


@given(states, st.integers(1, 2**40), st.binary(min_size=32, max_size=32), st.text(max_size=9), st.data())
def test_round_trip_in_any_pieces(
    texts: list[bytes], first: int, previous_hash: bytes, region: str, data: st.DataObject
):
    records = chained(texts, previous_hash)
    file = make_file(records, first=first, previous_hash=previous_hash, region=region)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(file)), max_size=5)))
    pieces = [file[start:end] for start, end in zip([0, *cuts], [*cuts, len(file)], strict=True)]
    header, *frames, trailer = decode(*pieces)
    assert header == Header(
        region=region,
        first_position=first,
        last_position=first + len(records) - 1,
        previous_hash=previous_hash,
        created_at=1_700_000_000_000,
    )
    assert [record for frame in frames if isinstance(frame, Frame) for record in frame.records] == records
    last = hash_record(records[-1]) if records else previous_hash
    assert trailer == Trailer(len(records), last, file[-32:])
    assert file[-32:] == hashlib.sha256(file[:-32]).digest()


def test_byte_by_byte_is_the_same_as_whole():
    assert decode(*(FILE[place : place + 1] for place in range(len(FILE)))) == decode(FILE)


@pytest.mark.parametrize("length", range(len(FILE)))
def test_truncated(length: int):
    decoder = LogFileDecoder()
    decoder.feed(FILE[:length])
    found = list(items(decoder))
    assert not any(isinstance(item, Trailer) for item in found)
    assert decoder.read_bytes + len(decoder.trailing_data) == length
    with pytest.raises(TruncatedLogFile):
        decoder.finish()


@pytest.mark.parametrize("place", range(len(FILE)))
def test_no_byte_can_be_altered(place: int):
    altered = FILE[:place] + bytes([FILE[place] ^ 1]) + FILE[place + 1 :]
    with pytest.raises(InvalidLogFile):
        decode(altered)


def test_what_follows_the_trailer_is_told_and_refused():
    decoder = LogFileDecoder()
    decoder.feed(FILE + b"more")
    assert isinstance(list(items(decoder))[-1], Trailer)
    assert decoder.trailing_data == b"more"
    assert decoder.next_item() is None
    with pytest.raises(InvalidLogFile, match="4 more bytes"):
        decoder.finish()


@given(st.binary(max_size=200), st.integers(0, len(FILE)))
def test_random_bytes_alone_or_after_a_good_beginning(data: bytes, length: int):
    for foreign in (data, FILE[:length] + data):
        with suppress(InvalidLogFile):
            decode(foreign)


def test_an_error_stays():
    decoder = LogFileDecoder()
    decoder.feed(b"PK\x03\x04")
    for _ in range(2):
        with pytest.raises(InvalidLogFile, match="no log file"):
            decoder.next_item()
    with pytest.raises(InvalidLogFile, match="no log file"):
        decoder.finish()


def test_another_version_is_named():
    decoder = LogFileDecoder()
    decoder.feed(MAGIC + struct.pack(">HBB", 2, 1, 0))
    with pytest.raises(InvalidLogFile, match="version 2"):
        decoder.next_item()


def test_frames_end_by_count_and_by_bytes():
    small = decode(make_file(chained([b""] * (MAX_FRAME_RECORDS + 1))))
    assert [len(frame.records) for frame in small if isinstance(frame, Frame)] == [MAX_FRAME_RECORDS, 1]
    large = decode(make_file(chained([bytes(FRAME_BYTES)] * 2)))
    assert [len(frame.records) for frame in large if isinstance(frame, Frame)] == [1, 1]


def frame(payload: bytes, *, count: int, raw_bytes: int, first: int = 1) -> bytes:
    head = struct.pack(">cQIII", b"F", first, count, raw_bytes, len(payload))
    return head + hashlib.sha256(head + payload).digest() + payload


def compressed(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(raw)


def framed(*records: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(record)) + record for record in records)


RAW = framed(*RECORDS)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (frame(compressed(bytes(10**8)), count=3, raw_bytes=len(RAW)), "another size"),
        (frame(compressed(RAW) + b"x", count=3, raw_bytes=len(RAW)), "frame"),
        (frame(compressed(RAW) * 2, count=3, raw_bytes=len(RAW)), "frame"),
        (frame(b"not zstandard", count=3, raw_bytes=13), "frame"),
        (frame(compressed(RAW), count=2, raw_bytes=len(RAW)), "goes on"),
        (frame(compressed(RAW[:-1]), count=3, raw_bytes=len(RAW) - 1), "ends in a record"),
        (frame(compressed(framed(*RECORDS[:2])), count=3, raw_bytes=len(framed(*RECORDS[:2]))), "too few"),
        (frame(compressed(RAW), count=0, raw_bytes=len(RAW)), "0 records"),
        (frame(compressed(RAW), count=3, raw_bytes=2**31), "bytes"),
        (frame(compressed(RAW), count=3, raw_bytes=len(RAW), first=2), "comes a frame of 2"),
        (frame(compressed(framed(*RECORDS[1:])), count=2, raw_bytes=len(framed(*RECORDS[1:]))), "position 1"),
        (frame(compressed(framed(*RECORDS, b"")), count=4, raw_bytes=len(framed(*RECORDS, b""))), "comes a frame"),
    ],
)  # fmt: skip
def test_frames_with_a_good_checksum_that_lie(bad: bytes, problem: str):
    decoder = LogFileDecoder()
    decoder.feed(FILE)
    decoder.next_item()
    header = FILE[: decoder.read_bytes]
    with pytest.raises(InvalidLogFile, match=problem):
        decode(header + bad)


def test_a_trailer_that_comes_early_is_refused():
    decoder = LogFileDecoder()
    decoder.feed(FILE)
    decoder.next_item()
    header = FILE[: decoder.read_bytes]
    trailer = struct.pack(">cQ32s", b"T", 0, ZERO_HASH)
    with pytest.raises(InvalidLogFile, match="trailer"):
        decode(header + trailer + hashlib.sha256(header + trailer).digest())
