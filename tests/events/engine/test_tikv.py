"""What the engine on TiKV does beyond the port: its prefix, deadlines, outcomes that were not answered, markers."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

pytest.importorskip("tikv_client")

from contract.errors import InvalidInput
from events.engine import MAX_KEYS_PER_TRANSACTION, Conflict, KeyExists, OutcomeUnknown, TooLarge, Unavailable
from events.engine.tikv import TikvEngine
from events.engine.tikv.connection import Connection
from events.engine.tikv.keyspace import MAX_PREFIX_BYTES, Keyspace
from events.engine.tikv.limits import TikvLimits
from events.engine.tikv.loop import run
from events.engine.tikv.markers import MARKER_LIFETIME_MILLISECONDS, MARKER_NUMBER
from events.engine.tikv.reading import View, current_timestamp
from events.insert import MAX_BYTES_PER_COMMIT
from tests.tikv import PD_ADDRESS, new_tikv_engine

lost = []
"""The transactions that were told to fail; they end with the test, since the library's threads panic otherwise."""


@pytest.fixture(autouse=True)
def end_lost():
    yield

    async def end():
        while lost:
            with suppress(Exception):
                await lost.pop().rollback()

    if lost:
        run(end())


UNREACHED = 'gRPC api error: status: Unavailable, message: "error trying to connect"'


@pytest.fixture
def engine():
    made = new_tikv_engine()
    yield made
    made.close()


def put(engine, key=b"a", value=b"1"):
    with engine.begin() as transaction:
        transaction.put(key, value)
        transaction.commit()


def value(engine, key=b"a"):
    with engine.snapshot() as snapshot:
        return snapshot.get(key)


def markers(engine, whose=None):
    low, high = engine._keyspace.markers(whose)
    timestamp = run(current_timestamp(engine._connection, engine._limits))
    return run(View(engine._connection, timestamp, engine._limits).scan(low, high, 1000))


class Transaction:
    """A transaction of the cluster that is told how to fail; notes how it ended."""

    def __init__(self, real, before, after, ended):
        self._real, self._before, self._after, self._ended = real, before, after, ended
        lost.append(real)

    def __getattr__(self, name):
        return getattr(self._real, name)

    async def commit(self):
        self._ended.append("commit")
        if self._before is not None:
            await self._before(self._real)
        await self._real.commit()
        if self._after is not None:
            await self._after(self._real)

    async def rollback(self):
        self._ended.append("rollback")
        await self._real.rollback()


class Client:
    """The real client, whose next transactions fail: each entry says what happens before and after the commit."""

    def __init__(self, engine):
        self._real = engine._connection.client
        self.failures = []
        self.ended = []
        self.begin_delay = 0.0
        shared = engine._connection
        engine._connection = Connection(shared._pd_addresses, self, shared._connect_seconds)
        engine._markers._connection = engine._committer._connection = engine._connection

    def __getattr__(self, name):
        return getattr(self._real, name)

    async def begin(self):
        real = await self._real.begin()
        before, after = self.failures.pop(0) if self.failures else (None, None)
        await asyncio.sleep(self.begin_delay)
        return Transaction(real, before, after, self.ended)


class PlainError(Exception):
    """As the library raises them: only the text says what went wrong."""


def failing(text):
    async def fail(transaction):
        raise PlainError(text)

    return fail


async def hang(transaction):
    await asyncio.sleep(3600)


def test_two_prefixes_are_apart_even_where_one_begins_with_the_other():
    base = b"test/" + secrets.token_bytes(8)
    engines = [new_tikv_engine(base + tail) for tail in (b"", b"d", b"da", b"\0")]
    for number, engine in enumerate(engines):
        put(engine, b"a", b"%d" % number)
        put(engine, b"\xff" * 511, b"last")
    for number, engine in enumerate(engines):
        with engine.snapshot() as snapshot:
            assert list(snapshot.scan(b"", None)) == [(b"a", b"%d" % number), (b"\xff" * 511, b"last")]
        engine.close()


def test_a_prefix_has_a_limit():
    Keyspace(b"p" * MAX_PREFIX_BYTES)
    with pytest.raises(InvalidInput, match="prefix"):
        Keyspace(b"p" * (MAX_PREFIX_BYTES + 1))


def test_a_transaction_has_a_limit_of_bytes():
    engine = new_tikv_engine(max_bytes_per_transaction=100)
    put(engine, b"a", b"")
    with engine.begin() as transaction:
        transaction.put(b"a", b"v" * 100)
        with pytest.raises(TooLarge, match="bytes"):
            transaction.commit()
    assert value(engine) == b""
    engine.close()


