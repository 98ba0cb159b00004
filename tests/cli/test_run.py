import json
import random
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.cli.mu_process import log_entries, mu, start_run, wait_until_running
from tests.mu.regions import SAMPLE

ROUNDS = 6
LONGEST_LIFE_SECONDS = 1.6


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "greeting"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("target", ".mu"))
    return folder


def greet(url: str) -> str:
    return httpx.get(url.replace("{name}", "Ada")).text


def test_run_answers_shows_logs_stops_on_a_signal_and_goes_on_where_it_was(project: Path):
    process = start_run(project)
    url, _ = wait_until_running(process)
    assert greet(url) == "Hello, Ada!\n"
    tail = mu("events", "tail", "--folder", project)
    assert [line.split()[4 if line.split()[3] == "node" else 5] for line in tail.stdout.splitlines()] == [
        "NodeJoined",
        "RegionCreated",
        "UsageSignerCreated",
        "StackDeployed",
        "StackStarted",
    ]
    shown = mu("projections", "show", "routes", "--folder", project, "--json")
    document = json.loads(shown.stdout)
    assert document["position"] == 5
    assert len(document["state"]["stacks"]) == 1
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "greeter_function.greet_user: greeting Ada" in output
    assert output.splitlines()[-1].startswith("stopped")

    stopped = mu("projections", "show", "routes", "--folder", project)
    assert stopped.stdout.startswith("routes at position 6, checksum ")
    process = start_run(project)
    again, lines = wait_until_running(process)
    process.kill()
    process.communicate()
    assert again.split("/")[3] == url.split("/")[3]
    assert any("is deployed already" in line for line in lines)
    assert [line.split()[1][:16] for line in lines if line.startswith("chain")] == ["http://127.0.0.1"]


def test_a_region_whose_marketplace_refuses_the_project_stays_up_to_be_put_right(project: Path):
    """All money was asked back, so a new revision is refused; on the same chain that can be taken back."""

    def client(*arguments: str, lines: list[str]) -> subprocess.CompletedProcess[str]:
        [url] = re.findall(r"-u (http\S+)", "".join(line for line in lines if line.startswith("keys")))
        keypair = project / ".mu" / "keys" / "developer.json"
        return mu("escrow", "withdraw", "local", *arguments, "-u", url, "-k", keypair)

    process = start_run(project)
    _, lines = wait_until_running(process, until="keys")
    assert client("all", lines=lines).returncode == 0
    process.kill()
    process.communicate()
    manifest = project / "stack.yaml"
    manifest.write_text(manifest.read_text().replace("version: 0.1", "version: 0.2"))
    process = start_run(project)
    _, lines = wait_until_running(process, until="keys")
    [refused] = [line for line in lines if line.startswith("refused")]
    assert "less a withdrawal asked for" in refused
    done = client("--cancel", lines=lines)
    assert done.returncode == 0, done.stderr
    process.kill()
    process.communicate()
    process = start_run(project)
    url, _ = wait_until_running(process)
    process.kill()
    process.communicate()
    assert url


def test_killed_at_any_moment_nothing_is_lost_or_doubled_and_the_stack_answers(project: Path):
    moments = random.Random(7)
    before: list[str] = []
    for _ in range(ROUNDS):
        process = start_run(project)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(0.2, LONGEST_LIFE_SECONDS))
        process.kill()
        process.communicate()
        if (project / ".mu" / "log").is_dir():
            entries = log_entries(project)
            hashes = [entry["hash"] for entry in entries]
            assert hashes[: len(before)] == before
            before = hashes
    process = start_run(project)
    try:
        url, _ = wait_until_running(process)
        assert greet(url) == "Hello, Ada!\n"
    finally:
        process.kill()
        process.communicate()
    entries = log_entries(project)
    assert [entry["hash"] for entry in entries][: len(before)] == before
    assert [entry["position"] for entry in entries] == list(range(1, len(entries) + 1))
    previous = [entry["previous_hash"] for entry in entries[1:]]
    assert previous == [entry["hash"] for entry in entries[:-1]]
    chain = [entry["event"]["sequence"] for entry in entries if entry["source"]["type"] == "chain"]
    assert chain == [1, 2, 3]
    assert entries[-1]["kind"] == "StackStarted"


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("name: X", "line 1: version: is missing"),
        ("name: X\nversion: 1\nservices: []", "services: must list 1 to 64 services"),
        ("[", "is not YAML"),
    ],
)
def test_a_bad_manifest_is_a_sentence_and_exit_code_2(tmp_path: Path, manifest: str, problem: str):
    (tmp_path / "stack.yaml").write_text(manifest)
    done = mu("run", tmp_path)
    assert done.returncode == 2
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / ".mu").exists()


def test_other_bad_input(tmp_path: Path, project: Path):
    for arguments, problem in [
        (("run", tmp_path / "nowhere"), "stack.yaml: cannot be read"),
        (("events", "tail", "--folder", tmp_path), "holds no region"),
        (("projections", "show", "routes", "--folder", tmp_path), "holds no region"),
        (("projections", "show", "colours"), "is not one of 'membership', 'stacks', 'deployments', 'routes'"),
        (("run", project, "--port", "99999"), "port"),
    ]:
        done = mu(*arguments)
        assert (done.returncode, problem in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr


def test_a_second_run_on_the_same_folder_is_refused(project: Path):
    process = start_run(project)
    try:
        wait_until_running(process)
        second = mu("run", project, "--port", "0", "--rpc-port", "0")
        assert second.returncode == 2
        assert "in use by another `mu run`" in second.stderr
    finally:
        process.kill()
        process.communicate()
