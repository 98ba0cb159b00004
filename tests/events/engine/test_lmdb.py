import gc
import os
import random
import signal
import subprocess
import sys
import threading

import lmdb
import pytest

from contract.errors import DecodeError
from events.engine import Unavailable
from events.engine.lmdb import DamagedFile, LmdbEngine

WRITER = """
import sys
from pathlib import Path
from events.engine.lmdb import LmdbEngine
engine = LmdbEngine(Path(sys.argv[1]))
with engine.snapshot() as snapshot:
    number = 1 + max((int(key) for key, _ in snapshot.scan(b"", None)), default=-1)
while True:
    with engine.begin() as transaction:
        transaction.put(b"%012d" % number, b"v" * (number % 3000))
        transaction.commit()
    print(number, flush=True)
    number += 1
"""

HOLDER = """
import sys
from pathlib import Path
from events.engine.lmdb import LmdbEngine
engine = LmdbEngine(Path(sys.argv[1]))
snapshots = [engine.snapshot() for _ in range(20)]
print("holding", flush=True)
sys.stdin.read()
"""


def start(program, folder):
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
    )


def put(engine, key, value):
    with engine.begin() as transaction:
        transaction.put(key, value)
        transaction.commit()


def get(engine, key):
    with engine.snapshot() as snapshot:
        return snapshot.get(key)


def test_survives_reopening(tmp_path):
    engine = LmdbEngine(tmp_path / "deep" / "folder")
    put(engine, b"a", b"1")
    engine.close()
    engine = LmdbEngine(tmp_path / "deep" / "folder")
    assert get(engine, b"a") == b"1"
    engine.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_loses_no_acknowledged_commit(tmp_path, seed):
    rounds = random.Random(seed)
    acknowledged = -1
    for _ in range(3):
        writer = start(WRITER, tmp_path)
        for _ in range(rounds.randrange(1, 60)):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            acknowledged = int(line) if line.endswith("\n") else acknowledged
        writer.wait()
        writer.stdin.close()
        writer.stdout.close()
        engine = LmdbEngine(tmp_path)
        with engine.snapshot() as snapshot:
            found = [(int(key), len(value)) for key, value in snapshot.scan(b"", None)]
        engine.close()
        assert len(found) >= acknowledged + 1
        assert found == [(number, number % 3000) for number in range(len(found))]


def test_another_process_reads_while_one_writes(tmp_path):
    engine = LmdbEngine(tmp_path)
    writer = start(WRITER, tmp_path)
    try:
        for _ in range(5):
            number = int(writer.stdout.readline())
            assert get(engine, b"%012d" % number) == b"v" * number
        put(engine, b"-1", b"ours")
        assert get(engine, b"-1") == b"ours"
        assert int(writer.stdout.readline()) >= 5
    finally:
        writer.kill()
        writer.communicate()
        engine.close()


def test_snapshots_of_a_killed_process_are_cleared(tmp_path):
    keeper = LmdbEngine(tmp_path, max_snapshots=24)
    holder = start(HOLDER, tmp_path)
    assert holder.stdout.readline() == "holding\n"
    held = []
    with pytest.raises(Unavailable, match="snapshot"):
        held.extend(keeper.snapshot() for _ in range(24))
    holder.kill()
    holder.communicate()
    held.extend(keeper.snapshot() for _ in range(10))
    assert all(snapshot.get(b"a") is None for snapshot in held)
    keeper.close()


def test_opening_clears_what_killed_processes_left(tmp_path):
    alive, killed = start(HOLDER, tmp_path), start(HOLDER, tmp_path)
    assert alive.stdout.readline() == killed.stdout.readline() == "holding\n"
    killed.kill()
    killed.communicate()
    engine = LmdbEngine(tmp_path)
    readers = engine._environment.readers()
    engine.close()
    alive.communicate()
    assert str(alive.pid) in readers
    assert str(killed.pid) not in readers


def test_abandoned_snapshots_give_their_slots_back(tmp_path):
    engine = LmdbEngine(tmp_path, max_snapshots=8)
    put(engine, b"a", b"1")
    for _ in range(200):
        engine.snapshot().get(b"a")
        transaction = engine.begin()
        transaction.put(b"b", b"2")
        next(transaction.scan(b"", None))
    del transaction
    for _ in range(20):
        cycle = [engine.snapshot() for _ in range(4)]
        cycle.append(cycle)
        del cycle
        gc.collect()
    engine.close()
    LmdbEngine(tmp_path).close()


