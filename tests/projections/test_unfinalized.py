import msgspec
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import ChainSource, Finality
from events.log import Entry
from projections.retraction import Unfinalized
from tests.entries import STACKS, deployed


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 4), st.booleans()), max_size=20))
def test_the_first_that_may_be_retracted_is_the_lowest_position(happened: list[tuple[str, int, bool]]):
    unfinalized = Unfinalized()
    for position, (scope, sequence, is_final) in enumerate(happened, 1):
        event = msgspec.structs.replace(deployed(STACKS[0], b""), scope=scope, sequence=sequence)
        finality = Finality.FINALIZED if is_final else Finality.CONFIRMED
        source = ChainSource(5, "signature", 0, finality)
        unfinalized.apply(Entry(position, scope, position, source, 1, event, bytes(32), bytes(32)))
        positions = [one for scope in unfinalized.scopes.values() for one in scope.values()]
        assert unfinalized.first_position() == min(positions, default=None)
