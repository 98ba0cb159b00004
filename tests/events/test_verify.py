from collections.abc import Sequence

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solders.keypair import Keypair

from events.catalogue import (
    ChainSource,
    Event,
    Finality,
    Finalized,
    NodeJoined,
    NodeLeft,
    NodeLost,
    NodeSource,
    ProjectionEventSkipped,
    ProjectionRetried,
    RegionCreated,
    Retracted,
    Source,
    StackDeleted,
    StackFailed,
    StackStarted,
    StackStopped,
    UsageSignerCreated,
)
from events.checkpoints import sign
from events.engine.memory import MemoryEngine
from events.log import Log
from events.log_keys import LogKeys
from events.node import node_hash
from events.program_bytes import event_hash
from events.record import Record
from events.recorder import EngineProcessRecorder
from events.streams import PROJECTIONS_STREAM
from events.verification.findings import MAX_DISAGREEMENTS, Disagreement
from events.verify import BrokenLog, examine, verify
from tests.entries import NODES, STACKS, append_all, joined, open_log, place_of, source_of
from tests.events.logs import (
    NODE,
    NODE_KEY,
    OTHER,
    OTHER_KEY,
    OTHER_STREAM,
    STREAM,
    other_joined,
    region_created,
)
from tests.events.logs import joined as our_node_joined
from tests.events.make_fixtures import path


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0)] * 600)
    return engine


def key(position: int) -> bytes:
    return b"log/e" + position.to_bytes(8, "big")


def alter(engine: MemoryEngine, position: int) -> None:
    """Say that the entry was recorded at another time."""
    with engine.begin() as transaction:
        record = Record.decode(transaction.get(key(position)) or b"")
        plain = msgspec.msgpack.decode(record.state)
        plain["recorded_at"] = 5
        state = msgspec.msgpack.encode(plain)
        forged = Record(record.previous_hash, record.stream, record.version, record.topic, state)
        transaction.put(key(position), forged.encode())
        transaction.commit()


def replace(engine: MemoryEngine, position: int, data: bytes) -> None:
    with engine.begin() as transaction:
        transaction.put(key(position), data)
        transaction.commit()


def disagreements(engine: MemoryEngine) -> tuple[Disagreement, ...]:
    return examine(EngineProcessRecorder(engine)).disagreements


def test_a_whole_log_gives_its_head(engine: MemoryEngine):
    assert verify(EngineProcessRecorder(engine)) == open_log(engine).head()
    assert verify(EngineProcessRecorder(MemoryEngine())).position == 0


def test_progress_is_told(engine: MemoryEngine):
    told: list[int] = []
    examine(EngineProcessRecorder(engine), progress=told.append)
    assert told == [512, 600]


@pytest.mark.parametrize("position", [1, 300, 599])
def test_an_altered_entry_shows_at_the_next(engine: MemoryEngine, position: int):
    alter(engine, position)
    with pytest.raises(BrokenLog, match="hash") as caught:
        verify(EngineProcessRecorder(engine))
    assert caught.value.position == position + 1
    assert [found.position for found in disagreements(engine)] == [position + 1]


def test_an_altered_last_entry_shows_at_the_head(engine: MemoryEngine):
    alter(engine, 600)
    with pytest.raises(BrokenLog, match="head"):
        verify(EngineProcessRecorder(engine))


@pytest.mark.parametrize("position", [1, 300, 600])
def test_a_missing_entry_is_named(engine: MemoryEngine, position: int):
    with engine.begin() as transaction:
        transaction.delete(key(position))
        transaction.commit()
    with pytest.raises(BrokenLog) as caught:
        verify(EngineProcessRecorder(engine))
    assert caught.value.position == (position if position < 600 else 599)


def test_each_disagreement_is_told_with_its_position(engine: MemoryEngine):
    alter(engine, 20)
    replace(engine, 100, b"junk")
    alter(engine, 400)
    replace(engine, 600, b"junk")
    found = disagreements(engine)
    # the version in the lost one is lost too, and is held against no other
    assert [disagreement.position for disagreement in found] == [21, 100, 401, 600]


