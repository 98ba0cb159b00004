"""What can be audited: a region's folder, a log file, or a cluster of TiKV."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from contract.errors import InvalidInput
from events.engine import Engine
from events.engine.lmdb import LmdbEngine
from events.export import READ_CHUNK_BYTES
from events.log_import import LogImport
from events.recorder import EngineProcessRecorder
from mu.region_folder import find_region_folder

TIKV_SCHEME = "tikv://"


@contextmanager
def open_source(text: str, field: str) -> Iterator[EngineProcessRecorder]:
    """The log that a person names: a folder, a file of `mu log export`, or `tikv://HOST:PORT[,HOST:PORT...][/PREFIX]`.

    A file is read whole into a temporary folder, and checked on the way. Raises `InvalidInput`, `Unavailable`, and what
    a damaged file raises.
    """
    if text.startswith(TIKV_SCHEME):
        with _closing(_open_tikv(text.removeprefix(TIKV_SCHEME), field)) as recorder:
            yield recorder
        return
    path = Path(text)
    if path.is_dir():
        with _closing(LmdbEngine(find_region_folder(path).log)) as recorder:
            yield recorder
        return
    if not path.is_file():
        raise InvalidInput(
            field, f"{text} is no folder of a region, no log file, and no {TIKV_SCHEME} address"
        )
    with _reading(path, field) as file, tempfile.TemporaryDirectory(prefix="mu-audit-") as folder:
        engine = LmdbEngine(Path(folder))
        with _closing(engine) as recorder:
            try:
                LogImport(engine, resume=False).run(iter(lambda: file.read(READ_CHUNK_BYTES), b""))
            except InvalidInput as error:
                # the temporary log is empty: only a file that begins later does not fit
                raise InvalidInput(field, f"{path} does not begin at the log's first entry") from error
            yield recorder


@contextmanager
def _closing(engine: Engine) -> Iterator[EngineProcessRecorder]:
    try:
        yield EngineProcessRecorder(engine)
    finally:
        engine.close()


def _open_tikv(text: str, field: str) -> Engine:
    addresses, _, prefix = text.partition("/")
    if not all(address.rpartition(":")[2].isdecimal() for address in addresses.split(",")):
        raise InvalidInput(field, f"{TIKV_SCHEME} is followed by HOST:PORT, not by {addresses}")
    try:
        # not everybody who audits has TiKV's client
        from events.engine.tikv import TikvEngine
    except ImportError as error:
        raise InvalidInput(field, f"TiKV needs its client: {error}") from error
    return TikvEngine.open(addresses.split(","), prefix.encode())


def _reading(path: Path, field: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(field, f"{path} cannot be read ({error.strerror})") from error
