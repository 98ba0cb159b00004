"""`mu status`."""

import json
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from cli.status import status
from contract.errors import InvalidInput
from events.chain.follower import Health
from events.engine.lmdb import LmdbEngine
from mu.status import STATUS_FILE, NodeStatus, encode_status
from tests.mu.test_status import STATUS

WELL = msgspec.structs.replace(
    STATUS,
    scopes=(msgspec.structs.replace(STATUS.scopes[0], health=Health.CAUGHT_UP, problem=None),),
    endpoints=(msgspec.structs.replace(STATUS.endpoints[0], problem="\x1b[2J"),),
    projections=STATUS.projections[:1],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    LmdbEngine(tmp_path / ".mu" / "log").close()
    return tmp_path


def write(folder: Path, found: NodeStatus, age_seconds: float = 0.0) -> None:
    written = msgspec.structs.replace(found, written_at=int((time.time() - age_seconds) * 1000))
    (folder / ".mu" / STATUS_FILE).write_bytes(encode_status(written))


def test_a_node_that_is_well(folder: Path):
    write(folder, WELL)
    result = CliRunner().invoke(status, ["--folder", str(folder)])
    assert result.exit_code == 0, result.output
    for said in (
        "generation 3, port 8080, running",
        "position 12",
        "region is caught up, slot 99",
        "final up to 2",
    ):
        assert said in result.output
    # others wrote it
    assert "\x1b" not in result.output


@pytest.mark.parametrize(("found", "age"), [(STATUS, 0.0), (WELL, 60.0)])
def test_a_node_that_is_not_well(folder: Path, found: NodeStatus, age: float):
    write(folder, found, age)
    result = CliRunner().invoke(status, ["--folder", str(folder), "--json"])
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert document["running"] == (age == 0)
    assert document["problems"] == found.problems
    assert document["scopes"][0]["health"] == found.scopes[0].health.value
    result = CliRunner().invoke(status, ["--folder", str(folder)])
    assert result.exit_code == 1
    assert ("not running" if age else "stopped at position 8") in result.output


def test_a_folder_without_a_node(folder: Path):
    result = CliRunner().invoke(status, ["--folder", str(folder)])
    assert isinstance(result.exception, InvalidInput)


def test_a_node_that_has_left_is_not_running_from_then_on(folder: Path):
    write(folder, msgspec.structs.replace(WELL, left=True))
    result = CliRunner().invoke(status, ["--folder", str(folder)])
    assert result.exit_code == 1
    assert "not running: it left 0 s ago" in result.output
