"""Audits of a log in which everything agrees, and of what others made of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey
from solders.signature import Signature

from contract.accounts import Provider, Region, Stack, UsageReport, decode_account
from contract.addresses import state_address
from contract.errors import DecodeError
from contract.terms import Prices
from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    NodeSource,
    RegionUpdated,
    Retracted,
    Source,
    StackDeployed,
    UsageReported,
)
from events.engine import Engine
from events.engine.memory import MemoryEngine
from events.log import Entry
from events.recorder import EngineProcessRecorder
from mu.audit import Replay, Report, part
from mu.audit_accounts import AccountsAudit, ChainEntry, HashAt
from mu.audit_transactions import TransactionsCompared
from mu.marketplace import Marketplace, MemoryFilter, TransactionStatus
from projections.runner import PROJECTIONS
from tests.contract.world import TERMS
from tests.entries import append_all, events, joined, open_log
from tests.events.make_fixtures import path as fixture
from tests.mu.audited import LoggedWorld, altered, append, signature, world

NODE = NodeSource("node", 1)


@pytest.fixture(scope="module")
def audited() -> LoggedWorld:
    return world()


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


def test_a_whole_log_agrees_and_its_accounts_are_the_chains(audited: LoggedWorld):
    report = replayed(audited.engine)
    assert report.disagreements == ()
    assert report.position == audited.log.head().position
    assert [one.name for one in report.checksums] == [kind.name for kind in PROJECTIONS]
    assert (report.charges, report.unknown_commissions) == (len(audited.reports()), 0)
    audit = rebuilt(audited.engine)
    assert len(audit.accounts) == sum(report.accounts.values()) > 15
    for address, account in audit.accounts.items():
        assert account == audited.cluster.account(address)


def test_events_of_one_slot_need_no_order_between_scopes():
    audited = world(events_per_slot=1000)
    # in the Marketplace's scope, whose events come before the region's below or after them
    audited.do(*audited.calls()["update_commission"]())
    engine = MemoryEngine()
    log = open_log(engine)
    entries = list(audited.log.replay())
    # a follower for each scope: all of one scope's events come together
    for scope in sorted({entry.stream for entry in entries}, key=str(state_address()[0]).__ne__):
        for entry in entries:
            if entry.stream == scope:
                append(log, scope, (entry.source, entry.event))
    audit = rebuilt(engine)
    assert {one.problem.split(" position")[0] for one in audit.disagreements} <= {
        "the report is of another log: it differs at",
        "the report goes up to",
    }
    assert all(account == audited.cluster.account(address) for address, account in audit.accounts.items())
    assert len(audit.accounts) == len(rebuilt(audited.engine).accounts)


def test_a_log_of_a_region_alone_gives_the_accounts_of_the_region(audited: LoggedWorld):
    region = str(audited.region)

    def only_region(entry: Entry) -> tuple[Source, Event] | None:
        if isinstance(entry.event, ChainEvent) and entry.event.scope == region:
            return entry.source, entry.event
        return NODE, joined(0)

    engine = altered(audited.log, only_region)
    audit = rebuilt(engine)
    assert set(audit.scopes) == {audited.region}
    assert {type(account) for account in audit.accounts.values()} > {Region, Stack, UsageReport}
    assert all(account == audited.cluster.account(address) for address, account in audit.accounts.items())
    # the digests are of the log with all scopes
    assert all("is of another log" in one.problem for one in audit.disagreements)
    count = len(audited.reports())
    assert (audit.charges, audit.unknown_commissions, len(audit.disagreements)) == (count, count, count)


def report_changed(**fields: object) -> Callable[[Entry], tuple[Source, Event]]:
    def change(entry: Entry) -> tuple[Source, Event]:
        if isinstance(entry.event, UsageReported) and entry.event.first_position == 6:
            return entry.source, msgspec.structs.replace(entry.event, **fields)
        return entry.source, entry.event

    return change


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"cost": 3_737_001}, "the cost is 3737001, but the usage at the region's prices comes to 3737000"),
        ({"charge": 3_736_999}, "the charge is 3736999"),
        ({"commission": 112_111}, "the commission is 112111, but should be 112110"),
        ({"shortfall": 1}, "the shortfall is 1, but should be 0"),
        ({"balance": 1}, "had 46263000, not 3737001"),
        ({"digest": bytes(32)}, "the report is of another log: it differs at position 9"),
        ({"first_position": 7}, "the report begins at position 7, but the last one ended at 5"),
        ({"last_position": 900}, "the report goes up to position 900, which comes after it"),
        ({"stack": "nothing"}, "UsageReported, event"),
        ({"scope": "nothing"}, "nothing is no address"),
        ({"signer": "nothing"}, "UsageReported, event"),
    ],
)
def test_each_wrong_charge_is_named_with_its_position(
    audited: LoggedWorld, fields: dict[str, object], problem: str
):
    [position] = [
        entry.position
        for entry in audited.log.replay()
        if isinstance(entry.event, UsageReported) and entry.event.first_position == 6
    ]
    found = replayed(altered(audited.log, report_changed(**fields))).disagreements
    assert any(one.position == position and problem in one.problem for one in found), found


def test_prices_are_those_in_force_when_the_report_was_made(audited: LoggedWorld):
    """Announced terms count from their day on; the report before that, at the old prices."""
    [at] = [report.reported_at for report in audited.reports() if report.first_position == 6]
    updated = next(e.event for e in audited.log.replay() if isinstance(e.event, RegionUpdated))
    cheap = msgspec.structs.replace(updated.terms, prices=Prices(gateway_gigabyte=1))
    for next_from, right in ((at + 1, True), (at, False)):
        engine = MemoryEngine()
        log = open_log(engine)
        for entry in audited.log.replay():
            if isinstance(entry.event, UsageReported) and entry.event.first_position == 6:
                report = entry.event
                announced = msgspec.structs.replace(
                    updated,
                    sequence=report.sequence,
                    previous_hash=report.previous_hash,
                    event_hash=bytes([7] * 32),
                    terms=TERMS,
                    next_from=next_from,
                    next_terms=cheap,
                )
                append(log, entry.stream, (entry.source, announced))
                later = msgspec.structs.replace(
                    report, sequence=report.sequence + 1, previous_hash=announced.event_hash
                )
                append(log, entry.stream, (entry.source, later))
                break
            append(log, entry.stream, (entry.source, entry.event))
        problems = [one.problem for one in rebuilt(engine).disagreements if "the cost is" in one.problem]
        assert (problems == []) is right


def test_a_missing_event_breaks_its_scope_alone(audited: LoggedWorld):
    def without(entry: Entry) -> tuple[Source, Event] | None:
        gone = entry.stream == str(audited.region) and getattr(entry.event, "sequence", 0) == 2
        return None if gone else (entry.source, entry.event)

    audit = rebuilt(altered(audited.log, without))
    assert audited.region not in audit.scopes
    assert audited.other_region in audit.scopes
    assert audit.disagreements


def test_what_died_with_a_fork_counts_for_nothing(audited: LoggedWorld):
    engine = altered(audited.log, lambda entry: (entry.source, entry.event))
    log = open_log(engine)
    last = log.read(log.head().position, 1)[0]
    assert isinstance(last.event, ChainEvent)
    dead = msgspec.structs.replace(last.event, sequence=last.event.sequence + 1)
    append(log, last.stream, (ChainSource(10_000, "dead", 0, Finality.CONFIRMED), dead))
    assert rebuilt(engine).disagreements
    retracted = Retracted(
        scope=dead.scope,
        first_sequence=dead.sequence,
        last_sequence=dead.sequence,
        positions=(last.position + 1,),
    )
    append(log, last.stream, (NODE, retracted))
    assert rebuilt(engine).disagreements == []


def test_an_event_that_landed_in_an_earlier_slot_after_its_fork_died_is_in_its_place(audited: LoggedWorld):
    """The log keeps the slot in which it was seen first."""
    entries = [entry for entry in audited.log.replay() if entry.stream == str(audited.region)]
    seen, following = entries[3], entries[4]
    assert isinstance(following.source, ChainSource)
    later = following.source.slot + 1

    def moved(entry: Entry) -> tuple[Source, Event]:
        source = entry.source
        if entry.position == seen.position and isinstance(source, ChainSource):
            source = msgspec.structs.replace(source, slot=later, finality=Finality.CONFIRMED)
        return source, entry.event

    audit = rebuilt(altered(audited.log, moved))
    assert not any("next event" in one.problem or "balance" in one.problem for one in audit.disagreements)
    assert audited.region in audit.scopes


def test_many_misfits_in_one_slot_take_no_square_of_the_time(audited: LoggedWorld):
    attempts = 0

    class Counting(AccountsAudit):
        def _fits(self, entry: ChainEntry, hash_at: HashAt) -> bool:
            nonlocal attempts
            attempts += 1
            return super()._fits(entry, hash_at)

    audit = Counting()
    last = next(entry for entry in audited.log.replay() if isinstance(entry.event, StackDeployed))
    for number in range(1, 201):
        event = msgspec.structs.replace(last.event, scope=str(Pubkey([number] * 32)), sequence=9)
        audit.add(msgspec.structs.replace(last, position=number, event=event))
    audit.finish(lambda position: None)
    assert len(audit.disagreements) == 200
    assert attempts <= 3 * 200


async def test_events_of_an_earlier_program_are_none_of_the_chains():
    """Their hashes cannot be checked: who alters an event could call it one of those."""
    audited = world()
    state = fixture("RegionCreated", 1).read_bytes()
    plain = msgspec.msgpack.decode(state)
    plain["event"] |= {"scope": "another", "sequence": 1, "previous_hash": bytes(32)}
    stored = StoredEvent("another", 1, "RegionCreated", msgspec.msgpack.encode(plain))
    engine = altered(audited.log, lambda entry: (entry.source, entry.event))
    EngineProcessRecorder(engine).insert_events([stored])
    assert replayed(engine).verified.disagreements == ()
    found = (await compared(audited, engine)).disagreements
    assert any(
        "the events of another are not in a form that the chain's program logs" in one.problem
        for one in found
    )


def test_a_chain_event_that_a_node_claims_is_named(audited: LoggedWorld):
    engine = altered(audited.log, lambda entry: (NODE, entry.event))
    assert replayed(engine).disagreements[0].position == 1


@given(st.lists(events, max_size=15))
@settings(max_examples=50)
def test_any_log_can_be_replayed(happened: list[Event]):
    engine = MemoryEngine()
    append_all(open_log(engine), happened)
    report = replayed(engine)
    assert report.position == len(happened)
    assert all(1 <= one.position <= max(1, len(happened)) for one in report.disagreements)


def test_logs_part_at_the_first_entry_that_differs():
    one, other, longer = MemoryEngine(), MemoryEngine(), MemoryEngine()
    append_all(open_log(one), [joined(0)] * 700)
    append_all(open_log(other), [joined(0)] * 600 + [joined(1)] * 100)
    append_all(open_log(longer), [joined(0)] * 701)
    recorders = [EngineProcessRecorder(engine) for engine in (one, other, longer)]
    assert part(recorders[0], recorders[0]) is None
    parting = part(recorders[0], recorders[1])
    assert parting is not None
    assert parting.position == 601
    ended = part(recorders[0], recorders[2])
    assert ended is not None
    assert (ended.position, ended.first, ended.second is None) == (701, None, False)


def test_an_altered_record_parts_though_later_hashes_are_the_same():
    one, other = MemoryEngine(), MemoryEngine()
    for engine in (one, other):
        append_all(open_log(engine), [joined(0)] * 20)
    key = b"log/e" + (5).to_bytes(8, "big")
    with other.begin() as transaction:
        transaction.put(key, (transaction.get(key) or b"") + b"\0")
        transaction.commit()
    parting = part(EngineProcessRecorder(one), EngineProcessRecorder(other))
    assert parting is not None
    assert parting.position == 5


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


async def test_the_chains_transactions_agree_and_what_differs_is_named():
    audited = world()
    count = len(audited.events)
    changed = {
        signature(3): None,
        signature(5): TransactionStatus(5, failed=True),
        signature(7): TransactionStatus(8, failed=False),
    }
    report = await compared(audited, audited.engine, changed)
    assert report.transactions == TransactionsCompared(compared=count - 1, unknown=1, moved=0)
    assert [(found.position, found.problem) for found in report.disagreements] == [
        (5, f"the transaction {signature(5)} has failed on chain"),
        (
            7,
            f"the transaction {signature(7)} is in slot 8 on chain, and was finalized in slot 7 by the log",
        ),
    ]


async def test_a_confirmed_event_may_have_landed_in_another_slot_since(audited: LoggedWorld):
    def confirmed(entry: Entry) -> tuple[Source, Event]:
        assert isinstance(entry.source, ChainSource)
        return msgspec.structs.replace(entry.source, finality=Finality.CONFIRMED), entry.event

    engine = altered(audited.log, confirmed)
    found = await compared(audited, engine, {signature(7): TransactionStatus(8, failed=False)})
    assert found.transactions == TransactionsCompared(compared=len(audited.events), unknown=0, moved=1)
    assert not any("slot" in one.problem for one in found.disagreements)


async def test_what_is_no_signature_is_named(audited: LoggedWorld):
    def nonsense(entry: Entry) -> tuple[Source, Event]:
        source = entry.source
        if entry.position == 4:
            source = msgspec.structs.replace(source, signature="no signature")
        return source, entry.event

    found = (await compared(audited, altered(audited.log, nonsense))).disagreements
    assert [one.problem for one in found if "signature" in one.problem] == [
        "'no signature' is no transaction's signature"
    ]


async def test_the_chains_accounts_agree_and_what_differs_is_named():
    audited = world()
    agreeing = await compared(audited, audited.engine)
    assert agreeing.disagreements == ()
    assert agreeing.compared == sum(agreeing.accounts.values())
    region = audited.cluster.account(audited.region)
    assert isinstance(region, Region)
    data = bytearray(audited.cluster.data(audited.region))
    place = data.index(region.base_url.encode())
    data[place + len(region.base_url) - 1] ^= 1
    audited.cluster.plant(audited.region, bytes(data))
    [found] = (await compared(audited, audited.engine)).disagreements
    last = max(entry.position for entry in audited.log.replay() if entry.stream == str(audited.region))
    assert found.position == last
    assert re.fullmatch(
        rf"Region {audited.region}: base_url is \S+ on chain, and \S+ by the log", found.problem
    )


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


async def test_what_regions_change_elsewhere_is_compared_where_all_are_in_the_log():
    audited = world()
    data = audited.cluster.data(audited.provider)
    audited.cluster.plant(audited.provider, with_one_more_region(bytes(data)))
    [found] = (await compared(audited, audited.engine)).disagreements
    assert "region_count" in found.problem


async def test_a_log_of_nothing_on_chain_has_nothing_to_compare():
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0)])
    [found] = (await compared(world(), engine)).disagreements
    assert "nothing to compare" in found.problem


async def test_of_what_was_retracted_the_chain_is_not_asked(audited: LoggedWorld):
    engine = altered(audited.log, lambda entry: (entry.source, entry.event))
    log = open_log(engine)
    last = log.read(log.head().position, 1)[0]
    assert isinstance(last.event, ChainEvent)
    dead = msgspec.structs.replace(last.event, sequence=last.event.sequence + 1)
    lost = signature(9999)
    append(log, last.stream, (ChainSource(10_000, lost, 0, Finality.CONFIRMED), dead))
    retracted = Retracted(
        scope=dead.scope,
        first_sequence=dead.sequence,
        last_sequence=dead.sequence,
        positions=(last.position + 1,),
    )
    append(log, last.stream, (NODE, retracted))
    report = await compared(audited, engine, {lost: TransactionStatus(1, failed=True)})
    assert not any(lost in one.problem for one in report.disagreements)


async def test_a_chain_that_is_ahead_is_a_disagreement_of_its_scope_alone():
    audited = world()
    before = altered(audited.log, lambda entry: (entry.source, entry.event))
    audited.do(*audited.calls()["create_usage_signer"]())
    [found] = (await compared(audited, before)).disagreements
    assert re.search(rf"is the last of {audited.empty_region}; the chain is at", found.problem)


async def test_what_regions_change_elsewhere_is_compared_only_if_all_are_in_the_log(audited: LoggedWorld):
    def without_a_region(entry: Entry) -> tuple[Source, Event]:
        gone = entry.stream == str(audited.empty_region)
        return (NODE, joined(0)) if gone else (entry.source, entry.event)

    found = (await compared(audited, altered(audited.log, without_a_region))).disagreements
    assert all(
        re.search("is of another log|version|belongs in|was recorded by", one.problem) for one in found
    ), found
