"""`mu log archive` into an S3 service, `mu log relocate`, and every command that reads what is there."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.errors import InvalidInput
from events.archive import Archive
from events.engine.lmdb import LmdbEngine
from events.segment_store import SegmentUnavailable
from tests.cli.folders import run
from tests.cli.mu_process import mu
from tests.events.logs import fill
from tests.fake_s3 import Answer, FakeS3, Request, fake_s3, refusal
from tests.mu.audited import world
from tests.s3 import new_bucket

READING = (
    ("events", "tail", "--all", "--json", "--folder"),
    ("events", "show", "1", "--json", "--folder"),
    ("events", "grep", "Stack", "--json", "--folder"),
    ("log", "verify", "--json", "--folder"),
    ("log", "stats", "--json", "--folder"),
    ("audit", "replay", "--json"),
)

WHOLE = READING[:1] + READING[3:4]
"""Shows every entry, and checks all of them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A region's folder in whose log everything agrees."""
    engine = LmdbEngine(tmp_path / "region" / ".mu" / "log")
    try:
        world(engine)
    finally:
        engine.close()
    return tmp_path / "region"


@pytest.fixture(params=["fake", "s3"])
def location(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "s3":
        with new_bucket() as bucket:
            yield str(bucket.location("a region/log"))
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    with fake_s3() as service:
        yield f"s3://bucket/a%20region/log?endpoint={service.endpoint}"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    with fake_s3() as service:
        yield service


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Archive.__init__.__kwdefaults__, "max_segment_entries", 3)


def read_all(folder: Path, commands: tuple[tuple[str, ...], ...] = READING) -> list[str]:
    results = [run(*command, folder) for command in commands]
    assert [(result.exit_code, result.exception) for result in results] == [(0, None)] * len(commands)
    return [result.stdout for result in results]


def head(folder: Path) -> int:
    return json.loads(run("log", "verify", "--json", "--folder", folder).stdout)["head"]["position"]


def held(folder: Path) -> int:
    """How many records the region's folder itself holds."""
    engine = LmdbEngine(folder / ".mu" / "log")
    try:
        with engine.snapshot() as snapshot:
            return sum(1 for _ in snapshot.scan(b"log/e", b"log/f"))
    finally:
        engine.close()


def test_an_archived_log_is_read_as_before_by_every_command(folder: Path, location: str, tmp_path: Path):
    before, last = read_all(folder), head(folder)
    assert run("log", "export", tmp_path / "before", "--folder", folder).exit_code == 0
    archived = mu("log", "archive", "--before", f"{last + 1}", "--to", location, "--folder", folder)
    assert (archived.returncode, archived.stderr) == (0, "")
    assert f"{last} entries archived, 0 stay" in archived.stdout
    assert held(folder) == 0
    assert read_all(folder) == before
    for command in (*WHOLE, READING[-1]):
        done = mu(*command, folder)
        assert (done.returncode, done.stderr) == (0, "")
    assert run("log", "export", tmp_path / "after", "--folder", folder).exit_code == 0
    same = run("audit", "diff", tmp_path / "before", tmp_path / "after", "--json")
    assert json.loads(same.stdout)["same"] is True


@pytest.mark.parametrize("failing", [1, 2, 7])
def test_a_failure_half_way_loses_nothing(folder: Path, service: FakeS3, small_segments: None, failing: int):
    location = f"s3://bucket/log?endpoint={service.endpoint}"
    before, last = read_all(folder, WHOLE), head(folder)
    service.fault = lambda request: refusal(403, "AccessDenied") if len(service.requests) >= failing else None
    arguments = ("log", "archive", "--before", f"{last}", "--to", location, "--folder", folder)
    result = run(*arguments)
    assert isinstance(result.exception, SegmentUnavailable)
    assert "forbidden (AccessDenied)" in str(result.exception)
    service.fault = lambda request: None
    assert read_all(folder, WHOLE) == before
    assert run(*arguments).exit_code == 0
    assert held(folder) == 1
    assert read_all(folder, WHOLE) == before


