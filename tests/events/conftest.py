"""Engines and recorders for the tests of the log."""

import pytest

from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.recorder import EngineProcessRecorder
from tests.tikv import new_tikv_engine


@pytest.fixture(params=["memory", "lmdb", "tikv"])
def engine(request, tmp_path):
    if request.param == "tikv":
        made = new_tikv_engine()
    else:
        made = MemoryEngine() if request.param == "memory" else LmdbEngine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def memory():
    return MemoryEngine()


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def recorder(memory, pauses):
    return EngineProcessRecorder(memory, sleep=pauses.append)