def test_a_log_of_rubbish_is_not_read_to_its_end():
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0)] * (MAX_DISAGREEMENTS + 600))
    for position in range(1, MAX_DISAGREEMENTS + 601):
        replace(engine, position, b"junk")
    verified = examine(EngineProcessRecorder(engine))
    assert len(verified.disagreements) == MAX_DISAGREEMENTS
    assert verified.position < verified.head.position


@pytest.mark.parametrize(("version", "topic"), [(2, "NodeJoined"), (1, "NodeLeft")])
def test_a_version_left_out_and_a_wrong_name(version: int, topic: str):
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0)])
    record = EngineProcessRecorder(engine).records(1, 1)[0][1]
    forged = Record(record.previous_hash, record.stream, version, topic, record.state)
    replace(engine, 1, forged.encode())
    with engine.begin() as transaction:
        transaction.put(b"log/h", (1).to_bytes(8, "big") + forged.hash)
        transaction.commit()
    found, *others = disagreements(engine)
    assert ("version 2" if version == 2 else "is called NodeLeft") in found.problem
    # the stream's index has no such version
    assert len(others) == (version == 2)


@pytest.mark.parametrize("is_lost", [False, True])
def test_entries_after_the_head_are_named(engine: MemoryEngine, is_lost: bool):
    with engine.begin() as transaction:
        if is_lost:
            transaction.delete(b"log/h")
        else:
            record = EngineProcessRecorder(engine).records(597, 1)[0][1]
            transaction.put(b"log/h", (597).to_bytes(8, "big") + record.hash)
        transaction.commit()
    [found] = disagreements(engine)
    assert (found.position, "after the head" in found.problem) == (1 if is_lost else 598, True)


@pytest.mark.parametrize("number", [None, 7])
def test_a_streams_index_that_names_another_entry_or_none_is_named(engine: MemoryEngine, number: int | None):
    place = LogKeys().streams + place_of(joined(0)).encode() + b"\0" + (600).to_bytes(8, "big")
    with engine.begin() as transaction:
        assert transaction.get(place) == (600).to_bytes(8, "big")
        if number is None:
            transaction.delete(place)
        else:
            transaction.put(place, number.to_bytes(8, "big"))
        transaction.commit()
    [found] = disagreements(engine)
    assert (found.position, "index" in found.problem) == (600, True)


def test_a_node_that_joins_again_with_another_key_is_named():
    engine = MemoryEngine()
    other = msgspec.structs.replace(joined(0), public_key="another")
    append_all(open_log(engine), [joined(0), joined(0), other])
    [found] = disagreements(engine)
    assert (found.position, "another key" in found.problem) == (3, True)


def test_a_chain_event_that_a_node_made_is_named():
    engine = MemoryEngine()
    log = open_log(engine)
    log.append("region", 0, [(NodeSource("node", 1), region_created())])
    assert any("does not come from the chain" in found.problem for found in disagreements(engine))


(FIRST, _), (SECOND, _), *_ = NODES
ONCE = {"stack": STACKS[0], "revision": 1}
OWN: list[Event] = [
    StackStarted(node=FIRST, **ONCE),
    StackStopped(node=FIRST, **ONCE),
    StackFailed(node=FIRST, reason="", **ONCE),
    NodeLeft(node=FIRST, generation=1),
]
"""A node's own, but for its join."""
LOST = NodeLost(node=FIRST, generation=1)
SAID: list[Event] = [
    ProjectionRetried(name="stacks", position=1, reason="so"),
    ProjectionEventSkipped(name="stacks", position=1, reason="so"),
]
CREATED = region_created()
FINAL = Finalized(scope=CREATED.scope, sequence=1)


def after_joins(stream: str, source: Source, event: Event) -> list[str]:
    """What disagrees in a log of two nodes and a region with one more event."""
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1), CREATED])
    log.append(stream, log.version(stream), [(source, event)])
    found = disagreements(engine)
    assert {disagreement.position for disagreement in found} <= {4}
    return [disagreement.problem for disagreement in found]


