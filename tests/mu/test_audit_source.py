"""A log on a TiKV cluster, audited."""

import secrets

from events.recorder import EngineProcessRecorder
from mu.audit import Replay
from mu.audit_source import open_source
from tests.mu.audited import world
from tests.tikv import PD_ADDRESS, new_tikv_engine


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
