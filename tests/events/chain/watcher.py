"""Who knows a scope of a recorded cluster up to a moment, and reads what has come since."""

from collections.abc import Sequence

from solders.pubkey import Pubkey

from contract.accounts import Scope
from events.catalogue import ChainEvent, Finality
from events.chain.backfill import Backfill
from events.chain.recovery import Found
from events.chain.standing import BEGINNING, cursor_at
from tests.contract.world import World
from tests.events.chain.crowded import ClusterNode, RecordingCluster


def cluster_of(world: World) -> RecordingCluster:
    assert isinstance(world.cluster, RecordingCluster)
    return world.cluster


class Watcher:
    """Knows a scope up to now. `recalls` tells whether it has the scope's events in a log, or its hash alone."""

    def __init__(self, world: World, scope: Pubkey, *, recalls: bool = True) -> None:
        self.cluster = cluster_of(world)
        self.node = ClusterNode(self.cluster)
        self.scope = scope
        found = self.cluster.found(scope)
        self.known: list[ChainEvent] = [event for _, event in found]
        self.log: Sequence[Found] = found if recalls else []
        self.cursor = cursor_at(*found[-1]) if found else BEGINNING

    async def _recall(self) -> Sequence[Found]:
        return self.log

    async def news(self) -> list[ChainEvent]:
        """The events since, all of them; `found` are those that came before what raises `Gap`."""
        account = self.cluster.account(self.scope)
        assert isinstance(account, Scope)
        backfill = Backfill(self.node, str(self.scope), Finality.CONFIRMED, self._recall)
        self.found: list[ChainEvent] = []
        async for batch in backfill.events(self.cursor, account):
            self.found += [event for _, event in batch if isinstance(event, ChainEvent)]
        return self.found

    async def check(self) -> list[ChainEvent]:
        """What it finds is the truth."""
        found = await self.news()
        assert self.known + found == self.cluster.truth(self.scope)
        return found
