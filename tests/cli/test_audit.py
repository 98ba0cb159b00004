import json
import re
import shutil
from pathlib import Path

import pytest

from events.catalogue import ChainSource, Finality
from events.engine.lmdb import LmdbEngine
from tests.cli.folders import run, write_region
from tests.cli.mu_process import log_entries, mu, start_run, wait_until_running
from tests.entries import STACKS, deployed, joined
from tests.mu.audited import world
from tests.mu.regions import SAMPLE


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log in which everything agrees."""
    folder = tmp_path_factory.mktemp("whole")
    engine = LmdbEngine(folder / ".mu" / "log")
    try:
        world(engine)
    finally:
        engine.close()
    return folder


def test_a_running_region_agrees_with_its_chain(tmp_path: Path):
    project = tmp_path / "greeting"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("target", ".mu"))
    process = start_run(project)
    try:
        _, lines = wait_until_running(process)
        [url] = [
            found[1] for line in lines if (found := re.match(r"chain\s+(http://127\S+?)[,;]?(?:\s|$)", line))
        ]
        done = mu("audit", "replay", project, "--url", url)
        assert done.returncode == 0, done
        assert done.stdout.splitlines()[-1] == "audited     everything agrees"
        assert re.search(r"^compared +3 accounts", done.stdout, re.MULTILINE), done.stdout
        assert re.search(r"^compared +\d+ transactions with the chain's$", done.stdout, re.MULTILINE), (
            done.stdout
        )
        assert {entry["kind"] for entry in log_entries(project)} > {"RegionCreated", "StackDeployed"}
    finally:
        process.kill()
        process.communicate()
    nobody = mu("audit", "replay", project, "--url", url)
    assert nobody.returncode == 1
    assert "Traceback" not in nobody.stderr


def test_a_folder_and_its_exported_file_say_the_same(whole: Path, tmp_path: Path):
    file = tmp_path / "log.mu"
    assert mu("log", "export", file, "--folder", whole).returncode == 0
    one, other = (mu("audit", "replay", source, "--json") for source in (whole, file))
    assert (one.returncode, other.returncode) == (0, 0)
    document = json.loads(one.stdout)
    assert document == json.loads(other.stdout)
    assert document["agrees"]
    assert [len(checksum["checksum"]) for checksum in document["checksums"]] == [64] * len(
        document["checksums"]
    )
    same = mu("audit", "diff", whole, file)
    assert (same.returncode, same.stdout.split()[0]) == (0, "same")


def test_a_damaged_file_is_named_and_not_believed(whole: Path, tmp_path: Path):
    file = tmp_path / "log.mu"
    assert mu("log", "export", file, "--folder", whole).returncode == 0
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    done = mu("audit", "replay", file)
    assert done.returncode == 1
    assert done.stderr.startswith(f"mu: {file}: ")
    file.write_bytes(data[:-40])
    assert mu("audit", "replay", file).stderr.startswith(f"mu: {file}: ")


def test_a_file_that_is_no_log_file_is_named(whole: Path, tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("no log")
    for arguments in (("replay", file), ("diff", whole, file)):
        done = mu("audit", *arguments)
        assert (done.returncode, done.stderr.startswith(f"mu: {file}: this is no log file")) == (2, True), (
            done
        )


def test_disagreements_are_shown_with_their_positions(tmp_path: Path):
    chain = ChainSource(5, "signature", 0, Finality.CONFIRMED)
    write_region(tmp_path, [joined(0), (chain, deployed(STACKS[0], b""))])
    done = mu("audit", "replay", tmp_path)
    assert done.returncode == 1
    assert re.search(r"^disagrees +position 2: ", done.stdout, re.MULTILINE)
    assert re.fullmatch(r"mu: the log disagrees in \d+ places?\n", done.stderr)
    document = json.loads(mu("audit", "replay", tmp_path, "--json").stdout)
    assert not document["agrees"]
    assert document["disagreements"][0]["position"] == 2


def test_diff_names_the_first_entry_where_logs_part(tmp_path: Path):
    one = write_region(tmp_path / "one", [joined(0), joined(1), joined(2)])
    other = write_region(tmp_path / "other", [joined(0), joined(1), joined(1)])
    shorter = write_region(tmp_path / "shorter", [joined(0), joined(1)])
    done = mu("audit", "diff", one, other)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "parts       at position 3"
    ended = mu("audit", "diff", one, shorter)
    assert ended.returncode == 1
    assert "ends at position 2" in ended.stdout
    document = json.loads(mu("audit", "diff", one, other, "--json").stdout)
    assert (document["same"], document["position"], document["a"]["kind"]) == (False, 3, "NodeJoined")


def test_bad_sources_exit_with_2(tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing_in = tmp_path / "without entries"
    write_region(nothing_in, [])
    for source, sentence in [
        (empty, "holds no region"),
        (tmp_path / "nothing", "is no folder of a region"),
        (nothing_in, "there are no entries at"),
        ("tikv://nowhere", "is HOST:PORT"),
    ]:
        done = mu("audit", "replay", source)
        assert (done.returncode, sentence in done.stderr) == (2, True), done
    one = write_region(tmp_path / "one", [joined(0), joined(1)])
    later = tmp_path / "later.log"
    assert mu("log", "export", later, "--from", "2", "--folder", one).returncode == 0
    done = mu("audit", "replay", later)
    assert (done.returncode, "does not begin at the log's first entry" in done.stderr) == (2, True), done
    assert mu("audit", "diff", one, one).returncode == 2
    assert run("audit", "replay", one).exit_code == 0