def test_what_is_not_archived_needs_no_segment(folder: Path, tmp_path: Path):
    last = head(folder)
    archived = ("log", "archive", "--before", f"{last - 2}", "--to", tmp_path / "gone", "--folder", folder)
    assert run(*archived).exit_code == 0
    shutil.rmtree(tmp_path / "gone")
    assert run("events", "tail", "-n", "3", "--folder", folder).exit_code == 0
    verified = run("log", "verify", "--json", "--folder", folder)
    document = json.loads(verified.stdout)
    assert [one["position"] for one in document["disagreements"]] == [1]
    assert "`mu log relocate`" in document["disagreements"][0]["problem"]
    assert document["unread"] == [[1, last - 3]]
    audited = run("audit", "replay", "--json", folder)
    assert audited.exit_code == 1
    assert not json.loads(audited.stdout)["agrees"]


def test_a_service_that_is_gone_fails_only_what_needs_it(folder: Path, service: FakeS3):
    location = f"s3://bucket/log?endpoint={service.endpoint}"
    last = head(folder)
    assert run("log", "archive", "--before", f"{last}", "--to", location, "--folder", folder).exit_code == 0

    def gone(request: Request) -> Answer:
        return refusal(404, "NoSuchKey")

    service.fault = gone
    failed = mu("events", "show", "1", "--folder", folder)
    assert failed.returncode == 1
    assert failed.stderr.startswith("mu: s3://bucket/log/0000")
    assert "mu log relocate" in failed.stderr
    assert run("events", "show", f"{last}", "--folder", folder).exit_code == 0


@pytest.mark.parametrize("location", ["s3://", "s3://key:secret@bucket", "gs://bucket", "s3://bucket?x=y"])
def test_what_is_no_location_is_bad_input(folder: Path, location: str):
    for command in (
        ("log", "archive", "--before", "2", "--to", location),
        ("log", "relocate", "--from", "x", "--to", location),
    ):
        result = run(*command, "--folder", folder)
        assert isinstance(result.exception, InvalidInput)
        assert str(result.exception).startswith("--to: ")
        assert "secret" not in str(result.exception)


def test_relocate(folder: Path, tmp_path: Path, small_segments: None):
    old, new = tmp_path / "old", tmp_path / "new"
    before, last = read_all(folder, WHOLE), head(folder)
    assert run("log", "archive", "--before", f"{last}", "--to", old, "--folder", folder).exit_code == 0
    old.rename(new)
    assert run("events", "show", "1", "--folder", folder).exception is not None
    relocated = run("log", "relocate", "--from", old, "--to", new, "--folder", folder)
    count = -(-(last - 1) // 3)
    assert f"{count} segments relocated to {new}" in relocated.stdout
    assert relocated.stdout.count("checked ") == count
    assert read_all(folder, WHOLE) == before
    again = run("log", "relocate", "--from", old, "--to", new, "--folder", folder)
    assert isinstance(again.exception, InvalidInput)
    assert str(new) in str(again.exception)


def test_relocate_from_a_folder_to_a_service(
    folder: Path, tmp_path: Path, service: FakeS3, small_segments: None
):
    old, location = tmp_path / "old", f"s3://bucket/log?endpoint={service.endpoint}"
    before, last = read_all(folder, WHOLE), head(folder)
    assert run("log", "archive", "--before", f"{last}", "--to", old, "--folder", folder).exit_code == 0
    arguments = ("log", "relocate", "--from", old, "--to", location, "--json", "--folder", folder)
    files = sorted(old.iterdir())
    for file in files[:-1]:
        service.objects[f"/bucket/log/{file.name}"] = file.read_bytes()
    missing = run(*arguments)
    assert isinstance(missing.exception, SegmentUnavailable)
    assert files[-1].name in str(missing.exception)
    assert read_all(folder, WHOLE) == before
    service.objects[f"/bucket/log/{files[-1].name}"] = files[-1].read_bytes()
    document = json.loads(run(*arguments).stdout)
    shutil.rmtree(old)
    assert document["location"] == location
    assert [segment["name"] for segment in document["segments"]] == [file.name for file in files]
    assert read_all(folder, WHOLE) == before


def test_more_is_archived_elsewhere(tmp_path: Path, location: str):
    engine = LmdbEngine(tmp_path / "ours" / ".mu" / "log")
    fill(engine, 30)
    engine.close()
    folder = tmp_path / "ours"
    before = run("events", "tail", "--all", "--json", "--folder", folder).stdout
    for position, target in ((11, location), (21, str(tmp_path / "segments")), (31, location)):
        done = run("log", "archive", "--before", f"{position}", "--to", target, "--folder", folder)
        assert done.exit_code == 0
        assert "10 entries archived" in done.stdout
    assert run("events", "tail", "--all", "--json", "--folder", folder).stdout == before
