"""A log file that a person names: read in pieces, and named in what is wrong with it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

from contract.errors import InvalidInput, MuError
from events.log_file import READ_CHUNK_BYTES, InvalidLogFile, LogFileDecoder
from events.log_import import InvalidEntry

STANDARD_STREAM: Final = "-"


class DamagedLogFile(MuError):
    """A log file that was cut short, altered or damaged after its header."""


def open_pieces(file: str) -> Iterator[bytes]:
    """The pieces of `file` (- is the standard input), once its header has been read and checked.

    Raises `InvalidInput` where it cannot be read or does not begin as a log file does.
    """
    pieces, decoder, taken = _pieces(file), LogFileDecoder(), list[bytes]()
    try:
        while decoder.next_item() is None:
            piece = next(pieces, None)
            if piece is None:
                decoder.finish()
                break
            taken.append(piece)
            decoder.feed(piece)
    except InvalidLogFile as error:
        raise InvalidInput(_name(file), str(error)) from error
    return chain(taken, pieces)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """What is wrong inside of `file` is raised as `DamagedLogFile`, which names it."""
    try:
        yield
    except (InvalidLogFile, InvalidEntry) as error:
        raise DamagedLogFile(f"{_name(file)}: {error}") from error


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_STREAM else file


def _pieces(file: str) -> Iterator[bytes]:
    if file == STANDARD_STREAM:
        yield from _chunks(sys.stdin.buffer)
        return
    try:
        with Path(file).open("rb") as stream:
            yield from _chunks(stream)
    except OSError as error:
        raise InvalidInput(file, f"cannot be read ({error.strerror})") from error


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while data := stream.read(READ_CHUNK_BYTES):
        yield data
