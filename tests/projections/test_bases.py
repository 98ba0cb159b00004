from projections.bases import Base, Bases
from projections.retraction import Unfinalized
from tests.entries import SCOPE


def test_a_base_is_wanted_when_it_is_worth_its_cost_and_the_last_one_is_final():
    bases, unfinalized = Bases(), Unfinalized()
    assert not bases.wants(9, unfinalized, least_entries=10)
    assert bases.wants(10, unfinalized, least_entries=10)
    bases.take(Base(10, b"", bytes(5000)))
    assert not bases.wants(59, unfinalized, least_entries=10)
    assert bases.wants(60, unfinalized, least_entries=10)
    unfinalized.scopes = {SCOPE: {1: 10}}
    assert not bases.wants(60, unfinalized, least_entries=10)
    bases.drop_from(11)
    assert bases.next is not None
    unfinalized.scopes = {SCOPE: {1: 11}}
    bases.take(Base(60, b"", b""))
    assert (bases.final, bases.next) == (Base(10, b"", bytes(5000)), Base(60, b"", b""))
    bases.drop_from(60)
    assert bases.next is None