@pytest.mark.parametrize("event", [*OWN, LOST, *SAID, FINAL])
def test_every_event_belongs_in_one_stream(event: Event):
    right = place_of(event)
    assert after_joins(right, source_of(event), event) == []
    for stream in (place_of(joined(0)), place_of(joined(1)), PROJECTIONS_STREAM, CREATED.scope, "another"):
        if stream != right:
            [problem] = after_joins(stream, source_of(event), event)
            assert f"in the stream {stream} belongs in {right}" in problem


def test_a_chain_event_belongs_in_the_stream_of_its_scope():
    engine = MemoryEngine()
    append_all(open_log(engine), [CREATED], "another")
    [found] = disagreements(engine)
    assert f"belongs in {CREATED.scope}" in found.problem


def test_a_node_joins_in_the_stream_of_its_key_under_the_hash_of_its_place():
    other = joined(2)
    assert after_joins(place_of(other), NodeSource(other.node, 1), other) == []
    [problem] = after_joins(place_of(joined(0)), NodeSource(other.node, 1), other)
    assert "belongs in node/key 7002" in problem
    forged: list[NodeJoined] = [
        msgspec.structs.replace(other, **changed)
        for changed in ({"port": 7003}, {"port": 2**60}, {"address": "nowhere"}, {"generation": -1})
    ]
    for event in forged:
        [problem] = after_joins(place_of(other), NodeSource(other.node, event.generation), event)
        assert "is not the hash of the node's address" in problem


@pytest.mark.parametrize("event", OWN)
def test_a_nodes_own_events_are_recorded_by_itself(event: Event):
    for node in (SECOND, "nobody"):
        [problem] = after_joins(place_of(event), NodeSource(node, 1), event)
        assert f"of {FIRST} was recorded by {node}" in problem


@pytest.mark.parametrize("event", [*SAID, FINAL])
def test_what_any_node_may_record_needs_one_that_has_joined(event: Event):
    assert after_joins(place_of(event), NodeSource(SECOND, 1), event) == []
    [problem] = after_joins(place_of(event), NodeSource("nobody", 1), event)
    assert "by nobody, which has not joined" in problem


@pytest.mark.parametrize(
    ("generation", "event"),
    [
        (2, StackStarted(node=FIRST, **ONCE)),
        (2, NodeLeft(node=FIRST, generation=1)),
        (1, NodeLeft(node=FIRST, generation=2)),
        (2, FINAL),
    ],
)
def test_what_a_node_says_is_of_the_generation_in_which_it_joined(generation: int, event: Event):
    [problem] = after_joins(place_of(event), NodeSource(FIRST, generation), event)
    assert "of another generation than 1" in problem


def test_who_calls_a_node_lost_joins_next():
    engine = MemoryEngine()
    log = open_log(engine)
    again = msgspec.structs.replace(joined(0), generation=2, node=node_hash("10.0.0.1", 7000, 2))
    append_all(log, [joined(0)])
    stream = place_of(joined(0))
    log.append(stream, 1, [(NodeSource(again.node, 2), LOST), (NodeSource(again.node, 2), again)])
    assert disagreements(engine) == ()
    gone = NodeLost(node=again.node, generation=2)
    log.append(
        stream,
        3,
        [
            (NodeSource("nobody", 3), gone),
            (NodeSource(again.node, 2), NodeLeft(node=again.node, generation=2)),
        ],
    )
    [found] = disagreements(engine)
    assert found.problem == "nobody has called another node lost, and does not join next"
    wrong = msgspec.structs.replace(LOST, generation=7)
    assert any(
        "not joined in this generation" in one for one in after_joins(stream, NodeSource(FIRST, 1), wrong)
    )


@pytest.mark.parametrize("position", [-1, 0, 4, 5])
def test_what_is_said_of_a_projection_is_of_an_entry_before(position: int):
    for event in (
        ProjectionRetried(name="stacks", position=position, reason="so"),
        ProjectionEventSkipped(name="stacks", position=position, reason="so"),
    ):
        [problem] = after_joins(PROJECTIONS_STREAM, NodeSource(FIRST, 1), event)
        assert "which is not before it" in problem


