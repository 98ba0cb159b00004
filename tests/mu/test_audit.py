"""Audits of a log in which everything agrees, and of what others made of it."""

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.accounts import Region, Stack, UsageReport
from contract.addresses import state_address
from contract.terms import Prices
from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    RegionUpdated,
    Retracted,
    Source,
    StackDeployed,
    UsageReported,
)
from events.engine.memory import MemoryEngine
from events.log import Entry
from events.recorder import EngineProcessRecorder
from mu.audit import part
from mu.audit_accounts import AccountsAudit, ChainEntry, HashAt
from projections.runner import PROJECTIONS
from tests.contract.world import TERMS
from tests.entries import append_all, events, joined, open_log
from tests.events.make_fixtures import path as fixture
from tests.mu.audited import LoggedWorld, altered, append, world
from tests.mu.replayed import NODE, compared, rebuilt, replayed, report_changed


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
