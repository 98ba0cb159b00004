"""What can be audited."""

import secrets
import tempfile
from pathlib import Path

import pytest

from events.engine.memory import MemoryEngine
from events.export import describe, export
from events.recorder import EngineProcessRecorder
from mu.audit import Replay
from mu.audit_source import open_source
from tests.mu.audited import world
from tests.tikv import PD_ADDRESS, new_tikv_engine


def test_of_a_file_nothing_is_left_however_the_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    engine = MemoryEngine()
    head = world(engine).log.head()
    recorder = EngineProcessRecorder(engine)
    file = tmp_path / "exported"
    header = describe(recorder, first=1, region="", created_at=1)
    file.write_bytes(b"".join(export(recorder, header)))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with open_source(str(file), "SOURCE") as opened:
        # while it is read there is nothing that a killed process could leave
        assert list(temporary.iterdir()) == []
        assert opened.head() == (head.position, head.hash)


def test_a_log_on_a_cluster_is_audited_under_its_prefix():
    prefix = secrets.token_hex(8)
    engine = new_tikv_engine(prefix.encode())
    try:
        audited = world(engine)
        head = audited.log.head()
    finally:
        engine.close()
    with open_source(f"tikv://{PD_ADDRESS}/{prefix}", "SOURCE") as recorder:
        assert isinstance(recorder, EngineProcessRecorder)
        replay = Replay(recorder)
        replay.run()
        report = replay.report()
    assert report.disagreements == ()
    assert report.verified.head == head
