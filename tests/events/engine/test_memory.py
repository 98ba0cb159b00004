import pytest

from events.engine import Conflict, OutcomeUnknown, Unavailable
from events.engine.memory import MemoryEngine


def attempt(engine, key=b"a", value=b"1"):
    with engine.begin() as transaction:
        transaction.put(key, value)
        transaction.commit()


def value(engine, key=b"a"):
    with engine.snapshot() as snapshot:
        return snapshot.get(key)


@pytest.mark.parametrize("kind", [Conflict, Unavailable, OutcomeUnknown])
def test_a_fault_fails_one_commit_and_writes_nothing(kind):
    engine = MemoryEngine()
    engine.fail_next_commit(kind("injected"))
    with pytest.raises(kind, match="injected"):
        attempt(engine)
    assert value(engine) is None
    attempt(engine)
    assert value(engine) == b"1"


def test_an_unknown_outcome_may_have_been_applied():
    engine = MemoryEngine()
    engine.fail_next_commit(OutcomeUnknown("injected"), applied=True)
    with pytest.raises(OutcomeUnknown):
        attempt(engine)
    assert value(engine) == b"1"


def test_an_applied_fault_is_a_commit_like_any_other():
    engine = MemoryEngine()
    with engine.begin() as loser:
        loser.put(b"a", b"loser")
        attempt(engine)
        engine.fail_next_commit(OutcomeUnknown("injected"), applied=True)
        with pytest.raises(Conflict):
            loser.commit()
    assert value(engine) == b"1"


def test_faults_queue_up():
    engine = MemoryEngine()
    engine.fail_next_commit(Conflict("one"))
    engine.fail_next_commit(Unavailable("two"))
    with pytest.raises(Conflict):
        attempt(engine)
    with pytest.raises(Unavailable):
        attempt(engine)
    attempt(engine)


def test_only_an_unknown_outcome_can_be_applied():
    with pytest.raises(ValueError, match="OutcomeUnknown"):
        MemoryEngine().fail_next_commit(Conflict("injected"), applied=True)


def test_versions_that_nobody_sees_are_dropped():
    engine = MemoryEngine()
    for number in range(50):
        attempt(engine, b"a", b"%d" % number)
    with engine.snapshot() as old:
        for number in range(50, 100):
            attempt(engine, b"a", b"%d" % number)
        assert old.get(b"a") == b"49"
    with engine.begin() as transaction:
        transaction.delete(b"a")
        transaction.commit()
    attempt(engine, b"b")
    attempt(engine, b"c")
    # The one place that looks inside: a leak of versions shows nowhere else.
    assert {key: len(versions) for key, versions in engine._versions.items()} == {b"b": 1, b"c": 1}
    assert engine._keys == [b"b", b"c"]
