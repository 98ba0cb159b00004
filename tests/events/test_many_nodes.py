"""Many nodes, each a process, see the same events of the chain: exactly one of them records each, in order."""

import secrets
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from events.catalogue import NodeJoined, NodeSource
from events.engine import Engine
from events.engine.lmdb import LmdbEngine
from events.log import StreamConflict
from events.node import node_hash
from events.recorder import EngineProcessRecorder
from events.verify import verify
from tests.entries import joined, open_log, place_of
from tests.tikv import PD_ADDRESS, new_tikv_engine

NODES = 8
EVENTS = 40
STREAM = place_of(joined(0))
TIMEOUT_SECONDS = 100
NODE = "import sys; from tests.events.test_many_nodes import record_all; record_all(*sys.argv[1:])"


def open_engine(kind: str, place: str) -> Engine:
    return LmdbEngine(Path(place)) if kind == "lmdb" else new_tikv_engine(place.encode())


def seen(number: int) -> NodeJoined:
    """What every node sees in its place."""
    return msgspec.structs.replace(joined(0), node=node_hash("10.0.0.1", 7000, number), generation=number)


def record_all(kind: str, place: str) -> None:
    """What one node does: it records every event that no other was faster to record. Prints how many it did."""
    engine = open_engine(kind, place)
    log = open_log(engine)
    recorded = 0
    for number in range(EVENTS):
        event = seen(number)
        try:
            log.append(STREAM, number, [(NodeSource(event.node, number), event)])
            recorded += 1
        except StreamConflict:
            assert log.version(STREAM) > number
    print(recorded)
    engine.close()


@pytest.mark.parametrize("kind", ["lmdb", "tikv"])
def test_each_event_is_recorded_by_exactly_one_node(kind: str, tmp_path: Path):
    if kind == "tikv" and not PD_ADDRESS:
        pytest.skip("set MU_TEST_PD=host:port to a TiKV cluster's placement driver")
    place = str(tmp_path) if kind == "lmdb" else f"test/{secrets.token_hex(8)}"
    nodes = [
        subprocess.Popen([sys.executable, "-c", NODE, kind, place], stdout=subprocess.PIPE, text=True)
        for _ in range(NODES)
    ]
    counts = [int(node.communicate(timeout=TIMEOUT_SECONDS)[0]) for node in nodes]
    assert [node.returncode for node in nodes] == [0] * NODES
    assert sum(counts) == EVENTS
    engine = open_engine(kind, place)
    entries = list(open_log(engine).replay())
    assert [(entry.position, entry.version) for entry in entries] == [(n, n) for n in range(1, EVENTS + 1)]
    assert [entry.event for entry in entries] == [seen(number) for number in range(EVENTS)]
    assert verify(EngineProcessRecorder(engine)).position == EVENTS
    engine.close()
