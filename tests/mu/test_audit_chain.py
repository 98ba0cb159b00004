from collections.abc import Sequence
from typing import Any

import pytest
import trio
from solders.pubkey import Pubkey
from trio.testing import MockClock

from events.chain.reader import ChainUnavailable
from mu.audit_accounts import AccountsAudit
from mu.audit_chain import MAX_ATTEMPTS, ChainComparison
from mu.marketplace import Marketplace, MemoryFilter


class Busy(Marketplace):
    """Refuses so many questions, and asks to be left alone for a while."""

    def __init__(self, refusals: int, retry_after_seconds: float | None = None) -> None:
        self._refusals = refusals
        self._retry_after_seconds = retry_after_seconds
        self.asked: list[float] = []

    async def accounts(
        self, kind: type[Any], filters: Sequence[MemoryFilter] = ()
    ) -> list[tuple[Pubkey, Any]]:
        self.asked.append(trio.current_time())
        if len(self.asked) <= self._refusals:
            raise ChainUnavailable("busy", retry_after_seconds=self._retry_after_seconds)
        return []


@pytest.mark.parametrize(
    ("retry_after_seconds", "expected"),
    [(None, [0, 1, 3, 7, 15, 31]), (5.0, [0, 5, 10, 15, 23, 39]), (600.0, [0, 60, 120, 180, 240, 300])],
)
async def test_a_busy_node_is_asked_again(
    autojump_clock: MockClock, retry_after_seconds: float | None, expected: list[float]
):
    busy = Busy(MAX_ATTEMPTS - 1, retry_after_seconds)
    await ChainComparison(busy).accounts(AccountsAudit())
    assert busy.asked == expected


async def test_a_node_that_is_busy_for_long_is_an_outage(autojump_clock: MockClock):
    busy = Busy(MAX_ATTEMPTS)
    with pytest.raises(ChainUnavailable):
        await ChainComparison(busy).accounts(AccountsAudit())
    assert len(busy.asked) == MAX_ATTEMPTS
