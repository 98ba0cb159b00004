"""What every engine must do; each test runs on all adapters."""

from contextlib import suppress

import pytest

from events.engine import Conflict, KeyExists, TooLarge, Unavailable


def put(engine, **pairs):
    with engine.begin() as transaction:
        for key, value in pairs.items():
            transaction.put(key.encode(), value)
        transaction.commit()


def everything(engine):
    with engine.snapshot() as snapshot:
        return list(snapshot.scan(b"", None))


def keys(pairs):
    return b"".join(key for key, _ in pairs)


@pytest.fixture
def letters(engine):
    put(engine, **{letter: letter.upper().encode() for letter in "abcdef"})
    return engine


def test_an_empty_engine_holds_nothing(engine):
    with engine.snapshot() as snapshot:
        assert snapshot.get(b"a") is None
        assert snapshot.get_many([b"a", b"b"]) == {}
        assert list(snapshot.scan(b"", None)) == []
        assert list(snapshot.scan(b"", None, reverse=True)) == []
        assert list(snapshot.scan(b"a", b"z", reverse=True)) == []


def test_get_many_leaves_out_what_is_absent(letters):
    with letters.snapshot() as snapshot:
        assert snapshot.get_many([b"a", b"x", b"c"]) == {b"a": b"A", b"c": b"C"}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (b"", None, b"abcdef"),
        (b"b", None, b"bcdef"),
        (b"b", b"d", b"bc"),
        (b"bb", b"dd", b"cd"),
        (b"", b"a", b""),
        (b"f", None, b"f"),
        (b"f\0", None, b""),
        (b"d", b"b", b""),
        (b"", b"", b""),
        (b"", b"zz", b"abcdef"),
        (b"c" * 600, None, b"def"),
        (b"", b"c" * 600, b"abc"),
    ],
)
def test_scan_keeps_its_bounds_in_both_directions(letters, start, end, expected):
    with letters.snapshot() as snapshot, letters.begin() as transaction:
        transaction.put(b"zzz", b"makes the transaction merge")
        transaction.delete(b"zzz")
        for view in (snapshot, transaction):
            assert keys(view.scan(start, end)) == expected
            assert keys(view.scan(start, end, reverse=True)) == expected[::-1]
            assert keys(view.scan(start, end, limit=2)) == expected[:2]
            assert keys(view.scan(start, end, limit=2, reverse=True)) == expected[::-1][:2]
            assert keys(view.scan(start, end, limit=0)) == b""


def test_scan_is_lazy(engine):
    put(engine, **{f"{number:04}": b"" for number in range(500)})
    with engine.snapshot() as snapshot:
        pairs = snapshot.scan(b"", None)
        assert next(pairs)[0] == b"0000"
        assert sum(1 for _ in pairs) == 499
        assert sum(1 for _ in snapshot.scan(b"0100", b"0300", reverse=True)) == 200


def test_empty_values_zero_bytes_and_the_order_of_bytes(engine):
    names = [b"\0", b"\0\0", b"a", b"a\0", b"a\0\0", b"a\x01", b"ab", b"\x80", b"\xff", b"\xff\xff"]
    with engine.begin() as transaction:
        for name in reversed(names):
            transaction.put(name, b"")
        transaction.commit()
    assert everything(engine) == [(name, b"") for name in sorted(names)]
    with engine.snapshot() as snapshot:
        assert snapshot.get(b"a\0") == b""


def test_a_snapshot_stays_as_it_was(letters):
    with letters.snapshot() as before:
        scan = before.scan(b"", None)
        next(scan)
        with letters.begin() as transaction:
            transaction.put(b"a", b"changed")
            transaction.delete(b"b")
            transaction.put(b"bb", b"new")
            transaction.commit()
        assert before.get(b"a") == b"A"
        assert before.get(b"bb") is None
        assert keys(scan) == b"bcdef"
        assert keys(before.scan(b"", None, reverse=True)) == b"fedcba"
    assert everything(letters)[:3] == [(b"a", b"changed"), (b"bb", b"new"), (b"c", b"C")]


