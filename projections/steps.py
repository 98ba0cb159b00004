"""Work on projections that waits for the engine now and then: the state changes only in the caller, the jobs that read
and write the engine can be done elsewhere, so that a slow store does not hold up a trio run.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import trio

T = TypeVar("T")

Steps = Generator[Callable[[], Any], Any, T]
"""Yields jobs, and is sent what each of them returned. A job changes nothing that others see."""


def take(steps: Steps[T]) -> T:
    """Do each job here. What a job raises ends the work."""
    result = None
    while True:
        try:
            job = steps.send(result)
        except StopIteration as end:
            return end.value
        result = job()


async def take_beside(steps: Steps[T]) -> T:
    """Do each job in a thread, the rest here. A cancellation waits until what follows from a job is done."""
    result = None
    while True:
        try:
            job = steps.send(result)
        except StopIteration as end:
            return end.value
        result = await trio.to_thread.run_sync(job)
