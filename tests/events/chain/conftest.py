"""What tests on a clock that jumps need."""

from collections.abc import Callable
from typing import TypeVar

import pytest
import trio

T = TypeVar("T")


@pytest.fixture
def threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work for threads is done at once: the jumping clock takes a run that waits for a thread to be idle."""

    async def run_sync(work: Callable[..., T], *arguments: object) -> T:
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