def test_a_node_is_lost_after_it_has_joined_and_that_may_be_said_before_one_joins():
    assert after_joins(place_of(LOST), NodeSource("about to join", 2), LOST) == []
    unknown = NodeLost(node="nobody", generation=1)
    [problem] = after_joins(place_of(joined(0)), NodeSource(FIRST, 1), unknown)
    assert problem == "nobody is called lost, and has not joined in this generation"


@pytest.mark.parametrize("event", [*OWN, LOST, *SAID, FINAL])
def test_what_the_program_does_not_log_comes_from_a_node(event: Event):
    source = ChainSource(5, "signature", 0, Finality.CONFIRMED)
    [problem] = after_joins(place_of(event), source, event)
    assert "does not come from a node" in problem


def chain(scope: str, sequence: int, fork: int = 0, previous_fork: int = 0) -> StackDeleted:
    """The event with this number on a fork, after one of another fork."""
    before = hash_on(sequence - 1, previous_fork) if sequence > 1 else bytes(32)
    return StackDeleted(
        scope=scope, sequence=sequence, previous_hash=before, event_hash=hash_on(sequence, fork),
        stack="s", owner="o", escrow="e", withdrawal_from=0, revision=1, deleted_at=1,
    )  # fmt: skip


def hash_on(sequence: int, fork: int) -> bytes:
    return bytes([sequence, fork]) * 16


def retracted(scope: str, first: int, last: int, positions: Sequence[int]) -> Retracted:
    return Retracted(scope=scope, first_sequence=first, last_sequence=last, positions=tuple(positions))


def written(events: Sequence[Event]) -> MemoryEngine:
    """A log of these events after the node that records them has joined, which has position 0 for them."""
    moved = [
        msgspec.structs.replace(event, positions=tuple(position + 1 for position in event.positions))
        if isinstance(event, Retracted)
        else event
        for event in events
    ]
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0), *moved])
    return engine


def positions(engine: MemoryEngine) -> list[int]:
    """Those of the disagreements of a written log."""
    return [found.position - 1 for found in disagreements(engine)]


A, B = "scope a", "scope b"


