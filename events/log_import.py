"""Reads a log file into a log: each entry is checked before it is written, and lands at its own position or nowhere."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from contract.errors import DecodeError, InvalidInput, MuError
from events import codec
from events.catalogue import kind
from events.engine import Conflict, Engine, KeyExists, OutcomeUnknown, Transaction
from events.export import Progress, no_progress
from events.insert import MAX_BYTES_PER_COMMIT
from events.log_file import Frame, Header, LogFileDecoder
from events.log_keys import DEFAULT_PREFIX, Head, LogKeys, decode_number, encode_number
from events.record import Record, hash_record
from events.recorder import EngineProcessRecorder

MAX_RECORDS_PER_TRANSACTION = 256
MAX_ATTEMPTS = 16


class DifferentLog(MuError):
    """The log has other entries than the file, from `position` on."""

    def __init__(self, position: int) -> None:
        super().__init__(f"position {position}: the log has another entry there than the file")
        self.position = position


class InvalidEntry(DecodeError):
    """An entry in the file is none of a region's log."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"position {position}: {problem}")
        self.position = position


class LogMoved(MuError):
    """Another has appended to the log meanwhile; nothing was written beside or over that."""


class Imported(msgspec.Struct, frozen=True):
    """How many entries the log had already, how many were added, and the log's head now."""

    present: int
    added: int
    head: Head


class LogImport:
    """One import into the log that is in `engine` under `prefix`.

    Without `resume`, a file whose entries the log has already is refused.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        resume: bool,
        prefix: bytes = DEFAULT_PREFIX,
        progress: Progress = no_progress,
    ) -> None:
        self._engine = engine
        self._recorder = EngineProcessRecorder(engine, prefix=prefix)
        self._keys = LogKeys(prefix)
        self._resume = resume
        self._progress = progress
        self._versions: dict[str, int] = {}
        self._present = 0
        self._added = 0
        self.head = Head(*self._recorder.head())

    def run(self, pieces: Iterable[bytes]) -> Imported:
        """Import a file that comes in `pieces`.

        Raises `InvalidInput` (the file begins after the log's end, or overlaps it), `DifferentLog`, `InvalidLogFile`,
        `InvalidEntry`, `LogMoved`, and what the engine raises. What was written before that is good, and can be gone
        on from.
        """
        decoder = LogFileDecoder()
        for piece in pieces:
            decoder.feed(piece)
            while (item := decoder.next_item()) is not None:
                if isinstance(item, Header):
                    self._begin(item)
                elif isinstance(item, Frame):
                    self._take(item)
                    self._progress(item.first_position + len(item.records) - 1)
        decoder.finish()
        return Imported(self._present, self._added, self.head)

    def _begin(self, header: Header) -> None:
        first, end = header.first_position, self.head.position
        if first > end + 1:
            raise InvalidInput("FILE", f"begins at position {first}, but the log ends at {end}")
        if first <= min(end, header.last_position) and not self._resume:
            raise InvalidInput(
                "FILE",
                f"has entries that the log has too (from {first} to {end}); --resume goes on where it ends",
            )
        if first == end + 1 and header.previous_hash != self.head.hash:
            raise DifferentLog(end)

    def _take(self, frame: Frame) -> None:
        overlap = min(len(frame.records), max(0, self.head.position + 1 - frame.first_position))
        if overlap:
            self._compare(frame.first_position, frame.records[:overlap])
        first = frame.first_position + overlap
        for batch in batches(frame.records[overlap:]):
            self._write(first, batch)
            first += len(batch)

    def _compare(self, first: int, records: Sequence[bytes]) -> None:
        here = dict(self._recorder.records(first, len(records)))
        for position, record in enumerate(records, first):
            if position not in here or here[position].encode() != record:
                raise DifferentLog(position)
        self._present += len(records)

    def _write(self, first: int, records: Sequence[bytes]) -> None:
        decoded = [self._check(position, data) for position, data in enumerate(records, first)]
        if decoded[0].previous_hash != self.head.hash:
            raise DifferentLog(first - 1)
        after = Head(first + len(records) - 1, hash_record(records[-1]))
        versions: dict[str, int] = {}
        for _ in range(MAX_ATTEMPTS):
            with self._engine.begin() as transaction:
                now = Head.decode(transaction.get(self._keys.head))
                if now == after:
                    # an earlier attempt whose outcome was not told
                    self._versions.update(versions)
                    break
                if now != self.head:
                    raise LogMoved(f"another has appended to the log at position {self.head.position + 1}")
                try:
                    versions = self._put(transaction, first, decoded, records)
                    transaction.put(self._keys.head, after.encode())
                    transaction.commit()
                except (Conflict, OutcomeUnknown):
                    continue
                except KeyExists as error:
                    raise InvalidEntry(first, f"its stream has this version already ({error})") from error
                self._versions.update(versions)
                break
        else:
            raise LogMoved(f"others wrote to the log at the same time, {MAX_ATTEMPTS} times")
        self.head = after
        self._added += len(records)

    def _put(
        self, transaction: Transaction, first: int, decoded: Sequence[Record], records: Sequence[bytes]
    ) -> dict[str, int]:
        """Put records into the transaction; the last version of each of their streams."""
        versions: dict[str, int] = {}
        places = [self._keys.stream(record.stream) + encode_number(record.version) for record in decoded]
        # What is read once costs a cluster no second round trip.
        transaction.get_many(places)
        for position, (record, data) in enumerate(zip(decoded, records, strict=True), first):
            stream = self._keys.stream(record.stream)
            last = versions.get(record.stream, self._versions.get(record.stream))
            if last is None:
                last = _last_version(transaction, stream)
            if record.version != last + 1:
                raise InvalidEntry(
                    position, f"version {record.version} of {record.stream} comes after version {last}"
                )
            versions[record.stream] = record.version
            transaction.insert(places[position - first], encode_number(position))
            transaction.put(self._keys.entry(position), data)
        return versions

    def _check(self, position: int, data: bytes) -> Record:
        try:
            record = Record.decode(data)
            event = codec.decode(record.state).event
        except DecodeError as error:
            raise InvalidEntry(position, str(error)) from error
        if record.topic != kind(event):
            raise InvalidEntry(position, f"a {kind(event)} that is called {record.topic}")
        return record


def batches(records: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The records in turn, as many at a time as a transaction takes well."""
    start = size_bytes = 0
    for end, record in enumerate(records):
        if end - start == MAX_RECORDS_PER_TRANSACTION or size_bytes + len(record) > MAX_BYTES_PER_COMMIT:
            yield records[start:end]
            start, size_bytes = end, 0
        size_bytes += len(record)
    if start < len(records):
        yield records[start:]


def _last_version(transaction: Transaction, stream: bytes) -> int:
    last = next(transaction.scan(stream, stream + b"\xff" * 9, reverse=True, limit=1), None)
    return decode_number(last[0][len(stream) :]) if last else 0