def test_a_transaction_sees_its_own_writes_and_others_do_not(letters):
    with letters.begin() as transaction:
        transaction.put(b"a", b"1")
        transaction.put(b"bb", b"2")
        transaction.delete(b"c")
        transaction.delete(b"nothing")
        assert transaction.get(b"a") == b"1"
        assert transaction.get(b"c") is None
        assert transaction.get_many([b"a", b"bb", b"c", b"d"]) == {b"a": b"1", b"bb": b"2", b"d": b"D"}
        seen = [(b"a", b"1"), (b"b", b"B"), (b"bb", b"2"), (b"d", b"D"), (b"e", b"E"), (b"f", b"F")]
        assert list(transaction.scan(b"", None)) == seen
        assert list(transaction.scan(b"", None, reverse=True)) == seen[::-1]
        assert list(transaction.scan(b"b", b"e", limit=2)) == seen[1:3]
        assert list(transaction.scan(b"b", b"e", limit=2, reverse=True)) == [seen[3], seen[2]]
        assert keys(everything(letters)) == b"abcdef"
        transaction.commit()
    assert everything(letters) == seen


def test_leaving_without_commit_rolls_back(letters):
    with letters.begin() as transaction:
        transaction.put(b"a", b"changed")
    with suppress(ZeroDivisionError), letters.begin() as transaction:
        transaction.put(b"a", b"changed")
        raise ZeroDivisionError
    assert everything(letters)[0] == (b"a", b"A")


@pytest.mark.parametrize("change", ["put", "delete"])
def test_two_writers_of_one_key_conflict(letters, change):
    with letters.begin() as first, letters.begin() as second:
        first.put(b"a", b"first")
        second.put(b"other", b"written with it")
        if change == "put":
            second.put(b"a", b"second")
        else:
            second.delete(b"a")
        first.commit()
        with pytest.raises(Conflict):
            second.commit()
    with letters.snapshot() as snapshot:
        assert snapshot.get(b"a") == b"first"
        assert snapshot.get(b"other") is None


def test_writers_of_different_keys_do_not_conflict(letters):
    with letters.begin() as first, letters.begin() as second:
        first.put(b"a", b"1")
        second.put(b"b", b"2")
        first.commit()
        second.commit()
    assert everything(letters)[:2] == [(b"a", b"1"), (b"b", b"2")]


def test_write_skew_passes_without_a_lock(letters):
    with letters.begin() as first, letters.begin() as second:
        first.put(b"a", second.get(b"b") or b"")
        second.put(b"b", first.get(b"a") or b"")
        first.commit()
        second.commit()


@pytest.mark.parametrize("present", [True, False])
def test_a_lock_refuses_write_skew(letters, present):
    guarded = b"a" if present else b"absent"
    with letters.begin() as first, letters.begin() as second:
        first.put(guarded, b"changed")
        second.get(guarded)
        second.lock([guarded])
        second.put(b"b", b"depends on it")
        first.commit()
        with pytest.raises(Conflict):
            second.commit()
    with letters.snapshot() as snapshot:
        assert snapshot.get(b"b") == b"B"


def test_a_lock_alone_is_checked_and_does_not_write(letters):
    with letters.begin() as first, letters.begin() as second, letters.begin() as third:
        second.lock([b"a"])
        third.lock([b"b", b""])
        first.put(b"a", b"changed")
        first.commit()
        with pytest.raises(Conflict):
            second.commit()
        third.commit()


def test_two_locks_on_one_key_do_not_conflict(letters):
    with letters.begin() as first, letters.begin() as second:
        for transaction, key in ((first, b"x"), (second, b"y")):
            transaction.lock([b"a"])
            transaction.put(key, b"")
        first.commit()
        second.commit()
    assert keys(everything(letters)) == b"abcdefxy"


def test_delete_range(letters):
    with letters.begin() as transaction:
        transaction.put(b"bb", b"own")
        transaction.delete_range(b"b", b"e")
        transaction.put(b"c", b"again")
        assert keys(transaction.scan(b"", None)) == b"acef"
        transaction.commit()
    assert keys(everything(letters)) == b"acef"


