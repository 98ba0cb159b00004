import re

import msgspec

from contract.accounts import Region
from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    Retracted,
    Source,
)
from events.engine.memory import MemoryEngine
from events.log import Entry
from mu.audit_transactions import TransactionsCompared
from mu.marketplace import TransactionStatus
from tests.entries import append_all, joined, open_log
from tests.mu.audited import LoggedWorld, altered, append, signature, world
from tests.mu.replayed import (
    NODE,
    compared,
    with_one_more_region,
)


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
