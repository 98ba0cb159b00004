"""Replays of logs, and a chain to compare them with, for the tests of audits."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from contract.accounts import Provider, Region, decode_account
from contract.errors import DecodeError
from events.catalogue import (
    Event,
    NodeSource,
    Source,
    UsageReported,
)
from events.engine import Engine
from events.log import Entry
from events.recorder import EngineProcessRecorder
from mu.audit import Replay, Report
from mu.audit_accounts import AccountsAudit
from mu.marketplace import Marketplace, MemoryFilter, TransactionStatus
from tests.entries import open_log
from tests.mu.audited import LoggedWorld

NODE = NodeSource("node", 1)


def replayed(engine: Engine) -> Report:
    replay = Replay(EngineProcessRecorder(engine))
    replay.run()
    return replay.report()


def rebuilt(engine: Engine) -> AccountsAudit:
    audit = AccountsAudit()
    log = open_log(engine)
    for entry in log.replay():
        audit.add(entry)
    audit.finish(lambda position: log.read(position, 1)[0].hash)
    return audit


def report_changed(**fields: object) -> Callable[[Entry], tuple[Source, Event]]:
    def change(entry: Entry) -> tuple[Source, Event]:
        if isinstance(entry.event, UsageReported) and entry.event.first_position == 6:
            return entry.source, msgspec.structs.replace(entry.event, **fields)
        return entry.source, entry.event

    return change


class ClusterMarketplace(Marketplace):
    """Reads the accounts of a cluster in process."""

    def __init__(
        self, world: LoggedWorld, changed: Mapping[str, TransactionStatus | None] | None = None
    ) -> None:
        self._world = world
        self.changed = changed or {}
        self.asked: list[str] = []

    async def account(self, address: Pubkey, kind: type[Any]) -> Any:
        cluster = self._world.cluster
        return cluster.account(address) if cluster.exists(address) else None

    async def statuses(self, signatures: Sequence[Signature]) -> list[TransactionStatus | None]:
        self.asked = [str(signature) for signature in signatures]
        return [
            self.changed.get(
                str(signature), TransactionStatus(int.from_bytes(bytes(signature), "big"), failed=False)
            )
            for signature in signatures
        ]

    async def accounts(
        self, kind: type[Any], filters: Sequence[MemoryFilter] = ()
    ) -> list[tuple[Pubkey, Any]]:
        assert kind is Region
        world = self._world
        addresses = (world.region, world.empty_region, world.other_region)
        return [(address, world.cluster.account(address)) for address in addresses]


async def compared(
    audited: LoggedWorld, engine: Engine, changed: Mapping[str, TransactionStatus | None] | None = None
) -> Report:
    replay = Replay(EngineProcessRecorder(engine))
    replay.run()
    await replay.compare(ClusterMarketplace(audited, changed))
    return replay.report()


def with_one_more_region(data: bytes) -> bytes:
    """The account of a provider, altered where it counts its regions."""
    provider = decode_account(data)
    assert isinstance(provider, Provider)
    more = msgspec.structs.replace(provider, region_count=provider.region_count + 1)
    for place, byte in enumerate(data):
        changed = data[:place] + bytes([(byte + 1) % 256]) + data[place + 1 :]
        with suppress(DecodeError):
            if decode_account(changed) == more:
                return changed
    raise AssertionError