def test_the_folder_can_be_opened_once_a_process(tmp_path):
    engine = LmdbEngine(tmp_path)
    with pytest.raises(Unavailable, match="already open"):
        LmdbEngine(tmp_path)
    put(engine, b"a", b"1")
    engine.close()


def test_a_full_map_writes_nothing_and_leaves_the_engine_usable(tmp_path):
    engine = LmdbEngine(tmp_path, map_size_bytes=256 * 1024)
    put(engine, b"a", b"1")
    with engine.begin() as transaction:
        transaction.put(b"a", b"2")
        for number in range(10):
            transaction.put(b"%d" % number, b"v" * 100_000)
        with pytest.raises(Unavailable, match="map_size_bytes"):
            transaction.commit()
    assert get(engine, b"a") == b"1"
    put(engine, b"a", b"3")
    engine.close()
    engine = LmdbEngine(tmp_path)
    put(engine, b"large", b"v" * 1_000_000)
    assert get(engine, b"a") == b"3"
    engine.close()


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    engine = LmdbEngine(folder)
    with engine.begin() as transaction:
        for number in range(2000):
            transaction.put(b"%05d" % number, b"v" * 100)
        transaction.commit()
    engine.close()
    return (folder / "data.mdb").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"hello",
        lambda data: b"hello world" * 10_000,
        lambda data: bytes(len(data)),
        lambda data: random.Random(0).randbytes(len(data)),
        lambda data: data[:20] + b"\x09" + data[21:],
        lambda data: data[:100],
        lambda data: data[:4096],
        lambda data: data[:8192],
        lambda data: data[: len(data) // 2],
        lambda data: data[: len(data) - 4096],
    ],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path, sound_file, damage):
    (tmp_path / "data.mdb").write_bytes(damage(sound_file))
    with pytest.raises(DamagedFile) as caught:
        LmdbEngine(tmp_path)
    assert isinstance(caught.value, DecodeError)
    (tmp_path / "data.mdb").write_bytes(sound_file)
    engine = LmdbEngine(tmp_path)
    assert get(engine, b"01999") == b"v" * 100
    engine.close()


def test_a_file_that_lacks_only_freed_pages_opens(tmp_path):
    with lmdb.Environment(str(tmp_path), map_size=2**24) as environment:
        for change in (lambda w, key: w.put(key, b"v" * 1000), lambda w, key: w.delete(key)):
            with environment.begin(write=True) as writer:
                writer.put(b"a", b"1")
                for number in range(200):
                    change(writer, b"k%05d" % number)
        # These move what is still in use to the front.
        for number in range(5):
            with environment.begin(write=True) as writer:
                writer.put(b"b", b"%d" % number)
    data = (tmp_path / "data.mdb").read_bytes()
    (tmp_path / "data.mdb").write_bytes(data[: len(data) // 2])
    engine = LmdbEngine(tmp_path)
    assert get(engine, b"a") == b"1"
    put(engine, b"b", b"2")
    engine.close()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "engine").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot be opened"):
        LmdbEngine(tmp_path / "engine")


def test_closing_lets_the_file_go_with_the_last_snapshot(tmp_path):
    engine = LmdbEngine(tmp_path)
    put(engine, b"a", b"1")
    snapshot = engine.snapshot()
    scan = snapshot.scan(b"", None)
    engine.close()
    with pytest.raises(Unavailable):
        next(scan)
    with pytest.raises(Unavailable, match="already open"):
        LmdbEngine(tmp_path)
    snapshot.close()
    again = LmdbEngine(tmp_path)
    assert get(again, b"a") == b"1"
    again.close()


def test_closing_under_threads_that_scan(tmp_path):
    engine = LmdbEngine(tmp_path)
    with engine.begin() as transaction:
        for number in range(2000):
            transaction.put(b"%05d" % number, b"v" * 100)
        transaction.commit()
    ready = threading.Barrier(4)
    counts = []

    def scan():
        with engine.snapshot() as snapshot:
            pairs = snapshot.scan(b"", None)
            next(pairs)
            ready.wait()
            counts.append(1 + sum(1 for _ in pairs))

    threads = [threading.Thread(target=scan) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    engine.close()
    for thread in threads:
        thread.join()
    assert counts == [2000] * 3
    LmdbEngine(tmp_path).close()
