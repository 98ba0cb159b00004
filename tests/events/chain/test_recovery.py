"""The search for events whose log lines another program has crowded out."""

import random
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import client
from contract.accounts import Region
from contract.addresses import PROGRAM_ID
from contract.client import decode_account
from contract.errors import DecodeError
from events.catalogue import ChainEvent, ChainSource, Finality, UsageReported
from events.chain.backfill import Gap, together
from events.chain.borsh import BorshReader
from events.chain.reader import ChainTransaction, Invocation
from events.chain.rebuilding.known import Known
from events.chain.rebuilding.steps import steps_in
from events.chain.recovery import Case, Found, Truncated, calls_in, recover
from events.chain.standing import Cursor, cursor_at
from tests.contract.idl_values import IDL, snake
from tests.contract.world import NOTICE_SECONDS, USAGE, World
from tests.events.chain.crowded import CALLER, FULL, RecordingCluster
from tests.events.chain.histories import REGION
from tests.events.chain.recorded import HISTORY
from tests.events.chain.watcher import Watcher, cluster_of

INSTRUCTIONS = sorted(snake(instruction["name"]) for instruction in IDL["instructions"])


@pytest.fixture
def world() -> World:
    return World(RecordingCluster())


async def test_stacks_deployed_after_the_terms_have_changed_in_the_same_transaction(world: World):
    update, alice = world.calls()["update_region"]()
    deploy, carol = world.calls()["deploy_stack"]()
    watcher = Watcher(world, world.region)
    cluster_of(world).act(*FULL[2:], update, deploy, signers=[alice, carol])
    assert len(await watcher.check()) == 2


async def test_terms_that_have_come_into_force_and_terms_that_are_announced_again(world: World):
    watcher = Watcher(world, world.region)
    update, alice = world.calls()["update_region"]()
    cluster_of(world).act(*FULL, update, signers=[alice])
    world.cluster.set_time(world.cluster.time() + NOTICE_SECONDS)
    # the same terms with another URL: they keep their time
    terms = world.cluster.account(world.region)
    assert isinstance(terms, Region)
    again = client.update_region(world.alice.pubkey(), 7, "https://again.example", terms.next_terms)
    cluster_of(world).act(*FULL, again, signers=[alice])
    world.cluster.set_time(world.cluster.time() + 3 * NOTICE_SECONDS)
    deploy, carol = world.calls()["deploy_stack"]()
    cluster_of(world).act(*FULL, deploy, signers=[carol])
    assert len(await watcher.check()) == 3


async def test_transactions_of_the_slot_of_the_last_event_that_are_in_the_log_already(world: World):
    cluster = cluster_of(world)
    deploy, carol = world.calls()["deploy_stack"]()
    cluster.act(*FULL, deploy, signers=[carol])
    watcher = Watcher(world, world.region)
    cluster.same_slot = True
    update, carol = world.calls()["update_stack"]()
    cluster.act(*FULL, update, signers=[carol])
    assert watcher.cursor.slot == cluster.slot
    assert len(await watcher.check()) == 1


@pytest.mark.parametrize(("offset", "expected"), [(2, 1), (-2, 1), (3, 0), (None, 0)])
async def test_a_clock_that_the_node_has_estimated(world: World, offset: int | None, expected: int):
    delete, carol = world.calls()["delete_stack"]()
    watcher = Watcher(world, world.region)
    cluster_of(world).act(*FULL, delete, signers=[carol])
    told = None if offset is None else world.cluster.time() + offset
    watcher.node.alter = lambda transaction: msgspec.structs.replace(transaction, block_time=told)
    if expected:
        assert len(await watcher.check()) == expected
    else:
        with pytest.raises(Gap, match="cannot be rebuilt"):
            await watcher.news()


async def test_without_inner_instructions_nothing_is_rebuilt(world: World):
    deploy, carol = world.calls()["deploy_stack"]()
    watcher = Watcher(world, world.region)
    cluster_of(world).act(*FULL, deploy, signers=[carol])
    watcher.node.alter = lambda transaction: msgspec.structs.replace(transaction, instructions=None)
    with pytest.raises(Gap, match="cannot be rebuilt"):
        await watcher.news()


async def test_a_charge_that_the_escrow_cannot_pay(world: World):
    watcher = Watcher(world, world.region, recalls=False)
    watcher.node.tells_tokens = False
    usage = msgspec.structs.replace(USAGE, database_reads=10**15)
    report, signer = world.update_usage(usage=usage)
    cluster_of(world).act(*FULL[2:], report, signers=[signer])
    [event] = await watcher.check()
    assert isinstance(event, UsageReported)
    assert (event.shortfall > 0, event.balance) == (True, 0)