def test_delete_range_conflicts_with_a_change_inside(letters):
    with letters.begin() as first, letters.begin() as second:
        first.put(b"c", b"changed")
        second.delete_range(b"b", b"e")
        first.commit()
        with pytest.raises(Conflict):
            second.commit()
    assert keys(everything(letters)) == b"abcdef"


def test_insert(letters):
    with letters.begin() as transaction:
        with pytest.raises(KeyExists) as caught:
            transaction.insert(b"a", b"")
        assert caught.value.key == b"a"
        transaction.insert(b"x", b"new")
        with pytest.raises(KeyExists):
            transaction.insert(b"x", b"twice")
        transaction.delete(b"b")
        transaction.insert(b"b", b"after a delete")
        transaction.commit()
    with letters.snapshot() as snapshot:
        assert snapshot.get_many([b"a", b"b", b"x"]) == {
            b"a": b"A",
            b"b": b"after a delete",
            b"x": b"new",
        }


def test_of_two_inserts_of_a_key_one_wins(engine):
    with engine.begin() as first, engine.begin() as second:
        first.insert(b"a", b"first")
        second.insert(b"a", b"second")
        first.commit()
        with pytest.raises(KeyExists):
            second.commit()
    assert everything(engine) == [(b"a", b"first")]


def test_put_many_is_all_or_none(letters):
    with letters.begin() as transaction:
        transaction.put_many({b"a": b"1", b"x": b"2"})
        with pytest.raises(TooLarge):
            transaction.put_many({b"b": b"3", b"": b"4"})
        assert transaction.get_many([b"a", b"b", b"x"]) == {b"a": b"1", b"b": b"B", b"x": b"2"}
        transaction.put_many({})
        transaction.commit()
    assert everything(letters)[:2] == [(b"a", b"1"), (b"b", b"B")]
    assert keys(everything(letters)) == b"abcdefx"


def test_what_is_over_refuses_everything_but_closing(letters):
    snapshot, transaction, committed = letters.snapshot(), letters.begin(), letters.begin()
    transaction.put(b"a", b"lost")
    committed.put(b"b", b"kept")
    committed.commit()
    for view in (snapshot, transaction, committed):
        view.close()
        view.close()
        for use in (lambda view=view: view.get(b"a"), lambda view=view: list(view.scan(b"", None))):
            with pytest.raises(Unavailable):
                use()
    for over in (transaction, committed):
        for use in (
            over.commit,
            lambda over=over: over.put(b"a", b""),
            lambda over=over: over.put_many({b"a": b""}),
            lambda over=over: over.insert(b"new", b""),
            lambda over=over: over.delete(b"a"),
            lambda over=over: over.delete_range(b"a", b"b"),
            lambda over=over: over.lock([b"a"]),
        ):
            with pytest.raises(Unavailable):
                use()


def test_a_value_that_was_changed_back_is_no_conflict(letters):
    with letters.begin() as slow:
        slow.lock([b"a"])
        slow.put(b"b", b"depends on a")
        put(letters, a=b"changed")
        put(letters, a=b"A")
        slow.commit()
    assert everything(letters)[1] == (b"b", b"depends on a")


def test_a_failed_commit_ends_the_transaction(letters):
    with letters.begin() as first, letters.begin() as second:
        first.put(b"a", b"1")
        second.put(b"a", b"2")
        first.commit()
        with pytest.raises(Conflict):
            second.commit()
        with pytest.raises(Unavailable):
            second.commit()


def test_a_closed_engine_refuses_and_its_snapshots_can_be_closed(letters):
    snapshot, transaction = letters.snapshot(), letters.begin()
    transaction.put(b"a", b"lost")
    letters.close()
    letters.close()
    for use in (letters.snapshot, letters.begin, lambda: snapshot.get(b"a"), transaction.commit):
        with pytest.raises(Unavailable):
            use()
    snapshot.close()
    transaction.close()


def test_changes_tell_of_every_commit_where_they_can_be_told(engine):
    before = engine.changes()
    put(engine, a=b"1")
    after = engine.changes()
    assert (before is None and after is None) or before != after
    assert engine.changes() == after