@pytest.fixture
def _made_up_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events hash to what they say."""
    monkeypatch.setattr("events.verification.scopes.event_hash", lambda event: event.event_hash)


@pytest.mark.usefixtures("_made_up_hashes")
@pytest.mark.parametrize(
    ("events", "position", "problem"),
    [
        ([chain(A, 1), chain(B, 1), chain(A, 2), chain(B, 2)], 0, ""),
        ([chain(A, 2)], 1, "comes after event 0"),
        ([chain(A, 1), chain(A, 3)], 2, "comes after event 1"),
        ([chain(A, 1), chain(A, 1)], 2, "comes after event 1"),
        ([chain(A, 1), chain(A, 2, previous_fork=7)], 2, "hash of the event before"),
        (
            [chain(A, 1), chain(A, 2, 1), chain(A, 3, 1, 1), retracted(A, 2, 3, [2, 3]), chain(A, 2), chain(A, 3)],
            0,
            "",
        ),
        ([chain(A, 1, 1), retracted(A, 1, 1, [1]), chain(A, 1), chain(B, 1)], 0, ""),
        ([chain(A, 1, 1), retracted(A, 1, 1, [1]), chain(A, 1, 2), retracted(A, 1, 1, [3]), chain(A, 1)], 0, ""),
        ([chain(A, 1), chain(A, 2, 1), retracted(A, 2, 2, [2]), chain(A, 2, 2, 1)], 4, "hash of the event before"),
        ([chain(A, 1), chain(A, 2), retracted(A, 2, 2, [2]), chain(A, 3)], 4, "comes after event 1"),
        ([chain(A, 1), chain(A, 2), retracted(A, 1, 1, [1])], 3, "the last of which is 2"),
        ([chain(A, 1), chain(A, 2), retracted(A, 1, 2, [2])], 3, "names 1 positions"),
        ([chain(A, 1), chain(B, 1), retracted(A, 1, 1, [2])], 3, "position 3, which is not event 1"),
        ([chain(A, 1), joined(0), retracted(A, 1, 1, [2])], 3, "position 3, which is not event 1"),
        ([chain(A, 1), retracted(A, 1, 1, [9])], 2, "position 10, which is not event 1"),
        ([chain(A, 1), Finalized(scope=A, sequence=1), chain(A, 2), retracted(A, 2, 2, [3])], 0, ""),
        ([chain(A, 1), Finalized(scope=A, sequence=1), retracted(A, 1, 1, [1])], 3, "finalized up to 1"),
        ([chain(A, 1), Finalized(scope=A, sequence=2)], 2, "called finalized"),
        ([chain(A, 1), chain(A, 2), Finalized(scope=A, sequence=2), Finalized(scope=A, sequence=1)], 4, "called"),
        ([chain(A, 1), retracted(A, 1, 0, [])], 2, "the last of which is 1"),
        ([chain(A, 1), retracted(A, 0, 1, [1, 1])], 2, "the last of which is 1"),
        ([chain(A, 1), retracted(A, 1, 1, [1, 1])], 2, "names 2 positions"),
        ([chain(A, 1), chain(A, 2), retracted(A, 1, 2, [2, 1])], 3, "position 3, which is not event 1"),
        (
            [chain(A, 1), retracted(A, 1, 1, [1]), chain(A, 1, 2), retracted(A, 1, 1, [1]), chain(A, 1, 3)],
            4,
            "position 2, which is not event 1",
        ),
    ],
)  # fmt: skip
def test_chain_events_follow_the_programs_sequence(events: list[Event], position: int, problem: str):
    found = disagreements(written(events))
    if not problem:
        assert found == ()
        return
    assert found[0].position == position + 1
    assert any(problem in disagreement.problem for disagreement in found)


HISTORIES = st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 3)), max_size=12)


def history(acts: list[tuple[str, int]]) -> list[Event]:
    """Each act retracts some of a scope's events and adds two on a new fork."""
    happened: list[Event] = []
    live: dict[str, list[tuple[int, int]]] = {A: [], B: []}
    for fork, (scope, retract) in enumerate(acts, 1):
        events = live[scope]
        gone = events[len(events) - min(retract, len(events)) :]
        if gone:
            del events[len(events) - len(gone) :]
            happened.append(
                retracted(scope, len(events) + 1, len(events) + len(gone), [position for position, _ in gone])
            )
        for _ in range(2):
            previous_fork = events[-1][1] if events else 0
            happened.append(chain(scope, len(events) + 1, fork, previous_fork))
            events.append((len(happened), fork))
    return happened


@pytest.mark.usefixtures("_made_up_hashes")
def test_what_came_as_finalized_is_not_retracted():
    engine = written([])
    log = open_log(engine)
    log.append(A, 0, [(ChainSource(5, "s", 0, Finality.FINALIZED), chain(A, 1))])
    append_all(log, [retracted(A, 1, 1, [2])])
    [found] = disagreements(engine)
    assert "which are finalized up to 1" in found.problem


@pytest.mark.usefixtures("_made_up_hashes")
def test_a_retraction_of_very_many_is_one_disagreement():
    engine = written([chain(A, 1), retracted(A, 1, 1, [1] * 100_000)])
    [found] = disagreements(engine)
    assert "names 100000 positions" in found.problem


@pytest.mark.usefixtures("_made_up_hashes")
def test_what_is_wrong_after_something_was_lost_is_named():
    engine = written([chain(A, 1), chain(A, 2), chain(A, 3), chain(A, 5), chain(A, 6, previous_fork=3)])
    replace(engine, 3, b"junk")
    problems = [found.problem for found in disagreements(engine)]
    assert len(problems) == 3
    assert "event 5 of scope a comes after event 3" in problems[1]
    assert "hash of the event before" in problems[2]


