"""What every engine must do at its limits, and with much at a time; each test runs on all adapters."""

import pytest

from events.engine import MAX_KEY_BYTES, MAX_KEYS_PER_TRANSACTION, MAX_VALUE_BYTES, TooLarge, Unavailable


def everything(engine):
    with engine.snapshot() as snapshot:
        return list(snapshot.scan(b"", None))


def test_limits(engine):
    longest, largest = b"k" * MAX_KEY_BYTES, b"v" * MAX_VALUE_BYTES
    with engine.begin() as transaction:
        for write in (transaction.put, transaction.insert):
            for key, value in ((b"", b""), (longest + b"k", b""), (b"k", largest + b"v")):
                with pytest.raises(TooLarge):
                    write(key, value)
        transaction.put(longest, largest)
        transaction.delete(b"")
        transaction.delete(longest + b"k")
        transaction.commit()
    with engine.snapshot() as snapshot:
        assert snapshot.get(longest) == largest
        assert snapshot.get(longest + b"k") is None
        assert snapshot.get(b"") is None
    assert everything(engine) == [(longest, largest)]


def test_a_transaction_has_a_limit_of_keys(engine):
    # Half of them where they are: on a cluster both ends of its keys belong to other regions.
    names = [
        bytes([end]) + b"%04d" % number for end in (1, 255) for number in range(MAX_KEYS_PER_TRANSACTION // 2)
    ]
    with engine.begin() as transaction:
        transaction.put_many(dict.fromkeys(names[2:], b"1"))
        transaction.delete(names[0])
        transaction.lock([names[1], names[2]])
        transaction.commit()
    assert [key for key, _ in everything(engine)] == names[2:]
    for one_more in (lambda: transaction.put(b"more", b""), lambda: transaction.lock([b"more"])):
        with engine.begin() as transaction:
            transaction.put_many(dict.fromkeys(names, b"2"))
            one_more()
            with pytest.raises(TooLarge, match="keys"):
                transaction.commit()
            with pytest.raises(Unavailable):
                transaction.commit()
    with engine.begin() as transaction:
        transaction.put(b"more", b"")
        transaction.delete_range(b"", b"\xff" * 9)
        transaction.delete(b"\xff" * 9)
        transaction.lock([b"beside"])
        with pytest.raises(TooLarge):
            transaction.commit()
    assert everything(engine) == [(name, b"1") for name in names[2:]]


@pytest.fixture
def large_values(engine):
    """Ten values of the largest size between small ones: far more than fits into one answer of a cluster."""
    pairs = {
        b"%02d" % number: b"%d" % number * (MAX_VALUE_BYTES if number % 3 == 0 else 1) for number in range(30)
    }
    pairs = {key: value[:MAX_VALUE_BYTES] for key, value in pairs.items()}
    for key, value in pairs.items():
        with engine.begin() as transaction:
            transaction.put(key, value)
            transaction.commit()
    return pairs


def test_reads_of_many_large_values(engine, large_values):
    assert everything(engine) == list(large_values.items())
    with engine.snapshot() as snapshot, engine.begin() as transaction:
        assert list(snapshot.scan(b"", None, reverse=True)) == list(large_values.items())[::-1]
        assert snapshot.get_many(large_values) == large_values
        assert transaction.get_many(large_values) == large_values
        transaction.delete_range(b"", b"\xff")
        transaction.commit()
    assert everything(engine) == []


def test_ranges_of_many_keys(engine):
    names = [b"many/%d/%04d" % (block, number) for block in (0, 1, 7) for number in range(700)]
    for first in range(0, len(names), 700):
        with engine.begin() as transaction:
            for name in names[first : first + 700]:
                transaction.put(name, name)
            transaction.commit()
    expected = [(name, name) for name in names]
    with engine.snapshot() as snapshot:
        assert list(snapshot.scan(b"", None)) == expected
        assert list(snapshot.scan(b"", None, reverse=True)) == expected[::-1]
        assert list(snapshot.scan(b"many/1", b"many/7/0100", limit=705)) == expected[700:1405]
        assert list(snapshot.scan(b"many/1", None, limit=705, reverse=True)) == expected[::-1][:705]
        assert list(snapshot.scan(b"many/0/0690", b"many/1/0010", reverse=True)) == expected[690:710][::-1]
        assert snapshot.get_many(names) == dict(expected)
    with engine.begin() as transaction:
        transaction.delete_range(b"many/0/0100", b"many/7/0100")
        transaction.commit()
    assert everything(engine) == expected[:100] + expected[1500:]


def test_keys_of_zeros_are_read_in_both_directions(engine):
    names = [b"\0" * length for length in range(1, MAX_KEY_BYTES + 1)]
    with engine.begin() as transaction:
        for name in names:
            transaction.put(name, b"")
        transaction.commit()
    with engine.snapshot() as snapshot:
        assert [key for key, _ in snapshot.scan(b"", None)] == names
        assert [key for key, _ in snapshot.scan(b"", None, reverse=True)] == names[::-1]
        assert [key for key, _ in snapshot.scan(names[5], names[9], reverse=True)] == names[5:9][::-1]
