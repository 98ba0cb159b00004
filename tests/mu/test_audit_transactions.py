import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import ChainSource, Finality, NodeSource
from events.engine.memory import MemoryEngine
from events.log import Entry
from mu.audit_transactions import questions
from mu.marketplace import MAX_STATUSES_PER_QUESTION
from tests.entries import joined, open_log, place_of, region_created

MOST = MAX_STATUSES_PER_QUESTION


def entries(signatures: list[str | None]) -> Iterator[Entry]:
    """Entries of transactions with these signatures; those without one are a node's."""
    log = open_log(MemoryEngine())
    for version, signature in enumerate(signatures):
        source = (
            NodeSource("node", 1) if signature is None else ChainSource(9, signature, 0, Finality.CONFIRMED)
        )
        event = joined(0) if signature is None else region_created()
        log.append(place_of(event), log.version(place_of(event)), [(source, event)])
        assert log.head().position == version + 1
    return log.replay()


def asked(signatures: list[str | None], retracted: set[int]) -> list[tuple[int, str]]:
    batches = list(questions(entries(signatures), retracted))
    assert all(len(batch) == MOST for batch in batches[:-1])
    assert all(0 < len(batch) <= MOST for batch in batches)
    return [(named.position, named.signature) for batch in batches for named in batch]


def test_nothing_is_asked_of_no_transactions():
    assert asked([], set()) == []
    assert asked([None, None], set()) == []


def test_as_many_are_asked_for_as_a_node_answers_at_once():
    for count in (1, MOST - 1, MOST, MOST + 1, 2 * MOST):
        names = [f"{number}" for number in range(count)]
        assert asked([*names], set()) == list(enumerate(names, 1))


@given(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=20), st.sets(st.integers(1, 20)))
def test_each_transaction_of_what_counts_is_asked_for(signatures: list[str | None], retracted: set[int]):
    found = asked(signatures, retracted)
    counting = {
        (position, signature)
        for position, signature in enumerate(signatures, 1)
        if signature is not None and position not in retracted
    }
    assert set(found) <= counting
    assert {signature for _, signature in found} == {signature for _, signature in counting}
    assert all(one[1] != other[1] for one, other in itertools.pairwise(found))
