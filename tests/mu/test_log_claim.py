from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from contract.errors import InvalidInput
from events.engine import Conflict, Engine, EngineError, KeyExists, OutcomeUnknown, Unavailable
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.engine.once import MAX_ATTEMPTS
from mu.log_claim import claim, claimed_by
from tests.entries import SCOPE, append_all, joined, open_log, region_created
from tests.tikv import new_tikv_engine

OURS, THEIRS = (str(Pubkey([number] * 32)) for number in (1, 2))


@pytest.fixture(params=["memory", "lmdb", "tikv"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    match request.param:
        case "memory":
            engine: Engine = MemoryEngine()
        case "lmdb":
            engine = LmdbEngine(tmp_path)
        case _:
            engine = new_tikv_engine()
    yield engine
    engine.close()


def test_a_log_is_the_regions_that_claims_it_first(engine: Engine):
    assert claimed_by(engine) == ""
    claim(engine, OURS)
    claim(engine, OURS)
    assert claimed_by(engine) == OURS
    with pytest.raises(InvalidInput, match=f"^folder: its log is of the region {OURS}, not of {THEIRS}"):
        claim(engine, THEIRS)
    assert claimed_by(engine) == OURS


def test_a_log_that_nobody_claimed_is_the_regions_whose_events_it_has(engine: Engine):
    append_all(open_log(engine), [joined(0)] * 600 + [region_created()])
    with pytest.raises(InvalidInput, match=f"of the region {SCOPE}"):
        claim(engine, OURS)
    claim(engine, SCOPE)


def test_of_many_regions_that_claim_at_the_same_time_one_has_it(engine: Engine):
    regions = [str(Pubkey([number // 3] * 32)) for number in range(24)]

    def attempt(region: str) -> bool:
        try:
            claim(engine, region)
        except InvalidInput:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = {region for region, has in zip(regions, threads.map(attempt, regions), strict=True) if has}
    assert won == {claimed_by(engine)}


@pytest.mark.parametrize("error", [Conflict("x"), OutcomeUnknown("x"), KeyExists(b"region")])
@pytest.mark.parametrize("applied", [False, True])
def test_an_engine_that_hesitates(error: EngineError, applied: bool):
    engine = MemoryEngine()
    engine.fail_next_commit(error, applied=applied and isinstance(error, OutcomeUnknown))
    claim(engine, OURS)
    assert claimed_by(engine) == OURS


def test_an_engine_that_never_takes_it_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    engine = MemoryEngine()
    begin, begun = engine.begin, list[int]()

    def refusing():
        begun.append(1)
        engine.fail_next_commit(Conflict("x"))
        return begin()

    monkeypatch.setattr(engine, "begin", refusing)
    with pytest.raises(Unavailable, match="whose"):
        claim(engine, OURS)
    assert len(begun) == MAX_ATTEMPTS
