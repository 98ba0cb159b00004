"""Tells a log where its archived segments are, after somebody has moved or copied the files to another store."""

from collections.abc import Callable, Sequence

import msgspec

from contract.errors import InvalidInput
from events.archive import MAX_ATTEMPTS, ArchiveConflict, CopyDiffers
from events.engine import Conflict, Engine, OutcomeUnknown
from events.log_file import InvalidLogFile
from events.log_keys import DEFAULT_PREFIX, LogKeys
from events.segment_files import check_file
from events.segment_store import SegmentStore, open_store
from events.segments import Segment, decode_segment, segments

MAX_NOTES_PER_TRANSACTION = 500


def relocate(
    engine: Engine,
    source: str,
    target: SegmentStore,
    *,
    prefix: bytes = DEFAULT_PREFIX,
    on_checked: Callable[[Segment], None] = lambda segment: None,
) -> list[Segment]:
    """Change the notes of all segments at the location `source` to `target`; the segments as they are noted then.

    Each is read whole at `target` first, and must be what its note says: when one is not, nothing is changed. The
    records can be read all the time, as long as both stores are there. Interrupted, it can be run again: what has
    been changed then is not at `source` any more. `source` need not be reachable.

    Raises `InvalidInput`, `CopyDiffers`, `ArchiveConflict`, `DecodeError` for a note, and what engine and store raise.
    """
    keys = LogKeys(prefix)
    with engine.snapshot() as snapshot:
        noted = segments(snapshot, keys)
    # As a person writes it, and as a note has it: the folder may have become a link, or be none any more.
    sources = {source, open_store(source, "--from").location}
    if target.location in sources:
        raise InvalidInput("--to", f"{target.location} is where the segments are noted already")
    found = [segment for segment in noted if segment.location in sources]
    if not found:
        known = ", ".join(sorted({segment.location for segment in noted}))
        where = f"they are at {known}" if known else "nothing was archived"
        raise InvalidInput("--from", f"the log has no segments at {source}; {where}")
    for segment in found:
        _check(segment, target)
        on_checked(segment)
    moved = [msgspec.structs.replace(segment, location=target.location) for segment in found]
    for start in range(0, len(found), MAX_NOTES_PER_TRANSACTION):
        part = slice(start, start + MAX_NOTES_PER_TRANSACTION)
        _rewrite(engine, keys, found[part], moved[part])
    return moved


def _check(segment: Segment, store: SegmentStore) -> None:
    try:
        check_file(segment, store)
    except InvalidLogFile as error:
        raise CopyDiffers(f"{segment.name} at {store.location}: {error}; nothing was changed") from error


def _rewrite(engine: Engine, keys: LogKeys, noted: Sequence[Segment], moved: Sequence[Segment]) -> None:
    for _ in range(MAX_ATTEMPTS):
        with engine.begin() as transaction:
            written = transaction.get_many(keys.segment(segment.first_position) for segment in noted)
            for old, new in zip(noted, moved, strict=True):
                key = keys.segment(old.first_position)
                # The second: an attempt whose outcome was unknown has succeeded.
                if key not in written or decode_segment(written[key]) not in (old, new):
                    raise ArchiveConflict(f"the note of {old.name} was changed by another")
                transaction.put(key, msgspec.msgpack.encode(new))
            try:
                transaction.commit()
            except (Conflict, OutcomeUnknown):
                continue
            return
    raise ArchiveConflict("the notes of the segments are being changed by another")
