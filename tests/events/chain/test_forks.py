"""Finality: whatever forks there are, the events in the log that count become those of the finalized chain."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from events.catalogue import ChainEvent, ChainSource, Finality, Finalized, NodeSource, Retracted
from events.chain.follower import Follower, FollowerLimits, Gap
from events.chain.reader import AccountAnswer, AccountsAnswer, ChainTransaction, ChainUnavailable
from events.engine.memory import MemoryEngine
from events.log import Entry, Log
from projections.retraction import live_entries
from tests.entries import open_log
from tests.events.chain.forks import ForkingChain, View, ViewReader
from tests.events.chain.histories import SCOPE
from tests.events.chain.recorded import LIMITS

NODE = NodeSource("node", 1)


def follower(log: Log, reader: ViewReader, commitment: Finality = Finality.CONFIRMED) -> Follower:
    return Follower(log, reader, SCOPE, FollowerLimits(commitment=commitment), source=NODE)


def poll(following: Follower) -> None:
    async def once() -> None:
        with suppress(Gap, ChainUnavailable):
            await following.catch_up()

    trio.run(once)


def live(log: Log) -> list[tuple[int, bytes]]:
    """The sequences and hashes of the events that count; that they are a chain is checked on the way."""
    events = [
        entry.event for entry in live_entries(list(log.replay())) if isinstance(entry.event, ChainEvent)
    ]
    previous = bytes(32)
    for sequence, event in enumerate(events, 1):
        assert (event.sequence, event.previous_hash) == (sequence, previous)
        previous = event.event_hash
    return [(event.sequence, event.event_hash) for event in events]


def finalized(log: Log) -> int:
    """The last sequence that is final, be it that it came so or was found so."""
    return max((_finalized(entry) for entry in log.replay()), default=0)


def _finalized(entry: Entry) -> int:
    match entry.source, entry.event:
        case _, Finalized(sequence=sequence):
            return sequence
        case ChainSource(finality=Finality.FINALIZED), ChainEvent(sequence=sequence):
            return sequence
        case _:
            return 0


class Forks(RuleBasedStateMachine):
    """Two nodes on one log, each with its RPC node, which may show an old view."""

    @initialize()
    def begin(self) -> None:
        self.chain = ForkingChain()
        engine = MemoryEngine()
        self.log = open_log(engine)
        self.readers = [ViewReader(), ViewReader()]
        self.followers = [follower(open_log(engine), reader) for reader in self.readers]
        self.engine = engine

    @rule(transactions=st.integers(1, 3))
    def act(self, transactions: int) -> None:
        self.chain.act(transactions)

    @rule(slots=st.integers(1, 3))
    def finalize(self, slots: int) -> None:
        self.chain.pass_slots(1)
        self.chain.finalize(slots)

    @rule(dead=st.integers(1, 5), land_again=st.lists(st.integers(0, 4), max_size=4, unique=True))
    def fork(self, dead: int, land_again: list[int]) -> None:
        self.chain.fork(dead, land_again)

    @rule(node=st.integers(0, 1))
    def node_sees(self, node: int) -> None:
        self.readers[node].view = self.chain.view

    @rule(node=st.integers(0, 1))
    def follow(self, node: int) -> None:
        poll(self.followers[node])

    @rule(node=st.integers(0, 1))
    def follow_at_once(self, node: int) -> None:
        self.node_sees(node)
        self.follow(node)

    @rule(node=st.integers(0, 1), commitment=st.sampled_from([Finality.CONFIRMED, Finality.FINALIZED]))
    def restart(self, node: int, commitment: Finality) -> None:
        self.followers[node] = follower(open_log(self.engine), self.readers[node], commitment)

    @invariant()
    def what_is_final_is_on_chain(self) -> None:
        truth = [
            (event.sequence, event.hash) for event in self.chain.view.events[: self.chain.view.finalized]
        ]
        counted = finalized(self.log)
        assert live(self.log)[:counted] == truth[:counted]
        assert counted <= len(truth)

    def teardown(self) -> None:
        if not hasattr(self, "chain"):
            return
        self.chain.pass_slots(1)
        self.chain.finalize(10**6)
        for node in (0, 1, 0):
            self.follow_at_once(node)
        truth = [(event.sequence, event.hash) for event in self.chain.view.events]
        assert live(self.log) == truth
        assert finalized(self.log) == len(truth)


Forks.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestForks = Forks.TestCase


def events_of(log: Log) -> list[str]:
    """What is in the log, each event with its sequences."""

    def text(entry: Entry) -> str:
        match entry.event:
            case Retracted() as event:
                return f"retracted {event.first_sequence}-{event.last_sequence} at {list(event.positions)}"
            case Finalized(sequence=sequence):
                return f"finalized {sequence}"
            case ChainEvent(sequence=sequence):
                return str(sequence)
            case event:
                return repr(event)

    return [text(entry) for entry in log.replay()]


def story() -> tuple[ForkingChain, ViewReader, Follower, Log]:
    """A chain with a region, followed and finalized."""
    chain, reader, log = ForkingChain(), ViewReader(), open_log(MemoryEngine())
    chain.act()
    chain.finalize(99)
    reader.view = chain.view
    following = follower(log, reader)
    poll(following)
    assert events_of(log) == ["1", "finalized 1"]
    return chain, reader, following, log


def see(chain: ForkingChain, reader: ViewReader, following: Follower) -> None:
    reader.view = chain.view
    poll(following)


def test_confirmed_events_enter_at_once_and_are_finalized_later():
    chain, reader, following, log = story()
    chain.act(2)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3"]
    assert (following.state.sequence, following.state.final_sequence) == (3, 1)
    chain.finalize(9)
    see(chain, reader, following)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3", "finalized 3"]
    assert (following.state.sequence, following.state.final_sequence) == (3, 3)


def test_events_of_a_dead_fork_are_retracted_together_with_what_came_in_their_place():
    chain, reader, following, log = story()
    chain.act(2)
    see(chain, reader, following)
    chain.fork(2, [1, 0])
    see(chain, reader, following)
    # nothing is finalized yet: the fork may still win
    assert events_of(log)[2:] == ["2", "3"]
    chain.finalize(9)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3", "retracted 2-3 at [3, 4]", "2", "3", "finalized 3"]


def test_an_event_that_did_not_land_again_is_retracted_when_its_slot_is_final():
    chain, reader, following, log = story()
    chain.act()
    see(chain, reader, following)
    chain.fork(1, [])
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2"]
    chain.finalize(1)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "retracted 2-2 at [3]"]
    chain.act()
    see(chain, reader, following)
    assert events_of(log)[4:] == ["2"]


def test_an_event_that_landed_again_in_a_later_slot_was_never_gone():
    chain, reader, following, log = story()
    chain.act(2)
    see(chain, reader, following)
    chain.fork(2, [0, 1])
    assert chain.view.finalized_slot < chain.view.events[1].slot
    chain.finalize(chain.view.events[1].slot - 1 - chain.view.finalized_slot)
    see(chain, reader, following)
    chain.finalize(9)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3", "finalized 3"]


def test_a_node_that_knows_less_than_is_final_retracts_nothing():
    chain, reader, following, log = story()
    old = chain.view
    chain.act()
    chain.finalize(9)
    see(chain, reader, following)
    chain.act()
    see(chain, reader, following)
    before = events_of(log)
    for view in (old, type(old)(slot=99, finalized_slot=99)):
        reader.view = view
        poll(following)
    assert events_of(log) == before


def born_on_a_fork() -> tuple[ForkingChain, ViewReader, Follower, Log]:
    """A region that was created, and had a stack, on a fork that has died."""
    chain, reader, log = ForkingChain(), ViewReader(), open_log(MemoryEngine())
    following = follower(log, reader)
    chain.act(2)
    see(chain, reader, following)
    assert events_of(log) == ["1", "2"]
    chain.fork(2, [])
    return chain, reader, following, log


def test_a_region_that_was_created_on_a_dead_fork_is_retracted_when_its_slot_is_final():
    chain, reader, following, log = born_on_a_fork()
    see(chain, reader, following)
    assert events_of(log) == ["1", "2"]
    chain.finalize(99)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["retracted 1-2 at [1, 2]"]
    chain.act()
    see(chain, reader, following)
    assert events_of(log)[3:] == ["1"]


def test_a_node_that_has_lost_everything_retracts_nothing():
    chain, reader, following, log = born_on_a_fork()
    chain.finalize(99)
    reader.view = msgspec.structs.replace(chain.view, knows_state=False)
    with pytest.raises(ChainUnavailable, match="knows nothing of"):
        trio.run(following.catch_up)
    assert events_of(log) == ["1", "2"]


def test_a_region_that_was_created_again_later_was_never_gone():
    chain, reader, following, log = born_on_a_fork()
    chain.finalize(99)
    chain.act()
    see(chain, reader, following)
    assert events_of(log) == ["1", "2"]
    chain.finalize(99)
    see(chain, reader, following)
    assert events_of(log)[2:4] == ["retracted 1-2 at [1, 2]", "1"]


def test_a_region_of_which_something_is_final_is_never_retracted_for_being_unknown():
    chain, reader, following, log = story()
    chain.act()
    see(chain, reader, following)
    before = events_of(log)
    for view in (View(slot=99, finalized_slot=99), View(slot=99, finalized_slot=99, knows_state=False)):
        reader.view = view
        poll(following)
        assert events_of(log) == before


def test_nodes_that_contradict_each_other_about_a_new_region_retract_nothing():
    chain, reader, _, log = born_on_a_fork()
    landed = msgspec.structs.replace(reader.view, finalized=2, slot=99, finalized_slot=99)
    chain.pass_slots(1)
    chain.finalize(99)
    dead = chain.view
    for confirmed, finalized_, transactions in (
        # as finalized it is not there yet, as confirmed it is
        (landed, dead, dead),
        # the transaction is finalized, says one
        (dead, dead, landed),
        # the finalized slot is before the event's
        (dead, View(slot=1, finalized_slot=1), dead),
        # the confirmed slot is before the finalized one
        (View(slot=2), dead, dead),
    ):
        poll(follower(log, Balanced(confirmed, finalized_, transactions)))
        assert events_of(log) == ["1", "2"]
    poll(follower(log, Balanced(dead, dead, dead)))
    assert events_of(log)[2:] == ["retracted 1-2 at [1, 2]"]


def test_at_the_commitment_finalized_only_what_is_final_enters():
    chain, reader, _, _ = story()
    log = open_log(MemoryEngine())
    following = follower(log, reader, Finality.FINALIZED)
    chain.act(2)
    see(chain, reader, following)
    assert events_of(log) == ["1"]
    chain.fork(1, [])
    chain.finalize(99)
    see(chain, reader, following)
    assert events_of(log) == ["1", "2"]
    sources = [entry.source for entry in log.replay()]
    assert {source.finality for source in sources if isinstance(source, ChainSource)} == {Finality.FINALIZED}


def confirmed_before() -> tuple[ForkingChain, ViewReader, Follower, Log]:
    """A story whose events 2 and 3 entered as confirmed, and a follower that takes only what is finalized since."""
    chain, reader, following, log = story()
    chain.act(2)
    see(chain, reader, following)
    return chain, reader, follower(log, reader, Finality.FINALIZED), log


def test_what_entered_as_confirmed_is_finalized_though_the_commitment_is_another_now():
    chain, reader, following, log = confirmed_before()
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3"]
    chain.finalize(99)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3", "finalized 3"]


def test_what_entered_as_confirmed_is_retracted_though_the_commitment_is_another_now():
    chain, reader, following, log = confirmed_before()
    chain.fork(2, [])
    chain.pass_slots(1)
    chain.finalize(99)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3", "retracted 2-3 at [3, 4]"]


def test_what_came_in_the_place_of_a_retracted_event_enters_when_it_is_final_where_only_that_may():
    chain, reader, following, log = confirmed_before()
    chain.fork(2, [])
    chain.pass_slots(1)
    chain.finalize(99)
    chain.act()
    see(chain, reader, following)
    # the fork is dead, but what has come instead is confirmed alone
    assert events_of(log)[2:] == ["2", "3"]
    chain.finalize(99)
    see(chain, reader, following)
    assert events_of(log)[2:] == ["2", "3", "retracted 2-3 at [3, 4]", "2"]
    source = list(log.replay())[-1].source
    assert isinstance(source, ChainSource)
    assert source.finality is Finality.FINALIZED


def test_without_a_node_nothing_is_recorded_of_finality():
    _, reader, _, _ = story()
    log = open_log(MemoryEngine())
    poll(Follower(log, reader, SCOPE, LIMITS))
    assert events_of(log) == ["1"]


class Balanced(ViewReader):
    """Several nodes behind one address: each question may be answered out of another view."""

    def __init__(self, confirmed: View, finalized: View, transactions: View) -> None:
        super().__init__()
        self._views = {"confirmed": confirmed, "finalized": finalized, "transactions": transactions}

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        self.view = self._views[finality.value]
        return await super().account(address, finality)

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        self.view = self._views[finality.value]
        return await super().accounts(addresses, finality)

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        self.view = self._views["transactions"]
        return await super().transaction(signature, finality)


def test_nodes_that_contradict_each_other_retract_nothing():
    chain, reader, following, log = story()
    begun = chain.view
    chain.act()
    see(chain, reader, following)
    alive = chain.view
    chain.fork(1, [])
    chain.finalize(9)
    dead = chain.view
    for confirmed, transactions in (
        # the account as confirmed is of before the event's slot
        (begun, dead),
        # the transaction is finalized, says one
        (dead, msgspec.structs.replace(alive, finalized=2)),
        # the account as confirmed still has the event, says one
        (msgspec.structs.replace(alive, slot=99), dead),
    ):
        poll(follower(log, Balanced(confirmed, dead, transactions)))
        assert events_of(log) == ["1", "finalized 1", "2"]
    poll(follower(log, Balanced(dead, dead, dead)))
    assert events_of(log) == ["1", "finalized 1", "2", "retracted 2-2 at [3]"]


def test_an_event_that_landed_in_an_earlier_slot_on_the_fork_that_lives_does_not_hide_what_follows():
    log, reader = open_log(MemoryEngine()), ViewReader()
    following, chain = follower(log, reader), ForkingChain()
    chain.act()
    chain.finalize(9)
    see(chain, reader, following)
    before = chain.view
    chain.view = msgspec.structs.replace(before, slot=8)
    chain.act()
    see(chain, reader, following)
    assert len(live(log)) == 2
    # the same transaction as before, in an earlier slot, and another one still before that of the dead fork
    chain.view = msgspec.structs.replace(before, slot=4)
    chain._sent = 1
    chain.act()
    chain.view = msgspec.structs.replace(chain.view, slot=6)
    chain.act()
    chain.view = msgspec.structs.replace(chain.view, slot=12)
    see(chain, reader, following)
    assert len(live(log)) == len(chain.view.events) == 3