def test_what_is_not_proven_is_not_used(world: World):
    deploy, carol = world.calls()["deploy_stack"]()
    found = cluster_of(world).found(world.region)
    transaction = cluster_of(world).act(*FULL, deploy, signers=[carol]).transaction
    account = world.cluster.account(world.region)
    assert isinstance(account, Region)
    cursor, truncated = cursor_at(*found[-1]), [Truncated("signature", transaction)]
    sequence = cursor.sequence + 1
    case = Case(
        scope=str(world.region), account=account, hashes={sequence: account.event_hash},
        known=Known().after(event for _, event in found), present={}, finality=Finality.CONFIRMED)  # fmt: skip
    [(source, _)] = recover(cursor, truncated, case)
    assert source == ChainSource(transaction.slot, "signature", 0, Finality.CONFIRMED)
    for hashes in ({}, {sequence: bytes(32)}, {sequence + 1: account.event_hash}):
        assert recover(cursor, truncated, msgspec.structs.replace(case, hashes=hashes)) == []


@given(st.integers(0, 2**32))
def test_instructions_that_make_no_sense_make_no_event(seed: int):
    randomness = random.Random(seed)
    calls = []
    for _ in range(randomness.randint(1, 3)):
        name = randomness.choice(INSTRUCTIONS)
        data = sha256(f"global:{name}".encode()).digest()[:8] + randomness.randbytes(
            randomness.randrange(400)
        )
        accounts = tuple([str(REGION)] * randomness.randrange(14))
        calls.append(Invocation(str(PROGRAM_ID), accounts, data, randomness.randint(1, 3)))
    transaction = ChainTransaction(2, False, (), 5, tuple(calls))
    region = decode_account(HISTORY[0].account)
    assert isinstance(region, Region)
    case = Case(
        scope=str(REGION), account=region, hashes={2: bytes(32)}, known=Known(), present={str(REGION): region},
        finality=Finality.CONFIRMED)  # fmt: skip
    assert recover(Cursor(1, bytes(32), 1, "another", 0), [Truncated("signature", transaction)], case) == []


def test_only_calls_of_the_program_for_the_scope_count(world: World):
    def invocation(name: str) -> Invocation:
        instruction, _ = world.calls()[name]()
        accounts = tuple(str(meta.pubkey) for meta in instruction.accounts)
        return Invocation(str(instruction.program_id), accounts, bytes(instruction.data))

    deploy = invocation("deploy_stack")
    foreign = msgspec.structs.replace(deploy, program=CALLER)
    transaction = ChainTransaction(2, False, (), 5, (foreign, invocation("close_region"), deploy))
    assert [call.index for call in calls_in(transaction, str(world.region))] == [1]
    assert calls_in(ChainTransaction(2, False, ()), str(world.region)) == []


def test_the_transfers_of_an_instruction_are_those_that_it_made_itself(world: World):
    report, signer = world.update_usage()
    deposit, carol = world.deposit(world.carol, world.escrow, 5)
    transaction = cluster_of(world).act(report, deposit, signers=[signer, carol]).transaction
    charging, depositing = steps_in(transaction)
    assert [one.amount for one in depositing.transfers] == [5]
    [event, _] = cluster_of(world).recorded[-1].events
    assert isinstance(event, UsageReported)
    assert [one.amount for one in charging.transfers] == [event.charge - event.commission, event.commission]


@pytest.mark.parametrize("size", range(0, 92, 7))
def test_arguments_cut_short_are_refused(size: int):
    reader = BorshReader(bytes(size))
    with pytest.raises(DecodeError, match="were to follow"):
        reader.terms()


@given(st.lists(st.integers(1, 70), max_size=12), st.integers(1, 100))
def test_no_transaction_is_appended_in_halves(sizes: list[int], max_events: int):
    event = cluster_event()
    batch: list[Found] = [
        (ChainSource(1, f"signature {number}", index, Finality.CONFIRMED), event)
        for number, size in enumerate(sizes)
        for index in range(size)
    ]
    parts = together(batch, max_events)
    assert [found for part in parts for found in part] == batch
    ends = [part[-1][0].signature for part in parts]
    assert len(set(ends)) == len(ends)
    for part in parts:
        assert len(part) <= max_events or len({source.signature for source, _ in part}) == 1


def cluster_event() -> ChainEvent:
    return ChainEvent(scope="scope", sequence=1, previous_hash=bytes(32), event_hash=bytes(32))
