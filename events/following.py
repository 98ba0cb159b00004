"""When a follower of a log looks for more: at once when it is told of an append, and by and by in any case."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import trio

FIRST_LOOK_SECONDS = 0.01
LOOK_SHARE = 0.2
"""How often a follower looks for appends that nobody tells it of: some time after such a one, the next pause is this
share of that time, so that what comes is late by as much at most.
"""

LONGEST_CHEAP_LOOK_SECONDS = 0.025
"""The longest pause where looking needs no reading."""

FALSE_HINT_SECONDS = 0.05
"""After a hint that was not true a follower takes no other for so long: a liar costs it 20 looks a second."""


class Listener:
    """What one task has been told, until it takes that away: the newest position of an append in this process, and the
    newest one hinted at. For the task's trio run only.
    """

    def __init__(self, appended: int) -> None:
        self.appended = appended
        self.hinted = 0
        self._told = trio.Event()

    def tell(self, appended: int, hinted: int) -> None:
        """Take note, and wake the task if that is new."""
        if appended > self.appended or hinted > self.hinted:
            self.appended, self.hinted = max(self.appended, appended), max(self.hinted, hinted)
            self._told.set()
            self._told = trio.Event()

    async def wait(self) -> None:
        """Wait until anything new is told."""
        await self._told.wait()


class News:
    """What is said of where a log has come to: by appends of this process, which is true, and by peers, which may not
    be. Told in any thread, heard in any trio run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tellers: set[Callable[[int, int], None]] = set()
        self._appended = 0

    def tell_append(self, position: int) -> None:
        """This process has appended up to `position`."""
        with self._lock:
            self._appended = max(self._appended, position)
        for tell in tuple(self._tellers):
            tell(position, 0)

    def tell_hint(self, position: int) -> None:
        """A peer says that the log has come to `position`."""
        for tell in tuple(self._tellers):
            tell(0, position)

    @contextmanager
    def listening(self) -> Generator[Listener]:
        """A listener of the current trio task; it knows of the appends that were before it."""
        token = trio.lowlevel.current_trio_token()
        listener = Listener(0)

        def tell(appended: int, hinted: int) -> None:
            # it is told in any thread, and that may be when the trio run that listens is over
            try:
                token.run_sync_soon(listener.tell, appended, hinted)
            except trio.RunFinishedError:
                self._tellers.discard(tell)

        self._tellers.add(tell)
        listener.appended = self._appended
        try:
            yield listener
        finally:
            self._tellers.discard(tell)


class Looks:
    """When one follower looks at the log. `poll_seconds` is the longest that it goes without."""

    def __init__(self, listener: Listener, poll_seconds: float) -> None:
        self._listener = listener
        self._poll_seconds = poll_seconds
        self._told_of = 0
        self._untold_at = self._hints_from = trio.current_time()

    def begin(self, start: int) -> bool:
        """A look at what is from position `start` on begins; whether the follower was told that there is something."""
        self._told_of = max(self._told_of, self._listener.appended, self._listener.hinted)
        self._listener.appended = self._listener.hinted = 0
        return self._told_of >= start

    def found(self, start: int) -> None:
        """That look has found entries. Where nobody told of them, more may come so: the follower looks often."""
        if self._told_of < start:
            self._untold_at = trio.current_time()

    async def wait(self, start: int, changed: Callable[[], bool] | None) -> None:
        """That look has found nothing: wait until it is time for the next one.

        `changed` says, without reading, whether there was any commit since the look began; None where nothing can.
        """
        now = trio.current_time()
        if self._told_of >= start:
            self._told_of, self._hints_from = 0, now + FALSE_HINT_SECONDS
        longest_seconds = self._poll_seconds if changed is None else LONGEST_CHEAP_LOOK_SECONDS
        poll_at = now + self._poll_seconds
        look_at = now + pause_seconds(now - self._untold_at, longest_seconds)
        while now < poll_at and not self._is_told(start, now):
            if now >= look_at:
                if changed is None or changed():
                    return
                look_at = now + pause_seconds(now - self._untold_at, longest_seconds)
            until = min(poll_at, look_at)
            if self._listener.hinted >= start:
                until = min(until, self._hints_from)
            with trio.move_on_at(until):
                await self._listener.wait()
            now = trio.current_time()

    def _is_told(self, start: int, now: float) -> bool:
        return self._listener.appended >= start or (
            self._listener.hinted >= start and now >= self._hints_from
        )


def pause_seconds(quiet_seconds: float, longest_seconds: float) -> float:
    """How long a follower waits for its next look when for so long nothing has come that it was not told of."""
    return min(FIRST_LOOK_SECONDS + LOOK_SHARE * quiet_seconds, longest_seconds)
