"""A cluster under load whose store, placement driver and writers are killed: nothing acknowledged is lost or doubled.

`MU_TEST_TIKV` names the script that starts and stops a cluster: `SCRIPT up FOLDER PD_PORT STORE_PORT PEER_PORT`.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import zlib

import pytest

pytest.importorskip("tikv_client")

from events.catalogue import NodeJoined, NodeSource
from events.engine import Unavailable
from events.engine.tikv import TikvEngine
from events.engine.tikv.limits import TikvLimits
from events.entries import EngineFailure
from events.log import Log, StreamConflict
from events.node import node_hash
from events.recorder import EngineProcessRecorder
from events.streams import node_stream
from events.verify import verify
from tests.tikv_cluster import SCRIPT, Cluster

ROUNDS = 10
LOAD_SECONDS = 1.0
WRITERS = 3
THREADS = 4
"""Of each writer."""
MAX_STUCK_SECONDS = 8.0
"""A dead writer's locks hold for 3 seconds; the library asks 10 times, then we ask again."""
MAX_UNREACHED_SECONDS = 15.0
"""A placement driver that was killed takes the library up to 6 seconds, and then a commit may have to be settled."""

pytestmark = pytest.mark.skipif(not SCRIPT, reason="set MU_TEST_TIKV to the script that starts a cluster")

WRITER = "import sys; from tests.events.engine.test_tikv_crashes import write; write(*sys.argv[1:])"


def join(public_key):
    """That a node with this key has joined: what belongs in the stream of the key."""
    generation = zlib.crc32(public_key.encode())
    node = node_hash("10.0.0.1", 7000, generation)
    joined = NodeJoined(
        node=node, address="10.0.0.1", port=7000, generation=generation, public_key=public_key
    )
    return NodeSource(node, generation), joined


def write(address, prefix, name):
    """What a writer's process does until it is killed: four threads append, each to a stream of its own, and print each
    version that is recorded, with its position where they were told that.
    """
    while True:
        try:
            log = open_log(TikvEngine.open([address], bytes.fromhex(prefix)))
            break
        except Unavailable:
            time.sleep(0.1)

    def write_stream(key):
        version, stream, event = 0, node_stream(key), join(key)
        while True:
            position = None
            try:
                [position] = log.append(stream, version, [event])
            except EngineFailure:
                # Once more: it is refused if it is there already.
                time.sleep(0.05)
                continue
            except StreamConflict:
                # Nobody else writes to this stream.
                pass
            version += 1
            os.write(1, (json.dumps([stream, version, position]) + "\n").encode())

    for number in range(THREADS):
        threading.Thread(target=write_stream, args=(f"{name}/{number}",)).start()


def open_log(engine):
    return Log(EngineProcessRecorder(engine), now=lambda: 0)


