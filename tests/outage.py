"""An engine that can be away, as a cluster is when the network or the store fails."""

from events.engine import Snapshot, Unavailable
from events.engine.memory import MemoryEngine


class Outage(MemoryEngine):
    """A `MemoryEngine` that answers nothing while `down`, or once it has been asked `answers` times."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.answers: int | None = None
        self.refused = 0

    def snapshot(self) -> Snapshot:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.answers is not None:
            self.down, self.answers = self.answers == 0, max(0, self.answers - 1)
        if self.down:
            self.refused += 1
            raise Unavailable("the engine is away")
        return super().snapshot()

    def come_back(self) -> None:
        """Answer again."""
        self.down, self.answers = False, None
