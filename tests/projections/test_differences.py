from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from events.engine.memory import MemoryEngine
from projections.differences import Difference, differences, plain_state
from projections.membership import Membership
from tests.entries import append_all, joined, open_log

plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def patched(value: Any, difference: Difference, path: tuple[str, ...]) -> Any:
    """`value` with the difference made."""
    if not path:
        return difference.after
    key: Any = int(path[0]) if isinstance(value, list) else path[0]
    parent = list(value) if isinstance(value, list) else dict(value)
    here = len(path) == 1
    if here and difference.after is UNSET:
        # a list loses its last items, the first of them first
        return parent[:key] if isinstance(parent, list) else {k: v for k, v in parent.items() if k != key}
    if here and isinstance(parent, list) and key == len(parent):
        return [*parent, difference.after]
    old = None if here else parent[key]
    parent[key] = patched(old, difference, path[1:])
    return parent


@given(plain, plain)
def test_the_differences_lead_from_one_state_to_the_other_and_back(before: Any, after: Any):
    value = before
    for difference in differences(before, after):
        value = patched(value, difference, difference.path)
    assert repr_of(value) == repr_of(after)
    assert [(d.path, d.after, d.before) for d in differences(before, after)] == [
        (d.path, d.before, d.after)
        for d in sorted(differences(after, before), key=lambda d: order(before, after, d))
    ]


def order(before: Any, after: Any, difference: Difference) -> int:
    return [d.path for d in differences(before, after)].index(difference.path)


def repr_of(value: Any) -> str:
    """A text that tells 1 from True, whatever the order of keys."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{repr_of(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(repr_of, value)) + "]"
    return repr(value)


@given(plain)
def test_equal_states_do_not_differ(value: Any):
    assert list(differences(value, value)) == []


def test_a_difference_names_the_field():
    log = open_log(MemoryEngine())
    append_all(log, [joined(0)])
    after = Membership()
    [entry] = log.read()
    after.apply(entry)
    found = list(differences(plain_state(Membership()), plain_state(after)))
    assert [(d.path[0], d.before) for d in found] == [("members", UNSET), ("generations", UNSET)]
    assert found[1] == Difference(("generations", "key 7000"), UNSET, 1)
