"""Two interleaved transactions on each adapter, against a model made of plain dictionaries."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from events.engine import Conflict, KeyExists
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from tests.tikv import new_tikv_engine

KEYS = st.sampled_from([b"a", b"a\0", b"ab", b"b", b"c", b"\xff"])
VALUES = st.sampled_from([b"", b"1", b"2", b"\0"])
BOUNDS = st.sampled_from([b"", b"a", b"a\0\0", b"b", b"bb", b"\xff\xff"])
WHICH = st.sampled_from([0, 1])


class Model:
    def __init__(self, committed):
        self.snapshot = dict(committed)
        self.view = dict(committed)
        self.written = set()
        self.locked = set()


class TwoTransactions(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engines = self.make_engines()
        self.committed = {}
        self.models = [None, None]
        self.transactions = [None, None]

    def make_engines(self):
        return [MemoryEngine(), LmdbEngine(Path(self.folder.name), map_size_bytes=2**24)]

    def teardown(self):
        for transactions in self.transactions:
            for transaction in transactions or ():
                transaction.close()
        for engine in self.engines:
            engine.close()
        self.folder.cleanup()

    def using(self, which):
        if self.models[which] is None:
            self.models[which] = Model(self.committed)
            self.transactions[which] = [engine.begin() for engine in self.engines]
        return self.models[which], self.transactions[which]

    @rule(which=WHICH)
    def begin(self, which):
        self.using(which)

    @rule(which=WHICH, key=KEYS, value=VALUES)
    def put(self, which, key, value):
        model, transactions = self.using(which)
        for transaction in transactions:
            transaction.put(key, value)
        model.view[key] = value
        model.written.add(key)

    @rule(which=WHICH, key=KEYS, value=VALUES)
    def insert(self, which, key, value):
        model, transactions = self.using(which)
        for transaction in transactions:
            try:
                transaction.insert(key, value)
            except KeyExists:
                assert key in model.view
            else:
                assert key not in model.view
        if key not in model.view:
            model.view[key] = value
            model.written.add(key)

    @rule(which=WHICH, key=KEYS)
    def delete(self, which, key):
        model, transactions = self.using(which)
        for transaction in transactions:
            transaction.delete(key)
        model.view.pop(key, None)
        model.written.add(key)

    @rule(which=WHICH, start=BOUNDS, end=BOUNDS)
    def delete_range(self, which, start, end):
        model, transactions = self.using(which)
        for transaction in transactions:
            transaction.delete_range(start, end)
        for key in [key for key in model.view if start <= key < end]:
            del model.view[key]
            model.written.add(key)

    @rule(which=WHICH, key=KEYS)
    def lock(self, which, key):
        model, transactions = self.using(which)
        for transaction in transactions:
            transaction.lock([key])
        model.locked.add(key)

    @rule(
        which=WHICH,
        start=BOUNDS,
        end=st.none() | BOUNDS,
        limit=st.none() | st.integers(0, 4),
        reverse=st.booleans(),
    )
    def scan(self, which, start, end, limit, reverse):
        model, transactions = self.using(which)
        inside = [pair for pair in model.view.items() if start <= pair[0] and (end is None or pair[0] < end)]
        expected = sorted(inside, reverse=reverse)[:limit]
        for transaction in transactions:
            assert list(transaction.scan(start, end, limit=limit, reverse=reverse)) == expected

    @rule(which=WHICH, key=KEYS)
    def get(self, which, key):
        model, transactions = self.using(which)
        for transaction in transactions:
            assert transaction.get(key) == model.view.get(key)

    @precondition(lambda self: any(self.models))
    @rule(which=WHICH)
    def commit(self, which):
        model, transactions = self.using(which)
        guarded = model.written | model.locked
        refused = any(self.committed.get(key) != model.snapshot.get(key) for key in guarded)
        for transaction in transactions:
            try:
                transaction.commit()
            except (Conflict, KeyExists):
                assert refused
            else:
                assert not refused
        if not refused:
            for key in model.written:
                self.committed.pop(key, None)
                if key in model.view:
                    self.committed[key] = model.view[key]
        self.models[which] = self.transactions[which] = None

    @rule(which=WHICH)
    def roll_back(self, which):
        _, transactions = self.using(which)
        for transaction in transactions:
            transaction.close()
        self.models[which] = self.transactions[which] = None

    @invariant()
    def hold_what_was_committed(self):
        for engine in self.engines:
            with engine.snapshot() as snapshot:
                assert list(snapshot.scan(b"", None)) == sorted(self.committed.items())


TwoTransactions.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTwoTransactions = TwoTransactions.TestCase


class OnTikv(TwoTransactions):
    def make_engines(self):
        return [new_tikv_engine()]


OnTikv.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestOnTikv = OnTikv.TestCase
