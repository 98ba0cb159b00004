"""What a node says of itself."""

import random
from pathlib import Path

import pytest
import trio

from contract.errors import DecodeError
from events.chain.endpoints import Endpoint, ToldSlot
from events.chain.follower import Follower, FollowerLimits, FollowerState, Health
from events.engine.memory import MemoryEngine
from mu.peers.hints import HintCounts
from mu.status import (
    METRICS_FILE,
    STATUS_FILE,
    EndpointStatus,
    NodeStatus,
    ProjectionStatus,
    StatusWriter,
    decode_status,
    encode_status,
    endpoint_statuses,
    metrics_text,
    read_status,
)
from projections.runner import Runner, RunnerLimits
from tests.entries import append_all, joined, open_log
from tests.events.chain.histories import SCOPE, HistoryReader
from tests.events.chain.recorded import ALL, HISTORY

STATUS = NodeStatus(
    written_at=1_700_000_000_500,
    node="node",
    generation=3,
    port=8080,
    head=12,
    scopes=(FollowerState("region", Health.BEHIND, 'event 5 is "missing"', 99, 4, 6, 2),),
    endpoints=(EndpointStatus('http://"a"\\b', True, 99, 2, "it has stood at slot 99"),),
    projections=(
        ProjectionStatus("stacks", 12, None, None),
        ProjectionStatus("routes", 7, 8, "KeyError: 'x'"),
    ),
    hints=HintCounts(4, 3, 2, 1),
)


def test_a_status_is_read_as_it_was_written():
    data = encode_status(STATUS)
    assert decode_status(data) == STATUS
    for size in range(len(data) - 1):
        with pytest.raises(DecodeError):
            decode_status(data[:size])
    randomness = random.Random(0)
    for _ in range(500):
        altered = bytearray(data)
        altered[randomness.randrange(len(altered))] = randomness.randrange(256)
        try:
            decode_status(bytes(altered))
        except DecodeError:
            continue


def test_what_is_wrong_is_said():
    assert STATUS.problems == [
        'region is behind: event 5 is "missing"',
        "projection routes is stopped at position 8: KeyError: 'x'",
    ]
    assert STATUS.scopes[0].lag_events == 2


def test_metrics_are_in_prometheus_text_format():
    lines = metrics_text(STATUS).splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert samples["mu_status_time_seconds"] == "1700000000.5"
    assert samples['mu_generation{node="node"}'] == "3"
    assert samples["mu_log_head_position"] == "12"
    assert samples['mu_chain_up{scope="region"}'] == "0"
    assert samples['mu_chain_lag_events{scope="region"}'] == "2"
    assert samples['mu_chain_final_sequence{scope="region"}'] == "2"
    assert samples['mu_rpc_endpoint_up{endpoint="http://\\"a\\"\\\\b"}'] == "0"
    assert samples['mu_rpc_endpoint_failures{endpoint="http://\\"a\\"\\\\b"}'] == "2"
    assert samples['mu_projection_parked{projection="routes"}'] == "1"
    assert samples["mu_hints_sent"] == "4"
    assert samples['mu_projection_position{projection="stacks"}'] == "12"
    names = {sample.partition("{")[0] for sample in samples}
    assert {line.split()[2] for line in lines if line.startswith("# TYPE")} == names
    assert {line.split()[2] for line in lines if line.startswith("# HELP")} == names


def test_endpoints():
    endpoints = {
        "a": Endpoint(confirmed=ToldSlot(5, 1.0)),
        "b": Endpoint(finalized=ToldSlot(3, 1.0), problem="down", failures=1),
    }
    assert endpoint_statuses(endpoints, "a") == (
        EndpointStatus("a", True, 5, 0, None),
        EndpointStatus("b", False, 3, 1, "down"),
    )


def test_a_folder_without_a_status(tmp_path: Path):
    assert read_status(tmp_path) is None
    (tmp_path / STATUS_FILE).write_bytes(b"{")
    with pytest.raises(DecodeError):
        read_status(tmp_path)


async def test_a_node_writes_it_again_and_again(tmp_path: Path):
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1)])
    runner = Runner(log, engine, RunnerLimits())
    runner.catch_up()
    follower = Follower(log, HistoryReader(HISTORY), SCOPE, FollowerLimits())
    times = iter(range(1000, 10**9))
    writer = StatusWriter(
        folder=tmp_path, node="node", generation=1, port=1, log=log, runner=runner, followers=(follower,),
        endpoints=lambda: (), hints=HintCounts(), now=lambda: next(times))  # fmt: skip
    await writer.write(2)
    first = read_status(tmp_path)
    assert first is not None
    assert (first.head, first.written_at, first.problems) == (2, 1000, [])
    assert first.scopes[0].health is Health.STARTING
    assert [(one.name, one.position) for one in first.projections] == [(name, 2) for name in runner.progress]
    await follower.catch_up()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        with trio.fail_after(20):
            while (found := read_status(tmp_path)) is None or found.head == 2:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert found.head == 2 + len(ALL)
    assert (found.scopes[0].sequence, found.scopes[0].chain_sequence) == (len(ALL), len(ALL))
    assert (tmp_path / METRICS_FILE).read_text().startswith("# HELP mu_status_time_seconds")
    assert sorted(path.name for path in tmp_path.iterdir()) == [METRICS_FILE, STATUS_FILE]


async def test_a_folder_that_cannot_be_written_is_only_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    engine = MemoryEngine()
    log = open_log(engine)
    writer = StatusWriter(
        folder=tmp_path / "gone", node="node", generation=1, port=1, log=log,
        runner=Runner(log, engine, RunnerLimits()), followers=(), endpoints=lambda: (),
        hints=HintCounts(), now=lambda: 1)  # fmt: skip
    await writer.write(0)
    assert "cannot be written" in caplog.text
