import json
import subprocess
from pathlib import Path

import msgspec
import pytest
from solders.keypair import Keypair

from contract.errors import InvalidInput
from events.catalogue import ChainSource, Finality, StackStarted
from events.engine.lmdb import LmdbEngine
from events.log import Entry
from projections.checkpoint import save
from projections.membership import Membership
from tests.cli.folders import run, write_region
from tests.cli.mu_process import MU, mu
from tests.entries import NODES, STACKS, deployed, joined, open_log

NAMES = ["membership", "stacks", "deployments", "routes"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_region(
        tmp_path,
        [
            joined(0),
            (ChainSource(5, "first", 0, Finality.CONFIRMED), deployed(STACKS[0], b"")),
            joined(1),
            (ChainSource(9, "second", 0, Finality.CONFIRMED), deployed(STACKS[1], b"")),
        ],
    )


def test_list_has_every_projection_aligned(folder: Path):
    rows = json.loads(run("projections", "list", "--folder", folder, "--json").output)["projections"]
    assert [row["name"] for row in rows] == NAMES
    assert {(row["position"], row["checkpoint"], row["stopped_at"]) for row in rows} == {(4, 0, None)}
    header, *lines = run("projections", "list", "--folder", folder).output.splitlines()
    assert [line.index("live") for line in lines] == [header.index("status")] * len(NAMES)


@pytest.mark.parametrize(
    ("moment", "position", "members"), [("0", 0, 0), ("1", 1, 1), ("slot:5", 3, 2), ("3", 3, 2)]
)
def test_show_at_a_moment(folder: Path, moment: str, position: int, members: int):
    result = run("projections", "show", "membership", "--at", moment, "--folder", folder, "--json")
    document = json.loads(result.output)
    assert (document["position"], len(document["state"]["members"])) == (position, members)


def test_show_at_a_time(folder: Path):
    shown = run(
        "projections", "show", "membership", "--at", "1970-01-01T00:16:40Z", "--folder", folder, "--json"
    )
    assert len(json.loads(shown.output)["state"]["members"]) == 1


def test_diff_names_each_field(folder: Path):
    arguments = ("projections", "diff", "stacks", "--from", "2", "--folder", folder)
    document = json.loads(run(*arguments, "--json").output)
    assert (document["from"], document["to"]) == (2, 4)
    assert [(found["path"], found["after"]["revision"]) for found in document["differences"]] == [
        (["stacks", STACKS[1]], 1)
    ]
    title, line = run(*arguments).output.splitlines()
    assert title == "stacks from position 2 to 4: 1 field changed"
    assert line.startswith(f"+ stacks.{STACKS[1]}  ")
    same = run("projections", "diff", "stacks", "--from", "2", "--to", "3", "--folder", folder)
    assert same.output == "stacks from position 2 to 3: nothing changed\n"


def test_watch_shows_each_change(folder: Path):
    command = [*MU, "projections", "watch", "membership", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == "membership at position 4\n"
        write_region(folder, [StackStarted(stack=STACKS[0], revision=1, node=NODES[0][0]), joined(2)])
        lines = [process.stdout.readline().split() for _ in range(2)]
        assert [line[:3] for line in lines] == [
            ["6", "+", f"members.{NODES[2][0]}"],
            ["6", "+", "generations.key"],
        ]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A region whose membership cannot bear the second node; its own node is the first."""
    keypair = Keypair.from_seed(bytes([7] * 32))
    path = folder / ".mu" / "keys" / "node.json"
    path.parent.mkdir()
    path.write_text(json.dumps(list(bytes(keypair))))
    own = msgspec.structs.replace(joined(2), public_key=str(keypair.pubkey()))
    write_region(folder, [own], f"node/{keypair.pubkey()}")
    apply = Membership.apply

    def picky(membership: Membership, entry: Entry) -> None:
        if entry.position == 3:
            raise ZeroDivisionError("not that one")
        apply(membership, entry)

    monkeypatch.setattr(Membership, "apply", picky)
    return folder


def status(folder: Path) -> int | None:
    rows = json.loads(run("projections", "list", "--folder", folder, "--json").output)["projections"]
    return rows[0]["stopped_at"]


def test_skip_and_retry_are_events_with_their_reasons(stopped: Path):
    assert status(stopped) == 3
    tried = run("projections", "retry", "membership", "--reason", "perhaps now", "--folder", stopped)
    assert tried.output.splitlines() == [
        "log         ProjectionRetried at position 6",
        "membership  stopped at position 3",
    ]
    skipped = run("projections", "skip", "membership", "--reason", " it is  broken ", "--folder", stopped)
    assert skipped.output.splitlines() == [
        "log         ProjectionEventSkipped at position 7",
        "membership  goes on, at position 7",
    ]
    assert status(stopped) is None
    document = json.loads(run("projections", "show", "membership", "--folder", stopped, "--json").output)
    assert set(document["state"]["members"]) == {NODES[0][0], NODES[2][0]}
    assert document["position"] == 7
    entry = json.loads(run("events", "show", "7", "--folder", stopped, "--json").output)
    assert (entry["event"]["reason"], entry["stream"]) == ("it is  broken", "projections")
    assert entry["source"]["node"] == NODES[2][0]
    before = run("projections", "show", "membership", "--at", "6", "--folder", stopped, "--json")
    assert json.loads(before.output)["parked"]["position"] == 3


def test_what_has_not_stopped_is_neither_retried_nor_skipped(folder: Path):
    for command in ("retry", "skip"):
        done = mu("projections", command, "membership", "--reason", "so", "--folder", folder)
        assert (done.returncode, done.stderr) == (1, "mu: the projection membership has not stopped\n")
        result = run("projections", command, "membership", "--reason", " ", "--folder", folder)
        assert isinstance(result.exception, InvalidInput)
        assert "must have 1 to 500 characters" in str(result.exception)
    assert run("projections", "skip", "membership", "--folder", folder).exit_code == 2


def test_rebuild_compares_and_swaps(folder: Path):
    done = mu("projections", "rebuild", "membership", "--diff", "--folder", folder)
    assert (done.returncode, done.stdout) == (0, "membership at position 4: nothing differs\n")
    engine = LmdbEngine(folder / ".mu" / "log")
    try:
        wrong = Membership()
        wrong.state.generations["nobody"] = 7
        save(engine, wrong, 4, open_log(engine).read(4)[0].hash)
    finally:
        engine.close()
    differing = mu("projections", "rebuild", "membership", "--diff", "--folder", folder)
    assert differing.returncode == 1
    assert "- generations.nobody  7" in differing.stdout.splitlines()
    swapped = mu("projections", "rebuild", "membership", "--folder", folder, "--json")
    assert swapped.returncode == 0
    document = json.loads(swapped.stdout)
    assert (document["swapped"], document["position"], len(document["differences"])) == (True, 4, 5)
    assert mu("projections", "rebuild", "membership", "--diff", "--folder", folder).returncode == 0
