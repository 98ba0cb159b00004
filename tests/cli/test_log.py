"""`mu log` on a folder with a log."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.log import LogDisagrees, log
from cli.log_input import DamagedLogFile
from contract.errors import InvalidInput
from events.catalogue import NodeSource
from events.checkpoints import sign
from events.engine.lmdb import LmdbEngine
from events.recorder import EngineProcessRecorder
from events.verify import verify
from mu.region_folder import RegionFolder, find_region_folder, open_log
from tests.cli.mu_process import MU
from tests.cli.mu_process import mu as mu_process
from tests.events.logs import NODE, NODE_KEY, STREAM, append_failures, fill

COUNT = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    engine = LmdbEngine(tmp_path / "ours" / ".mu" / "log")
    fill(engine, COUNT)
    engine.close()
    return tmp_path / "ours"


def mu_log(*arguments: str | Path, input: bytes | None = None) -> Result:
    return CliRunner().invoke(log, [str(argument) for argument in arguments], input=input)


def succeed(*arguments: str | Path, input: bytes | None = None) -> Result:
    result = mu_log(*arguments, input=input)
    assert result.exit_code == 0, result.output + str(result.exception)
    return result


def alter(folder: Path) -> None:
    engine = LmdbEngine(find_region_folder(folder).log)
    with engine.begin() as transaction:
        transaction.put(b"log/e" + (7).to_bytes(8, "big"), b"junk")
        transaction.commit()
    engine.close()


def test_verify_says_that_everything_agrees(folder: Path):
    result = succeed("verify", "--folder", folder)
    assert "everything agrees" in result.stdout
    assert f"position {COUNT}, hash " in result.stdout
    document = json.loads(succeed("verify", "--folder", folder, "--json").stdout)
    assert (document["entries"], document["chain_events"], document["disagreements"]) == (COUNT, 1, [])
    assert document["head"]["position"] == COUNT


def test_verify_tells_who_signed(folder: Path):
    engine = LmdbEngine(find_region_folder(folder).log)
    entries = fill(engine, 0)
    head = entries.head()
    checkpoint = sign(head.position, head.hash, node=NODE, keypair=NODE_KEY)
    entries.append(STREAM, entries.version(STREAM), [(NodeSource(NODE, 1), checkpoint)])
    engine.close()
    lines = succeed("verify", "--folder", folder).stdout.splitlines()
    assert f"signer      {NODE_KEY.pubkey()}, 1 checkpoint, joined in the log alone" in lines
    document = json.loads(succeed("verify", "--folder", folder, "--json").stdout)
    assert document["signers"] == [{"public_key": str(NODE_KEY.pubkey()), "checkpoints": 1, "region": None}]


def test_verify_names_each_disagreement_and_fails(folder: Path):
    alter(folder)
    result = mu_log("verify", "--folder", folder)
    assert isinstance(result.exception, LogDisagrees)
    assert "disagrees   position 7: " in result.stdout
    assert "everything agrees" not in result.stdout
    result = mu_log("verify", "--folder", folder, "--json")
    assert isinstance(result.exception, LogDisagrees)
    assert 7 in [found["position"] for found in json.loads(result.stdout)["disagreements"]]


def test_verify_shows_how_far_a_long_log_has_come(folder: Path, monkeypatch: pytest.MonkeyPatch):
    assert succeed("verify", "--folder", folder).stderr == ""
    monkeypatch.setattr("cli.log_text.LONG_LOG_ENTRIES", 10)
    monkeypatch.setattr("cli.log_text.PROGRESS_ENTRIES", 10)
    assert "verified up to position 30 of 30" in succeed("verify", "--folder", folder).stderr


def test_export_and_import(folder: Path, tmp_path: Path):
    file, copy = tmp_path / "log.mulog", tmp_path / "copy"
    copy.mkdir()
    assert f"{file}, " in succeed("export", file, "--folder", folder).stdout
    assert f"{COUNT} entries imported" in succeed("import", file, "--folder", copy).stdout
    assert head(copy) == head(folder)
    assert "everything agrees" in succeed("verify", "--folder", copy).stdout
    with pytest.raises(InvalidInput, match="--resume"):
        raise_from(mu_log("import", file, "--folder", copy))
    result = succeed("import", file, "--folder", copy, "--resume")
    assert f"0 entries imported, {COUNT} were there already" in result.stdout


def head(folder: Path) -> tuple[int, bytes]:
    engine = LmdbEngine(find_region_folder(folder).log)
    try:
        return EngineProcessRecorder(engine).head()
    finally:
        engine.close()


def raise_from(result: Result) -> None:
    if result.exception is not None:
        raise result.exception


def test_a_part_follows_what_is_there(folder: Path, tmp_path: Path):
    first, rest, copy = tmp_path / "first", tmp_path / "rest", tmp_path / "copy"
    succeed("export", first, "--folder", folder)
    with open_log(find_region_folder(folder)) as opened:
        append_failures(opened.log, range(COUNT, COUNT + 5))
    succeed("export", rest, "--folder", folder, "--from", f"{COUNT + 1}")
    succeed("import", first, "--folder", copy)
    succeed("import", rest, "--folder", copy)
    assert head(copy) == head(folder)


def test_an_export_that_was_cut_is_resumed(folder: Path, tmp_path: Path):
    file, copy = tmp_path / "file", tmp_path / "copy"
    succeed("export", file, "--folder", folder, "--resume")
    whole = file.read_bytes()
    with pytest.raises(InvalidInput, match="is there already"):
        raise_from(mu_log("export", file, "--folder", folder))
    file.write_bytes(whole[:-40])
    with pytest.raises(DamagedLogFile, match=f"^{re.escape(str(file))}: the file ends after position"):
        raise_from(mu_log("import", file, "--folder", copy))
    with pytest.raises(InvalidInput, match="--from"):
        raise_from(mu_log("export", file, "--folder", folder, "--resume", "--from", "1"))
    assert f"{len(whole)} bytes" in succeed("export", file, "--folder", folder, "--resume").stdout
    assert file.read_bytes() == whole
    succeed("import", file, "--folder", copy, "--resume")
    assert head(copy) == head(folder)


def test_through_a_pipe(folder: Path, tmp_path: Path):
    command = (sys.executable, "-c", "from cli.log import log; log()")
    exported = subprocess.run(
        [*command, "export", "-", "--folder", folder], capture_output=True, timeout=60, check=True
    )
    imported = subprocess.run(
        [*command, "import", "-", "--folder", tmp_path / "copy"],
        input=exported.stdout,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert f"{COUNT} entries imported".encode() in imported.stdout
    assert head(tmp_path / "copy") == head(folder)
    with pytest.raises(InvalidInput, match="--resume"):
        raise_from(mu_log("export", "-", "--folder", folder, "--resume"))


def test_what_cannot_be_read_or_written_is_bad_input(folder: Path, tmp_path: Path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        raise_from(mu_log("import", tmp_path / "none", "--folder", tmp_path / "copy"))
    with pytest.raises(InvalidInput, match="cannot be written"):
        raise_from(mu_log("export", tmp_path / "no" / "folder", "--folder", folder))
    for command in (["verify"], ["stats"], ["export", tmp_path / "x"]):
        with pytest.raises(InvalidInput, match="holds no region"):
            raise_from(mu_log(*command, "--folder", tmp_path / "empty"))


@pytest.mark.parametrize("data", [None, b"", b"mu", b"no log file", bytes(1_000)])
def test_what_is_no_log_file_is_named_and_leaves_no_folder(tmp_path: Path, data: bytes | None):
    file, target = tmp_path / "file", tmp_path / "target"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(InvalidInput, match=f"^{re.escape(str(file))}: "):
        raise_from(mu_log("import", file, "--folder", target))
    with pytest.raises(InvalidInput, match=r"^standard input: "):
        raise_from(mu_log("import", "-", "--folder", target, input=data or b""))
    assert not target.exists()


def test_the_help_of_an_import_says_that_the_region_must_be_stopped():
    shown = " ".join(succeed("import", "--help").stdout.split())
    assert "its region must be stopped" in shown
    assert "region may be running" not in shown


def test_an_import_leaves_a_running_node_alone(folder: Path, tmp_path: Path):
    succeed("export", tmp_path / "file", "--folder", folder)
    running = RegionFolder(tmp_path / "copy" / ".mu")
    with running.locked(), pytest.raises(InvalidInput, match="in use"):
        raise_from(mu_log("import", tmp_path / "file", "--folder", tmp_path / "copy"))


def test_stats(folder: Path):
    shown = succeed("stats", "--folder", folder).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["entries", f"{COUNT}"] in lines
    assert ["kind", "entries", "bytes"] in lines
    assert [line[:2] for line in lines if line[:1] == ["StackFailed"]] == [["StackFailed", f"{COUNT - 3}"]]
    document = json.loads(succeed("stats", "--folder", folder, "--json").stdout)
    assert document["total"]["entries"] == COUNT
    assert sum(tally["entries"] for tally in document["streams"].values()) == COUNT
    assert sum(tally["bytes"] for tally in document["days"].values()) == document["total"]["bytes"]


def test_archive(folder: Path, tmp_path: Path):
    before = json.loads(succeed("stats", "--folder", folder, "--json").stdout)
    shown = succeed("archive", "--folder", folder, "--before", "21", "--to", tmp_path / "segments").stdout
    assert "positions 1 to 20" in shown
    assert "20 entries archived, 10 stay" in shown
    assert json.loads(succeed("stats", "--folder", folder, "--json").stdout) == before
    assert "everything agrees" in succeed("verify", "--folder", folder).stdout
    with open_log(find_region_folder(folder)) as opened:
        assert verify(opened.recorder).position == COUNT
    again = succeed("archive", "--folder", folder, "--before", "11", "--to", tmp_path / "segments").stdout
    assert "0 entries archived, 10 stay" in again
    further = succeed("archive", "--folder", folder, "--before", "26", "--to", tmp_path / "segments").stdout
    assert "5 entries archived, 5 stay" in further
    with pytest.raises(InvalidInput, match="--before"):
        raise_from(mu_log("archive", "--folder", folder, "--before", "99", "--to", tmp_path / "segments"))


def test_what_cannot_be_exported_or_imported_leaves_nothing_behind(folder: Path, tmp_path: Path):
    file = tmp_path / "part.mulog"
    refused = mu_log("export", file, "--from", "999999", "--folder", folder)
    assert isinstance(refused.exception, InvalidInput)
    assert "--from" in str(refused.exception)
    assert not file.exists()
    succeed("export", file, "--from", "3", "--folder", folder)
    new = tmp_path / "new"
    refused = mu_log("import", file, "--folder", new)
    assert refused.exit_code != 0
    assert not new.exists()
    new.mkdir()
    refused = mu_log("import", file, "--folder", new)
    assert refused.exit_code != 0
    assert list(new.iterdir()) == []
    alter(folder)
    broken = tmp_path / "broken.mulog"
    assert mu_log("export", broken, "--folder", folder).exit_code != 0
    assert not broken.exists()


def test_an_import_that_stops_says_how_to_go_on(folder: Path, tmp_path: Path):
    file = tmp_path / "whole.mulog"
    succeed("export", file, "--folder", folder)
    file.write_bytes(file.read_bytes() + b"more")
    done = mu_process("log", "import", file, "--folder", tmp_path / "new")
    assert done.returncode == 1
    assert "--resume" in done.stderr
    assert "after the trailer" in done.stderr


def test_what_is_resumed_is_named(folder: Path, tmp_path: Path):
    file = tmp_path / "junk.mulog"
    file.write_bytes(b"this is something else")
    refused = mu_log("export", file, "--resume", "--folder", folder)
    assert isinstance(refused.exception, DamagedLogFile)
    assert str(refused.exception).startswith(str(file))
    assert file.read_bytes() == b"this is something else"


def test_a_log_that_is_lost_does_not_agree(folder: Path, tmp_path: Path):
    LmdbEngine(tmp_path / "empty" / ".mu" / "log").close()
    refused = mu_log("verify", "--folder", tmp_path / "empty")
    assert isinstance(refused.exception, InvalidInput)
    assert "no entries" in str(refused.exception)
    (find_region_folder(folder).log / "data.mdb").unlink()
    for command in (("log", "verify"), ("log", "stats"), ("events", "tail"), ("projections", "list")):
        done = mu_process(*command, "--folder", folder)
        assert done.returncode == 2
        assert "holds no region" in done.stderr
    assert not (folder / ".mu" / "log" / "data.mdb").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"tikv"])
def test_a_location_that_is_none_is_bad_input_and_nothing_is_made(
    folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
):
    (folder / ".mu" / "log-location").write_bytes(content)
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    done = mu_process("log", "verify", "--folder", folder)
    assert done.returncode == 2
    assert "log-location: must hold the tikv:// address" in done.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("log", "archive", "--before", "4", "--to", "ar\udcffch"),
        ("log", "verify", "--folder", "gr\udcff"),
        ("projections", "skip", "stacks", "--reason", "\udcff"),
    ],
)
def test_what_is_not_utf_8_is_bad_input(arguments: tuple[str, ...]):
    done = mu_process(*arguments)
    assert done.returncode == 2
    assert done.stderr.endswith(": is not UTF-8\n")


def test_what_the_system_refuses_is_said_without_a_traceback(folder: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    succeed("export", tmp_path / "whole.mulog", "--folder", folder)
    for arguments in (
        ("log", "import", tmp_path / "whole.mulog", "--folder", tmp_path / "file" / "below"),
        ("log", "verify", "--folder", tmp_path / ("x" * 300)),
    ):
        done = mu_process(*arguments)
        assert done.returncode in (1, 2)
        assert done.stderr.startswith("mu: ")
        assert len(done.stderr.splitlines()) == 1
    with Path("/dev/full").open("w") as full:
        command = [*MU, "log", "stats", "--folder", str(folder)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "mu: No space left on device\n")
