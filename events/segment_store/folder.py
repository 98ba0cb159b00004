"""Segments as files in a folder.

What is being written is in a file of its own, which its writer holds locked (flock(2)), and gets its name when it is
whole. So what a killed writer left is told from what is being written, and the next writer removes it.
"""

import fcntl
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from contract.errors import InvalidInput
from events.segment_store import SegmentUnavailable, check_name

PART_SUFFIX = ".part"


class FolderStore:
    """The port on a folder, which is made by the first `put`. Its location is its absolute path."""

    block_bytes = 4 * 1024

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @classmethod
    def open(cls, location: str, field: str) -> "FolderStore":
        """Raises `InvalidInput` where a path cannot be a folder's."""
        try:
            if location and not Path(location).is_file():
                return cls(Path(location))
        except (OSError, ValueError, RuntimeError):
            raise InvalidInput(field, f"{location!r} can be no folder: name another") from None
        raise InvalidInput(field, f"{location!r} is no folder: name one, or s3://BUCKET/PREFIX")

    @property
    def location(self) -> str:
        return str(self._folder)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        path = self._path(name)
        with _naming(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            _remove_left(self._folder)
            part, file = _new_part(path)
        # until it has its name it stays locked
        with file:
            try:
                for piece in pieces:
                    with _naming(part):
                        file.write(piece)
                with _naming(part):
                    file.flush()
                    os.fsync(file.fileno())
                with _naming(path):
                    part.rename(path)
            except BaseException:
                with _naming(part):
                    part.unlink()
                raise
        with _naming(path):
            _sync_folder(self._folder)

    def size_bytes(self, name: str) -> int:
        path = self._path(name)
        with _naming(path):
            return path.stat().st_size

    def read(self, name: str, start: int, count: int) -> bytes:
        path = self._path(name)
        with _naming(path), path.open("rb") as file:
            file.seek(start)
            return file.read(count)

    def _path(self, name: str) -> Path:
        return self._folder / check_name(name)


def _new_part(path: Path) -> tuple[Path, BinaryIO]:
    """A file of one's own: two that put the same name at the same time must not write into each other's."""
    for number in count():
        part = path.with_name(f"{path.name}.{number}{PART_SUFFIX}")
        try:
            file = part.open("xb")
        except FileExistsError:
            continue
        if _locks(file, part):
            return part, file
        # another took it for one that was left, before it was locked
        file.close()
    raise AssertionError


def _remove_left(folder: Path) -> None:
    """Remove what killed writers left; another may do so at the same time."""
    for part in folder.glob(f"*{PART_SUFFIX}"):
        with suppress(FileNotFoundError), part.open("rb") as file:
            if _locks(file, part):
                part.unlink()


def _locks(file: BinaryIO, path: Path) -> bool:
    """Lock an open file, unless another has; whether that was done while it had this path."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


@contextmanager
def _naming(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise SegmentUnavailable(f"{path}: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """A renamed file is there after a power failure only when its folder was written too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
