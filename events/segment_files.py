"""A segment's file, read whole: that it is undamaged, and the one that the log's note of it tells of."""

from collections.abc import Iterator

from events.log_file import READ_CHUNK_BYTES, Header, InvalidLogFile, LogFileDecoder, Trailer
from events.segment_store import SegmentStore, SegmentUnavailable
from events.segments import Segment, store_of


def read_back(store: SegmentStore, name: str) -> tuple[Header, Trailer]:
    """The header and trailer of a file, all of which is read and checked.

    Raises `InvalidLogFile` and `SegmentUnavailable`.
    """
    decoder = LogFileDecoder()
    for piece in _pieces(store, name):
        decoder.feed(piece)
        while decoder.next_item() is not None:
            pass
    trailer = decoder.finish()
    assert decoder.header is not None
    return decoder.header, trailer


def check_file(segment: Segment, store: SegmentStore | None = None) -> None:
    """Read a segment's file in `store`, or where its note says it is, and compare it with the note.

    Raises `InvalidLogFile` where it is damaged or another, and `SegmentUnavailable`.
    """
    store = store or store_of(segment)
    if (size := store.size_bytes(segment.name)) != segment.file_bytes:
        raise InvalidLogFile(f"it has {size} bytes, and should have {segment.file_bytes}")
    header, trailer = read_back(store, segment.name)
    ends = (trailer.last_hash, trailer.checksum) == (segment.last_hash, segment.checksum)
    if not (segment.describes(header) and ends):
        raise InvalidLogFile("it is another file than was archived")


def _pieces(store: SegmentStore, name: str) -> Iterator[bytes]:
    start, count = 0, max(store.block_bytes, READ_CHUNK_BYTES)
    while piece := store.read(name, start, count):
        yield piece
        start += len(piece)
    if start != store.size_bytes(name):
        raise SegmentUnavailable(f"{name} could be read up to byte {start} only")
