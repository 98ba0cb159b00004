"""What every snapshot shares: as a context manager, it is closed at the end."""

from types import TracebackType
from typing import Self


class ClosedAtExit:
    """Base of what has `close` and is used in a `with` statement."""

    def close(self) -> None:
        """Let it go. Closing twice is harmless."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
