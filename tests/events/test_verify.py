import msgspec
import pytest

from events.catalogue import (
    ChainSource,
    Event,
    Finality,
    NodeJoined,
    NodeLeft,
    NodeLost,
    NodeSource,
    ProjectionEventSkipped,
    ProjectionRetried,
    StackStarted,
)
from events.engine.memory import MemoryEngine
from events.log_keys import LogKeys
from events.node import node_hash
from events.record import Record
from events.recorder import EngineProcessRecorder
from events.streams import PROJECTIONS_STREAM
from events.verification.findings import MAX_DISAGREEMENTS
from events.verify import BrokenLog, examine, verify
from tests.entries import append_all, joined, open_log, place_of, source_of
from tests.events.logs import (
    region_created,
)
from tests.events.verified import (
    CREATED,
    FINAL,
    FIRST,
    LOST,
    ONCE,
    OWN,
    SAID,
    SECOND,
    after_joins,
    alter,
    disagreements,
    key,
    replace,
)


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0)] * 600)
    return engine


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


def test_a_streams_index_that_names_more_than_there_is_is_named(engine: MemoryEngine):
    with engine.begin() as transaction:
        place = LogKeys().streams + place_of(joined(0)).encode() + b"\0" + (601).to_bytes(8, "big")
        transaction.put(place, (9999).to_bytes(8, "big"))
        transaction.commit()
    [found] = disagreements(engine)
    assert (found.position, "name 1 more" in found.problem) == (600, True)


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
