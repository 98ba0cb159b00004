import pytest

from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine


@pytest.fixture(params=["memory", "lmdb"])
def engine(request, tmp_path):
    made = MemoryEngine() if request.param == "memory" else LmdbEngine(tmp_path / "engine")
    yield made
    made.close()
