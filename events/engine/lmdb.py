"""The embedded engine: one LMDB file in a folder, shared by any number of processes on one machine."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import lmdb
import lmdb.verify

from contract.errors import DecodeError
from events.engine import MAX_KEY_BYTES, OutcomeUnknown, Unavailable
from events.engine.closing import ClosedAtExit
from events.engine.transaction import BufferedTransaction, check_unchanged

DATA_FILE = "data.mdb"
"""In an engine's folder: that there is one."""

DEFAULT_MAP_SIZE_BYTES = 64 * 1024**3
"""The most a file may grow to. It is address space, not disk: the file holds only what was written."""

DEFAULT_MAX_SNAPSHOTS = 1024
"""Snapshots and transactions open at once, over all processes: LMDB's reader slots, 64 bytes each."""

_FOREIGN = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError, lmdb.PageNotFoundError)


class DamagedFile(Unavailable, DecodeError):
    """The folder's data file is not LMDB's, is from another version of it, or has lost pages."""


class LmdbEngine:
    """The engine port on LMDB 0.9's file format.

    `commit` returns after fsync. A process opens a folder once (LMDB's file locks belong to the process);
    other processes may open it at the same time. `close` refuses new work at once and lets the file go when
    the last snapshot does, because pulling the map away from a thread that reads it would end the process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        map_size_bytes: int = DEFAULT_MAP_SIZE_BYTES,
        max_snapshots: int = DEFAULT_MAX_SNAPSHOTS,
    ) -> None:
        """Open the folder, making it if needed. Raises `DamagedFile` and `Unavailable`."""
        self._lock = threading.RLock()
        self._open_snapshots: set[int] = set()
        self._closed = False
        self._map_size_bytes = map_size_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._environment = lmdb.Environment(
                str(folder), map_size=map_size_bytes, max_readers=max_snapshots, mode=0o600
            )
        except (lmdb.Error, OSError) as error:
            if isinstance(error, _FOREIGN) or "data format" in str(error):
                raise DamagedFile(f"{folder} does not hold an engine's file: {error}") from error
            raise Unavailable(f"the engine's folder {folder} cannot be opened: {error}") from error
        try:
            _check_complete(self._environment, folder)
            # A killed process leaves its snapshots behind, and with them every page they can see.
            self._environment.reader_check()
        except lmdb.Error as error:
            self._environment.close()
            raise Unavailable(f"the engine's folder {folder} cannot be opened: {error}") from error
        except DamagedFile:
            self._environment.close()
            raise

    def snapshot(self) -> "LmdbSnapshot":
        return LmdbSnapshot(self, self._begin_reading())

    def begin(self) -> BufferedTransaction:
        reader = self._begin_reading()
        snapshot = LmdbSnapshot(self, reader)

        def commit(writes: dict[bytes, bytes | None], inserted: set[bytes], locked: set[bytes]) -> None:
            self._commit(reader, writes, inserted, locked)

        return BufferedTransaction(snapshot, commit)

    def changes(self) -> int | None:
        with self._lock:
            return None if self._closed else self._environment.info()["last_txnid"]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._close_when_unused()

    @property
    def closed(self) -> bool:
        """Whether `close` has been called; snapshots still open may only be closed."""
        return self._closed

    def _begin_reading(self) -> "lmdb.Transaction[bytes]":
        with self._lock:
            if self._closed:
                raise Unavailable("the engine is closed")
            try:
                try:
                    reader = self._environment.begin()
                except lmdb.ReadersFullError:
                    self._environment.reader_check()
                    reader = self._environment.begin()
            except lmdb.Error as error:
                raise Unavailable(f"the engine cannot open a snapshot: {error}") from error
            self._open_snapshots.add(id(reader))
            return reader

    def _end_reading(self, reader: "lmdb.Transaction[bytes]") -> None:
        """Called once for each reader, possibly by the garbage collector in the middle of anything here."""
        reader.abort()
        self._open_snapshots.discard(id(reader))
        if self._closed:
            with self._lock:
                self._close_when_unused()

    def _close_when_unused(self) -> None:
        if not self._open_snapshots:
            self._environment.close()

    def _commit(
        self,
        reader: "lmdb.Transaction[bytes]",
        writes: dict[bytes, bytes | None],
        inserted: set[bytes],
        locked: set[bytes],
    ) -> None:
        """Compare with the snapshot, then write: LMDB has one writer at a time, so nothing comes between."""
        if self._closed:
            raise Unavailable("the engine is closed")
        try:
            writer = self._environment.begin(write=True)
        except lmdb.Error as error:
            raise Unavailable(f"the engine cannot begin to write: {error}") from error
        try:
            # Consecutive numbers mean that no commit came between.
            if writer.id() != reader.id() + 1:
                check_unchanged(writes.keys() | locked, inserted, before=reader.get, now=writer.get)
            pairs = [(key, value) for key, value in writes.items() if value is not None]
            # In key order, which the tree takes best.
            pairs.sort()
            with writer.cursor() as cursor:
                cursor.putmulti(pairs)
            if len(pairs) < len(writes):
                for key, value in writes.items():
                    if value is None:
                        writer.delete(key)
        except lmdb.Error as error:
            writer.abort()
            raise self._nothing_written(error) from error
        except BaseException:
            writer.abort()
            raise
        if not writes:
            writer.abort()
            return
        try:
            writer.commit()
        except lmdb.MapFullError as error:
            raise self._nothing_written(error) from error
        except lmdb.Error as error:
            raise OutcomeUnknown(f"the disk failed during a commit: {error}") from error

    def _nothing_written(self, error: lmdb.Error) -> Unavailable:
        if isinstance(error, lmdb.MapFullError):
            return Unavailable(
                f"the engine's file has reached its limit of {self._map_size_bytes} bytes: "
                "open it with a larger map_size_bytes"
            )
        return Unavailable(f"the engine cannot write: {error}")


class LmdbSnapshot(ClosedAtExit):
    """The port's `Snapshot`: an LMDB read transaction, let go by `close` or by garbage collection."""

    def __init__(self, engine: LmdbEngine, reader: "lmdb.Transaction[bytes]") -> None:
        self._engine = engine
        self._reader = reader
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        try:
            return self._reader.get(key)
        except lmdb.BadValsizeError:
            return None
        except lmdb.Error as error:
            raise Unavailable(f"the engine cannot read: {error}") from error

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        self._check_open()
        wanted = [key for key in keys if 0 < len(key) <= MAX_KEY_BYTES]
        try:
            with self._reader.cursor() as cursor:
                return dict(cursor.getmulti(wanted))
        except lmdb.Error as error:
            raise Unavailable(f"the engine cannot read: {error}") from error

    def scan(
        self, start: bytes, end: bytes | None, *, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        if limit is not None and limit <= 0:
            return
        left = -1 if limit is None else limit
        try:
            with self._reader.cursor() as cursor:
                if reverse:
                    # At the first key past the range, or past the last key: one back is the first wanted.
                    past_end = end is not None and _seek(cursor, end)
                    found = cursor.prev() if past_end else cursor.last()
                    for key, value in cursor.iterprev() if found else ():
                        if key < start:
                            return
                        yield key, value
                        left -= 1
                        if not left:
                            return
                elif _seek(cursor, start):
                    for key, value in cursor.iternext():
                        if end is not None and key >= end:
                            return
                        yield key, value
                        left -= 1
                        if not left:
                            return
        except lmdb.Error as error:
            raise Unavailable(f"the engine cannot read: {error}") from error

    def close(self) -> None:
        if self._open:
            self._open = False
            self._engine._end_reading(self._reader)  # pyright: ignore[reportPrivateUsage] — one class in two parts

    def __del__(self) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("the snapshot is closed")
        if self._engine.closed:
            raise Unavailable("the engine is closed")


def _seek(cursor: "lmdb.Cursor[bytes]", key: bytes) -> bool:
    """Move to the first pair at or after `key`; LMDB has no order for the empty key."""
    return cursor.set_range(key) if key else cursor.first()


def _check_complete(environment: lmdb.Environment, folder: Path) -> None:
    """Refuse a file that has lost pages: reading one through the map would end the process with SIGBUS.

    A sound file may be shorter than its last page, where that page was freed before it was ever written; only
    then the whole file is walked, with writers kept out.
    """
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    data_file = folder / DATA_FILE
    if data_file.stat().st_size >= needed:
        return
    writer = environment.begin(write=True)
    try:
        problems = cast(list[str], lmdb.verify.verify(str(data_file)))  # pyright: ignore[reportUnknownMemberType]
    except lmdb.verify.VerifyError as error:
        problems = [str(error)]
    finally:
        writer.abort()
    if problems:
        raise DamagedFile(f"{data_file} is damaged: {problems[0]}")
