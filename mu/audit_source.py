"""What can be audited: a region's folder, a log file, or a cluster of TiKV."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from contract.errors import InvalidInput
from events.engine import Engine
from events.engine.lmdb import LmdbEngine
from events.log_file import READ_CHUNK_BYTES
from events.log_import import LogImport
from events.recorder import EngineProcessRecorder
from mu.log_location import TIKV_SCHEME, is_on_tikv, open_engine
from mu.region_folder import find_region_folder


@contextmanager
def open_source(text: str, field: str) -> Iterator[EngineProcessRecorder]:
    """The log that a person names: a folder, a file of `mu log export`, or `tikv://HOST:PORT[,HOST:PORT...]/PREFIX`.

    A file is read whole into a temporary engine, and checked on the way. Raises `InvalidInput`, `Unavailable`, and what
    a damaged file raises.
    """
    if is_on_tikv(text):
        with _closing(open_engine(text, field)) as recorder:
            yield _with_entries(recorder, text, field)
        return
    path = Path(text)
    if path.is_dir():
        with _closing(open_engine(find_region_folder(path, field).log_location, field)) as recorder:
            yield _with_entries(recorder, text, field)
        return
    if not path.is_file():
        raise InvalidInput(
            field, f"{text} is no folder of a region, no log file, and no {TIKV_SCHEME} address"
        )
    with _reading(path, field) as file:
        engine = _temporary_engine()
        with _closing(engine) as recorder:
            try:
                LogImport(engine, resume=False).run(iter(lambda: file.read(READ_CHUNK_BYTES), b""))
            except InvalidInput as error:
                # the temporary log is empty: only a file that begins later does not fit
                raise InvalidInput(field, f"{path} does not begin at the log's first entry") from error
            yield _with_entries(recorder, text, field)


def _temporary_engine() -> Engine:
    """An engine whose files have no name any more: they are gone with the process, however it ends."""
    with tempfile.TemporaryDirectory(prefix="mu-audit-") as folder:
        return LmdbEngine(Path(folder))


def _with_entries(recorder: EngineProcessRecorder, text: str, field: str) -> EngineProcessRecorder:
    """A log without entries agrees with everything, and is mostly a mistyped address."""
    if recorder.is_empty():
        raise InvalidInput(
            field, f"there are no entries at {text}; on TiKV it is {TIKV_SCHEME}HOST:PORT/PREFIX"
        )
    return recorder


@contextmanager
def _closing(engine: Engine) -> Iterator[EngineProcessRecorder]:
    try:
        yield EngineProcessRecorder(engine)
    finally:
        engine.close()


def _reading(path: Path, field: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(field, f"{path} cannot be read ({error.strerror})") from error