def test_a_streams_index_that_names_more_than_there_is_is_named(engine: MemoryEngine):
    with engine.begin() as transaction:
        place = LogKeys().streams + place_of(joined(0)).encode() + b"\0" + (601).to_bytes(8, "big")
        transaction.put(place, (9999).to_bytes(8, "big"))
        transaction.commit()
    [found] = disagreements(engine)
    assert (found.position, "name 1 more" in found.problem) == (600, True)


@pytest.mark.usefixtures("_made_up_hashes")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES)
def test_any_history_of_forks_agrees(acts: list[tuple[str, int]]):
    assert disagreements(written(history(acts))) == ()


@pytest.mark.usefixtures("_made_up_hashes")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES, st.sets(st.integers(1, 30)))
def test_what_cannot_be_read_is_held_against_no_other_entry(acts: list[tuple[str, int]], lost: set[int]):
    happened = history(acts)
    engine = written(happened)
    lost = {position for position in lost if position <= len(happened)}
    for position in lost:
        replace(engine, position + 1, b"junk")
    assert positions(engine) == sorted(lost)


def test_checkpoints_whose_nodes_join_cannot_be_read_are_not_held_against_them(
    signing: tuple[MemoryEngine, Log],
):
    engine, log = signing
    append(log, our_node_joined())
    for position in (1, 2):
        record = EngineProcessRecorder(engine).records(position, 1)[0][1]
        append(log, sign(position, record.hash, node=NODE, keypair=NODE_KEY))
    replace(engine, 1, b"junk")
    replace(engine, 2, b"junk")
    assert [found.position for found in disagreements(engine)] == [1, 2]


def test_a_chain_event_must_have_the_hash_that_it_says():
    good = region_created()
    assert disagreements(written([good])) == ()
    forged = msgspec.structs.replace(good, name="mine")
    [found] = disagreements(written([forged]))
    assert (found.position, "does not have the hash" in found.problem) == (2, True)
    impossible = msgspec.structs.replace(good, provider="no address")
    [found] = disagreements(written([impossible]))
    assert "cannot have logged" in found.problem


def test_an_event_of_the_first_program_is_believed():
    engine = MemoryEngine()
    log = open_log(engine)
    state = path("RegionCreated", 1).read_bytes()
    plain = msgspec.msgpack.decode(state)
    plain["event"] |= {"sequence": 1, "previous_hash": bytes(32)}
    recorder = EngineProcessRecorder(engine)
    recorder.insert_events([StoredEvent("scope", 1, "RegionCreated", msgspec.msgpack.encode(plain))])
    assert log.read()[0].event.event_hash == plain["event"]["event_hash"]
    assert disagreements(engine) == ()


def test_an_old_version_in_a_scope_of_the_present_program_is_named():
    """Else an altered event could escape the check of its hash by its tag."""
    engine = MemoryEngine()
    log = open_log(engine)
    created = region_created()
    log.append(created.scope, 0, [(source_of(created), created)])
    plain = msgspec.msgpack.decode(path("StackDeployed", 1).read_bytes())
    plain["event"] |= {"scope": created.scope, "sequence": 2, "previous_hash": created.event_hash}
    stored = StoredEvent(created.scope, 2, "StackDeployed", msgspec.msgpack.encode(plain))
    EngineProcessRecorder(engine).insert_events([stored])
    [found] = disagreements(engine)
    assert (found.position, "an old version" in found.problem) == (2, True)


def append(log: Log, event: Event, node: str = NODE) -> None:
    log.append(STREAM, log.version(STREAM), [(NodeSource(node, 1), event)])


@pytest.fixture
def signing() -> tuple[MemoryEngine, Log]:
    engine = MemoryEngine()
    log = open_log(engine)
    append(log, our_node_joined())
    return engine, log


def test_checkpoints_of_the_log_agree(signing: tuple[MemoryEngine, Log]):
    engine, log = signing
    for _ in range(3):
        head = log.head()
        append(log, sign(head.position, head.hash, node=NODE, keypair=NODE_KEY))
    verified = examine(EngineProcessRecorder(engine))
    assert (verified.checkpoints, verified.disagreements) == (3, ())


