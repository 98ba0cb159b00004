import pytest

from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from tests.tikv import new_tikv_engine


@pytest.fixture(params=["memory", "lmdb", "tikv"])
def engine(request, tmp_path):
    if request.param == "tikv":
        made = new_tikv_engine()
    else:
        made = MemoryEngine() if request.param == "memory" else LmdbEngine(tmp_path / "engine")
    yield made
    made.close()
