"""An asyncio loop on a thread of its own, on which callers in any other thread run coroutines and wait for them."""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from events.engine import Unavailable

_Result = TypeVar("_Result")
_Loop = TypeVar("_Loop", bound=asyncio.AbstractEventLoop)
END_SECONDS = 2.0
_END_PAUSE_SECONDS = 0.001


class AsyncioThread:
    """For a library that needs asyncio; begins with the first coroutine, ends with the process.

    `name` is the library's, for a person. At the process's end all that still runs is cancelled, and within
    `END_SECONDS` the loop goes on until that has ended and `in_use` says that the library needs it no more.
    """

    def __init__(
        self,
        name: str,
        *,
        new_loop: Callable[[], _Loop] = asyncio.SelectorEventLoop,
        in_use: Callable[[_Loop], bool] = lambda loop: False,
    ) -> None:
        self._name = name
        self._start_lock = threading.Lock()
        self._start: Callable[[], _Running] = lambda: _Running(name, new_loop, in_use)
        self._running: _Running | None = None

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run `coroutine` on the loop and wait for it, from any thread but the loop's own.

        The coroutine must end by itself: an interrupted caller leaves it to its own deadline.
        Raises `Unavailable` in a process that is ending, and in one that was forked off one with a loop: the thread
        is not there. A coroutine that the process's end interrupts raises `concurrent.futures.CancelledError`.
        """
        try:
            loop = self._started().loop
        except Unavailable:
            coroutine.close()
            raise
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    def _started(self) -> "_Running":
        with self._start_lock:
            if self._running is None:
                self._running = self._start()
            if self._running.process_id != os.getpid():
                raise Unavailable(f"this process was forked off one that uses {self._name}: spawn it instead")
            if self._running.ending:
                raise Unavailable("this process is ending")
            return self._running


class _Running:
    def __init__(self, name: str, new_loop: Callable[[], _Loop], in_use: Callable[[_Loop], bool]) -> None:
        self.process_id = os.getpid()
        loop = new_loop()
        self.loop: asyncio.AbstractEventLoop = loop
        self.ending = False
        self._in_use = lambda: in_use(loop)
        self._thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _end(self) -> None:
        if self.process_id != os.getpid():
            return
        self.ending = True
        self.loop.call_soon_threadsafe(self._cancel)
        self._thread.join(END_SECONDS + 1.0)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self._settle(self.loop.time() + END_SECONDS)

    def _settle(self, deadline: float) -> None:
        unsettled = asyncio.all_tasks(self.loop) or self._in_use()
        if unsettled and self.loop.time() < deadline:
            self.loop.call_later(_END_PAUSE_SECONDS, self._settle, deadline)
        else:
            self.loop.stop()