def usage_signer(event: RegionCreated, public_key: str) -> UsageSignerCreated:
    created = UsageSignerCreated(
        scope=event.scope, sequence=2, previous_hash=event.event_hash, event_hash=bytes(32),
        signer=public_key, valid_from=1, valid_to=9,
    )  # fmt: skip
    return msgspec.structs.replace(created, event_hash=event_hash(created))


def test_who_signed_is_told_and_whether_the_chain_knows_the_key(signing: tuple[MemoryEngine, Log]):
    engine, log = signing
    log.append(OTHER_STREAM, 0, [(NodeSource(OTHER, 1), other_joined())])
    key, other_key = (str(keypair.pubkey()) for keypair in (NODE_KEY, OTHER_KEY))
    append_all(log, [CREATED, usage_signer(CREATED, key)])
    signing_nodes = ((NODE, NODE_KEY, STREAM), (OTHER, OTHER_KEY, OTHER_STREAM), (NODE, NODE_KEY, STREAM))
    for node, keypair, stream in signing_nodes:
        head = log.head()
        checkpoint = sign(head.position, head.hash, node=node, keypair=keypair)
        log.append(stream, log.version(stream), [(NodeSource(node, 1), checkpoint)])
    verified = examine(EngineProcessRecorder(engine))
    assert verified.disagreements == ()
    told = {signer.public_key: (signer.checkpoints, signer.region) for signer in verified.signers}
    assert told == {key: (2, CREATED.scope), other_key: (1, None)}
    gone = Retracted(scope=CREATED.scope, first_sequence=2, last_sequence=2, positions=(4,))
    log.append(CREATED.scope, 2, [(NodeSource(NODE, 1), gone)])
    verified = examine(EngineProcessRecorder(engine))
    assert verified.disagreements == ()
    assert not any(signer.region for signer in verified.signers)


def test_the_bytes_of_an_event_are_those_that_mu_writes(engine: MemoryEngine):
    """Else something could be hidden in them that no reader looks at."""

    def encoded(change: dict[str, object]) -> list[str]:
        record = EngineProcessRecorder(engine).records(600, 1)[0][1]
        plain = msgspec.msgpack.decode(record.state) | change
        state = msgspec.msgpack.encode(plain)
        replace(engine, 600, msgspec.structs.replace(record, state=state).encode())
        return [found.problem for found in disagreements(engine) if "bytes" in found.problem]

    assert encoded({}) == []
    assert encoded({"hidden": 1}) == ["the bytes of a NodeJoined are not those that mu writes for it"]


def test_checkpoints_that_do_not(signing: tuple[MemoryEngine, Log]):
    engine, log = signing
    head = log.head()
    good = sign(head.position, head.hash, node=NODE, keypair=NODE_KEY)
    foreign = Keypair.from_seed(bytes([9] * 32))
    append(log, sign(head.position, bytes(32), node=NODE, keypair=NODE_KEY))
    append(log, sign(3, head.hash, node=NODE, keypair=NODE_KEY))
    append(log, sign(head.position, head.hash, node=NODE, keypair=foreign))
    append(log, msgspec.structs.replace(good, public_key=str(foreign.pubkey())))
    append(log, sign(head.position, head.hash, node="another", keypair=NODE_KEY), node="another")
    append(log, good, node="another")
    assert [(found.position, found.problem.split(":")[0]) for found in disagreements(engine)] == [
        (2, "the checkpoint is of another log"),
        (3, "the checkpoint is of another log"),
        (4, f"the checkpoint's key is not the one with which {NODE} joined"),
        (5, f"the checkpoint of {NODE} is not signed by its key"),
        (5, f"the checkpoint's key is not the one with which {NODE} joined"),
        (6, "a CheckpointSigned by another, which has not joined"),
        (7, f"a CheckpointSigned of {NODE} was recorded by another"),
    ]
