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
    NodeSource,
    Retracted,
)
from events.checkpoints import sign
from events.engine.memory import MemoryEngine
from events.log import Log
from events.recorder import EngineProcessRecorder
from events.verify import examine
from tests.entries import append_all, joined, open_log, source_of
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
from tests.events.verified import (
    CREATED,
    HISTORIES,
    A,
    B,
    append,
    chain,
    disagreements,
    history,
    positions,
    replace,
    retracted,
    usage_signer,
    written,
)


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
