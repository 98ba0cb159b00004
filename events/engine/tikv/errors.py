"""What a failure of `tikv-client` means: it raises plain exceptions, which only their text tells apart."""

import re
from enum import Enum, auto

MAX_ERROR_TEXT_CHARACTERS = 300
_SOURCE_LINE = re.compile(r"\[[^\]\s]+\.rs:\d+\]: ")
"""Where in the library's source it arose: of no use to whoever reads the message."""


_GRPC_STATUS = re.compile(r'status: (\w+), message: "(.*?)", details: \[\], metadata: .*', re.DOTALL)
"""How the library prints a gRPC status; the details and the metadata are empty in all that was ever seen."""


class Failure(Enum):
    """What went wrong, as far as it makes a difference."""

    CONFLICT = auto()
    """Another transaction committed first. Raised before the commit point: nothing was written."""
    LOCKED = auto()
    """A lock has outlasted the library's patience. Raised before the commit point: nothing was written."""
    RESPONSE_TOO_LARGE = auto()
    """A response of more than 4 MiB: it will fail again, so ask for less."""
    STALE = auto()
    """The client knows a region without its leader, as a restarted placement driver gives it, and keeps to that."""
    OTHER = auto()
    """Not reached, not answered, or not understood. Raised by a commit, it leaves the outcome open."""


_FAILURE_OF_TEXT = (
    ("conflict: Some(WriteConflict", Failure.CONFLICT),
    ("Failed to resolve lock", Failure.LOCKED),
    ("Leader of region", Failure.STALE),
    ("message length too large", Failure.RESPONSE_TOO_LARGE),
)


def failure(error: Exception) -> Failure:
    """What `error` means; whatever the table does not name is `OTHER`, for which nothing is taken as given."""
    text = str(error)
    return next((meaning for part, meaning in _FAILURE_OF_TEXT if part in text), Failure.OTHER)


def describe(error: BaseException) -> str:
    """The error's text without the library's source lines and a gRPC status's frame, cut where it prints whole keys and
    messages into it.
    """
    text = _SOURCE_LINE.sub("", str(error)) or type(error).__name__
    text = _GRPC_STATUS.sub(r"\1, \2", text)
    return text if len(text) <= MAX_ERROR_TEXT_CHARACTERS else text[:MAX_ERROR_TEXT_CHARACTERS] + "…"
