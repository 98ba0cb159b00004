"""Writes a part of a log as a log file (`events.log_file`), and goes on with one that was cut short."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from contract.errors import DecodeError, InvalidInput
from events import codec
from events.catalogue import RegionCreated
from events.log_file import READ_CHUNK_BYTES, Header, LogFileDecoder, LogFileEncoder
from events.recorder import EngineProcessRecorder
from events.verify import BrokenLog

READ_BATCH_RECORDS = 512

Progress = Callable[[int], None]
"""Told the position that was reached, now and then."""


def no_progress(_position: int) -> None:
    """Tells nobody."""


def region_of(recorder: EngineProcessRecorder) -> str:
    """The region whose log this is: the scope of its first `RegionCreated`; empty if there is none."""
    start = 1
    while records := recorder.records(start, READ_BATCH_RECORDS):
        for _, record in records:
            if record.topic == RegionCreated.__name__:
                try:
                    event = codec.decode(record.state).event
                except DecodeError:
                    continue
                if isinstance(event, RegionCreated):
                    return event.scope
        start = records[-1][0] + 1
    return ""


def describe(
    recorder: EngineProcessRecorder, *, first: int, last: int | None = None, region: str, created_at: int
) -> Header:
    """The header for the positions from `first` to `last` (the end). Raises `InvalidInput` where there are none."""
    head, head_hash = recorder.head()
    last = head if last is None else last
    if first > head + 1:
        raise InvalidInput("--from", f"must be a position of the log, from 1 to {head + 1}")
    if not 1 <= first <= last + 1 or last > head:
        raise InvalidInput(
            "--from", f"the positions {first} to {last} are not in the log, which has 1 to {head}"
        )
    if first == head + 1:
        previous_hash = head_hash
    else:
        found = recorder.record(first)
        if found is None:
            raise BrokenLog(first, "is missing")
        previous_hash = found.previous_hash
    return Header(
        region=region,
        first_position=first,
        last_position=last,
        previous_hash=previous_hash,
        created_at=created_at,
    )


def export(
    recorder: EngineProcessRecorder, header: Header, *, progress: Progress = no_progress
) -> Iterator[bytes]:
    """The pieces of the file. Raises `BrokenLog` where the log's own records do not follow from each other."""
    encoder = LogFileEncoder(header)
    yield encoder.start()
    yield from _rest(recorder, header, encoder, progress)


def resume_export(
    recorder: EngineProcessRecorder, file: BinaryIO, *, progress: Progress = no_progress
) -> Iterator[bytes] | None:
    """What is missing in `file`, which is cut to what is whole in it and stands at its end then.

    None when not even its header is whole. Raises `InvalidLogFile` when the file was altered, and `InvalidInput` when
    it is of another log. The finished file is the one that an export without interruption would have made.
    """
    decoder = LogFileDecoder()
    while data := file.read(READ_CHUNK_BYTES):
        decoder.feed(data)
        while decoder.next_item() is not None:
            pass
    if decoder.trailer is not None:
        decoder.finish()
    if decoder.header is None:
        file.seek(0)
        file.truncate()
        return None
    header = decoder.header
    _check_same_log(recorder, header, decoder)
    file.seek(decoder.read_bytes)
    file.truncate()
    if decoder.trailer is not None:
        return iter(())
    encoder = LogFileEncoder(header)
    encoder.resume(decoder)
    return _rest(recorder, header, encoder, progress)


def _check_same_log(recorder: EngineProcessRecorder, header: Header, decoder: LogFileDecoder) -> None:
    """The hash of the last record in the file vouches for all of them."""
    last = recorder.record(decoder.position)
    here = None if last is None else last.hash
    if recorder.head()[0] < header.last_position or (decoder.position and here != decoder.hash):
        raise InvalidInput("FILE", f"is of another log: they differ at position {decoder.position} or before")


def _rest(
    recorder: EngineProcessRecorder, header: Header, encoder: LogFileEncoder, progress: Progress
) -> Iterator[bytes]:
    while encoder.position < header.last_position:
        wanted = min(READ_BATCH_RECORDS, header.last_position - encoder.position)
        records = recorder.records(encoder.position + 1, wanted)
        if not records:
            raise BrokenLog(encoder.position + 1, "is missing")
        for position, record in records:
            if position != encoder.position + 1:
                raise BrokenLog(encoder.position + 1, "is missing")
            if record.previous_hash != encoder.hash:
                raise BrokenLog(position, "does not hold the hash of the entry before it")
            if piece := encoder.add(record.encode()):
                yield piece
        progress(encoder.position)
    yield encoder.finish()