def test_as_many_keys_as_a_transaction_may_have_with_as_many_bytes_as_a_group_commit(engine):
    value = b"v" * (MAX_BYTES_PER_COMMIT // MAX_KEYS_PER_TRANSACTION)
    pairs = {b"%05d" % number: value for number in range(MAX_KEYS_PER_TRANSACTION)}
    with engine.begin() as transaction:
        transaction.put_many(pairs)
        transaction.commit()
    with engine.snapshot() as snapshot:
        assert dict(snapshot.scan(b"", None)) == pairs


@pytest.mark.parametrize(
    "text", [UNREACHED, "Whether the transaction is committed or not is undetermined", "new"]
)
def test_a_commit_whose_answer_was_lost_took_place(engine, text):
    client = Client(engine)
    client.failures = [(None, failing(text))]
    put(engine)
    assert value(engine) == b"1"
    # A rollback could undo a part of it.
    assert client.ended == ["commit", "rollback"]


@pytest.mark.parametrize("text", [UNREACHED, "new"])
def test_a_commit_that_never_arrived_is_ruled_out(engine, text):
    client = Client(engine)
    client.failures = [(failing(text), None)]
    with pytest.raises(Unavailable, match="nothing was written"):
        put(engine)
    assert value(engine) is None
    assert client.ended == ["commit", "commit"]
    put(engine)
    assert value(engine) == b"1"


def test_once_ruled_out_a_commit_that_comes_late_fails(engine):
    late = []

    async def keep(transaction):
        late.append(transaction)
        raise PlainError(UNREACHED)

    Client(engine).failures = [(keep, None)]
    with pytest.raises(Unavailable):
        put(engine)

    async def arrive():
        try:
            await late[0].commit()
        finally:
            await late[0].rollback()

    with pytest.raises(Exception, match="WriteConflict"):
        run(arrive())
    assert value(engine) is None


def test_the_question_is_asked_again_until_it_is_answered(engine):
    client = Client(engine)
    client.failures = [(failing("lost"), None), (None, failing("lost")), (failing("lost"), None)]
    with pytest.raises(Unavailable, match="nothing was written"):
        put(engine)
    client.failures = [(None, failing("lost"))]
    put(engine, value=b"2")
    assert value(engine) == b"2"


def test_an_outcome_that_nobody_can_tell_is_unknown():
    engine = new_tikv_engine(commit_seconds=0.2, resolve_seconds=-2.0)
    client = Client(engine)
    client.failures = [(hang, None)] * 50
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        put(engine)
    assert time.monotonic() - began < 4
    client.failures = []
    put(engine, value=b"2")
    assert value(engine) == b"2"
    engine.close()


@pytest.mark.parametrize("done", [True, False])
def test_a_commit_that_hangs_ends_at_its_deadline(done):
    engine = new_tikv_engine(commit_seconds=0.3)
    Client(engine).failures = [(None, hang) if done else (hang, None)]
    if done:
        put(engine)
    else:
        with pytest.raises(Unavailable):
            put(engine)
    assert value(engine) == (b"1" if done else None)
    engine.close()


def test_a_transaction_that_begins_too_late_is_rolled_back():
    engine = new_tikv_engine(commit_seconds=0.1)
    client = Client(engine)
    client.begin_delay = 0.3
    with pytest.raises(Unavailable, match="in time"):
        put(engine)

    async def wait():
        while not client.ended:  # noqa: ASYNC110 — nothing tells of it
            await asyncio.sleep(0.01)

    run(asyncio.wait_for(wait(), 5))
    assert client.ended == ["rollback"]
    engine.close()


def test_a_refused_commit_is_rolled_back_and_its_slot_used_again(engine):
    client = Client(engine)
    put(engine)
    for number in range(3):
        with engine.begin() as loser:
            loser.put(b"a", b"loser")
            put(engine, value=b"%d" % number)
            with pytest.raises(Conflict):
                loser.commit()
        with engine.begin() as loser:
            loser.insert(b"new%d" % number, b"")
            put(engine, b"new%d" % number)
            with pytest.raises(KeyExists) as caught:
                loser.commit()
            assert caught.value.key == b"new%d" % number
    assert client.ended.count("rollback") == 6
    assert len(markers(engine, engine._markers._opened_at)) == 1


def test_markers_do_not_pile_up():
    prefix = b"test/" + secrets.token_bytes(8)
    engine = new_tikv_engine(prefix)
    for number in range(20):
        put(engine, value=b"%d" % number)
    assert len(markers(engine)) == 1
    racing = [threading.Thread(target=put, args=(engine, b"%d" % number)) for number in range(8)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert len(markers(engine)) <= 8
    # One that was killed a long time ago, and one that was killed just now.
    now = engine._markers._opened_at
    old = now - ((MARKER_LIFETIME_MILLISECONDS + 1000) << 18)

    async def leave_markers():
        transaction = await engine._connection.client.begin()
        for opened_at, used_at in ((old, old), (old + 1, now), (now - 1, old)):
            await transaction.put(engine._keyspace.marker(opened_at, 0), MARKER_NUMBER.pack(used_at))
        await transaction.commit()

    run(leave_markers())
    engine.close()
    other = new_tikv_engine(prefix)
    whose = [other._keyspace.marker_engine(key) for key, _ in markers(other)]
    assert whose == [old + 1, now - 1]
    other.close()


def test_nobody_there_is_unavailable_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Unavailable, match="within"):
            TikvEngine.open([address], b"test/", TikvLimits(connect_seconds=0.3))
        assert time.monotonic() - began < 2
    with pytest.raises(Unavailable):
        TikvEngine.open([address], b"test/", TikvLimits(connect_seconds=2.0))


FORKED = """
import os, sys
from events.engine import Unavailable
from events.engine.tikv import TikvEngine

engine = TikvEngine.open([sys.argv[1]], b"test/forked")
child = os.fork()
if child == 0:
    for use in (engine.snapshot, engine.begin, lambda: TikvEngine.open([sys.argv[1]], b"test/forked")):
        try:
            use()
        except Unavailable as error:
            assert "forked" in str(error)
        else:
            os._exit(1)
    os._exit(0)
_, status = os.waitpid(child, 0)
with engine.begin() as transaction:
    transaction.put(b"a", b"the parent still works")
    transaction.commit()
engine.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_process_is_told_so():
    new_tikv_engine().close()
    done = subprocess.run(
        [sys.executable, "-c", FORKED, PD_ADDRESS],
        timeout=30,
        check=False,
        capture_output=True,
        cwd=os.getcwd(),
    )
    assert (done.returncode, done.stderr) == (0, b"")