HALF_COMMITTED = """
import asyncio, sys
from events.engine.tikv import TikvEngine
from events.engine.tikv.loop import run

engine = TikvEngine.open([sys.argv[1]], bytes.fromhex(sys.argv[2]))

async def commit():
    transaction = await engine._connection.client.begin()
    for key in (b"a", b"b"):
        await transaction.put(engine._keyspace.inner(key), b"dead")
    print("begun", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await transaction.commit()

run(commit())
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("tikv"))
    yield made
    made.stop()


def start_writers(cluster, prefix, names, outputs):
    writers = {}
    for name in names:
        command = [sys.executable, "-c", WRITER, cluster.address, prefix.hex(), name]
        with (outputs / name).open("wb") as output, (outputs / f"{name}.errors").open("wb") as errors:
            writers[outputs / name] = subprocess.Popen(command, stdout=output, stderr=errors)
    return writers


def end(writers):
    """Kill them all at once."""
    for writer in writers.values():
        writer.kill()
    while writers:
        writers.popitem()[1].wait()


def acknowledgements(output):
    """What a writer was told is recorded; it may have been killed in the middle of a line."""
    return [tuple(json.loads(line)) for line in output.read_text().splitlines() if line.endswith("]")]


def wait_for_more(outputs, after):
    """Wait until every writer has been told of more than it had been told of `after` so many."""
    deadline = time.monotonic() + 30
    while any(len(acknowledgements(output)) <= after[output] for output in outputs):
        assert time.monotonic() < deadline, "a writer does not write"
        time.sleep(0.02)


def seconds_until_done(act):
    """How long it takes until `act` succeeds, tried again and again."""
    began = time.monotonic()
    while True:
        try:
            act()
        except (Unavailable, EngineFailure):
            assert time.monotonic() - began < 60
        except StreamConflict:
            # An attempt whose outcome was unknown took place.
            return time.monotonic() - began
        else:
            return time.monotonic() - began


def read_everything(engine):
    with engine.snapshot() as snapshot:
        return list(snapshot.scan(b"", None))


def put(engine):
    with engine.begin() as transaction:
        transaction.put(b"a", b"1")
        transaction.commit()


def test_every_acknowledged_append_is_recorded_exactly_once(cluster, tmp_path):
    prefix = b"crash/" + secrets.token_bytes(8)
    engine = TikvEngine.open([cluster.address], prefix)
    recorder = EngineProcessRecorder(engine)
    log = open_log(engine)
    stuck = {}
    writers = {}
    for turn in range(ROUNDS):
        if not writers:
            names = [f"{turn}-{number}" for number in range(WRITERS)]
            writers = start_writers(cluster, prefix, names, tmp_path)
            wait_for_more(writers, dict.fromkeys(writers, 0))
        time.sleep(LOAD_SECONDS * secrets.randbelow(100) / 100)
        # They are all at it at this moment.
        wait_for_more(writers, {output: len(acknowledgements(output)) for output in writers})
        victim = ("store", "pd", "writers")[turn % 3]
        if victim == "writers":
            end(writers)
        else:
            command = cluster.kill(victim)
            time.sleep(0.2)
            before = {output: len(acknowledgements(output)) for output in writers}
            cluster.start(victim, command)
        began = time.monotonic()
        # The head, which everybody writes, and then every key: a lock on any of them would hold this up.
        seconds_until_done(lambda: log.append(node_stream("probe"), turn, [join("probe")]))  # noqa: B023
        seconds_until_done(lambda: read_everything(engine))
        stuck[turn, victim] = time.monotonic() - began
        if writers:
            # They go on by themselves.
            wait_for_more(writers, before)
    end(writers)
    for (_, victim), seconds in stuck.items():
        assert seconds < (MAX_UNREACHED_SECONDS if victim == "pd" else MAX_STUCK_SECONDS), stuck

    seconds_until_done(recorder.head)
    head = verify(recorder)
    recorded = {
        (record.stream, record.version): position for position, record in recorder.records(1, head.position)
    }
    assert len(recorded) == head.position
    done = [one for output in tmp_path.glob("*-?") for one in acknowledgements(output)]
    assert len(done) == len({(stream, version) for stream, version, _ in done})
    assert len(done) > ROUNDS * WRITERS * 10
    for stream, version, position in done:
        assert position in (recorded[stream, version], None)
    assert sum(position is None for _, _, position in done) <= ROUNDS * WRITERS * THREADS * 2
    # What is recorded without an acknowledgement is the last that each killed thread tried.
    assert len(recorded) - len(done) <= ROUNDS * (WRITERS * THREADS + 1)
    engine.close()


def test_a_writer_that_dies_in_its_commit_holds_others_up_for_seconds_only(cluster):
    prefix = b"half/" + secrets.token_bytes(8)
    engine = TikvEngine.open([cluster.address], prefix)
    seconds_until_done(lambda: put(engine))
    command = [sys.executable, "-c", HALF_COMMITTED, cluster.address, prefix.hex()]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"begun\n"
    # A commit takes a timestamp after it has set its locks.
    os.kill(cluster.pid("pd"), signal.SIGSTOP)
    try:
        writer.stdin.write(b"\n")
        writer.stdin.flush()
        time.sleep(0.5)
        writer.kill()
        writer.communicate()
    finally:
        os.kill(cluster.pid("pd"), signal.SIGCONT)
    with engine.begin() as transaction:
        began = time.monotonic()
        assert transaction.get_many([b"a", b"b"]) == {b"a": b"1"}
        assert 0.5 < time.monotonic() - began < MAX_STUCK_SECONDS
        transaction.put(b"b", b"2")
        transaction.commit()
    engine.close()


def test_a_store_that_hangs_is_unavailable_in_time(cluster):
    limits = TikvLimits(read_seconds=1.0, commit_seconds=1.0, resolve_seconds=-1.0)
    engine = TikvEngine.open([cluster.address], b"hung/" + secrets.token_bytes(8), limits)
    seconds_until_done(lambda: put(engine))
    for name in ("store", "pd"):
        os.kill(cluster.pid(name), signal.SIGSTOP)
        began = time.monotonic()
        try:
            with pytest.raises(Unavailable):
                put(engine)
            assert time.monotonic() - began < 4
            if name == "pd":
                with pytest.raises(Unavailable):
                    engine.snapshot()
        finally:
            os.kill(cluster.pid(name), signal.SIGCONT)
        assert seconds_until_done(lambda: put(engine)) < 20
    engine.close()


def test_a_store_that_hangs_in_the_middle_of_commits_leaves_no_doubt(cluster):
    engine = TikvEngine.open(
        [cluster.address], b"middle/" + secrets.token_bytes(8), TikvLimits(commit_seconds=1.0)
    )
    seconds_until_done(lambda: put(engine))
    outcomes = {}
    stop = threading.Event()

    def write(number):
        for turn in range(100_000):
            if stop.is_set():
                return
            key = b"%d/%d" % (number, turn)
            try:
                with engine.begin() as transaction:
                    transaction.insert(key, b"")
                    transaction.commit()
            except Unavailable:
                outcomes[key] = False
            else:
                outcomes[key] = True

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.3)
        os.kill(cluster.pid("store"), signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(cluster.pid("store"), signal.SIGCONT)
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join(60)
    with engine.snapshot() as snapshot:
        present = {key for key, _ in snapshot.scan(b"0", b":")}
    assert present == {key for key, written in outcomes.items() if written}
    assert False in outcomes.values()
    engine.close()
