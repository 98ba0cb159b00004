"""Logs that agree, and what is done to them, for the tests of verification."""

from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from events.catalogue import (
    Event,
    Finalized,
    NodeLeft,
    NodeLost,
    NodeSource,
    ProjectionEventSkipped,
    ProjectionRetried,
    RegionCreated,
    Retracted,
    Source,
    StackDeleted,
    StackFailed,
    StackStarted,
    StackStopped,
    UsageSignerCreated,
)
from events.engine.memory import MemoryEngine
from events.log import Log
from events.program_bytes import event_hash
from events.record import Record
from events.recorder import EngineProcessRecorder
from events.verification.findings import Disagreement
from events.verify import examine
from tests.entries import NODES, STACKS, append_all, joined, open_log
from tests.events.logs import (
    NODE,
    STREAM,
    region_created,
)


def key(position: int) -> bytes:
    return b"log/e" + position.to_bytes(8, "big")


def alter(engine: MemoryEngine, position: int) -> None:
    """Say that the entry was recorded at another time."""
    with engine.begin() as transaction:
        record = Record.decode(transaction.get(key(position)) or b"")
        plain = msgspec.msgpack.decode(record.state)
        plain["recorded_at"] = 5
        state = msgspec.msgpack.encode(plain)
        forged = Record(record.previous_hash, record.stream, record.version, record.topic, state)
        transaction.put(key(position), forged.encode())
        transaction.commit()


def replace(engine: MemoryEngine, position: int, data: bytes) -> None:
    with engine.begin() as transaction:
        transaction.put(key(position), data)
        transaction.commit()


def disagreements(engine: MemoryEngine) -> tuple[Disagreement, ...]:
    return examine(EngineProcessRecorder(engine)).disagreements


(FIRST, _), (SECOND, _), *_ = NODES
ONCE = {"stack": STACKS[0], "revision": 1}
OWN: list[Event] = [
    StackStarted(node=FIRST, **ONCE),
    StackStopped(node=FIRST, **ONCE),
    StackFailed(node=FIRST, reason="", **ONCE),
    NodeLeft(node=FIRST, generation=1),
]
"""A node's own, but for its join."""
LOST = NodeLost(node=FIRST, generation=1)
SAID: list[Event] = [
    ProjectionRetried(name="stacks", position=1, reason="so"),
    ProjectionEventSkipped(name="stacks", position=1, reason="so"),
]
CREATED = region_created()
FINAL = Finalized(scope=CREATED.scope, sequence=1)


def after_joins(stream: str, source: Source, event: Event) -> list[str]:
    """What disagrees in a log of two nodes and a region with one more event."""
    engine = MemoryEngine()
    log = open_log(engine)
    append_all(log, [joined(0), joined(1), CREATED])
    log.append(stream, log.version(stream), [(source, event)])
    found = disagreements(engine)
    assert {disagreement.position for disagreement in found} <= {4}
    return [disagreement.problem for disagreement in found]


def chain(scope: str, sequence: int, fork: int = 0, previous_fork: int = 0) -> StackDeleted:
    """The event with this number on a fork, after one of another fork."""
    before = hash_on(sequence - 1, previous_fork) if sequence > 1 else bytes(32)
    return StackDeleted(
        scope=scope, sequence=sequence, previous_hash=before, event_hash=hash_on(sequence, fork),
        stack="s", owner="o", escrow="e", withdrawal_from=0, revision=1, deleted_at=1,
    )  # fmt: skip


def hash_on(sequence: int, fork: int) -> bytes:
    return bytes([sequence, fork]) * 16


def retracted(scope: str, first: int, last: int, positions: Sequence[int]) -> Retracted:
    return Retracted(scope=scope, first_sequence=first, last_sequence=last, positions=tuple(positions))


def written(events: Sequence[Event]) -> MemoryEngine:
    """A log of these events after the node that records them has joined, which has position 0 for them."""
    moved = [
        msgspec.structs.replace(event, positions=tuple(position + 1 for position in event.positions))
        if isinstance(event, Retracted)
        else event
        for event in events
    ]
    engine = MemoryEngine()
    append_all(open_log(engine), [joined(0), *moved])
    return engine


def positions(engine: MemoryEngine) -> list[int]:
    """Those of the disagreements of a written log."""
    return [found.position - 1 for found in disagreements(engine)]


A, B = "scope a", "scope b"


HISTORIES = st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 3)), max_size=12)


def history(acts: list[tuple[str, int]]) -> list[Event]:
    """Each act retracts some of a scope's events and adds two on a new fork."""
    happened: list[Event] = []
    live: dict[str, list[tuple[int, int]]] = {A: [], B: []}
    for fork, (scope, retract) in enumerate(acts, 1):
        events = live[scope]
        gone = events[len(events) - min(retract, len(events)) :]
        if gone:
            del events[len(events) - len(gone) :]
            happened.append(
                retracted(scope, len(events) + 1, len(events) + len(gone), [position for position, _ in gone])
            )
        for _ in range(2):
            previous_fork = events[-1][1] if events else 0
            happened.append(chain(scope, len(events) + 1, fork, previous_fork))
            events.append((len(happened), fork))
    return happened


def append(log: Log, event: Event, node: str = NODE) -> None:
    log.append(STREAM, log.version(STREAM), [(NodeSource(node, 1), event)])


def usage_signer(event: RegionCreated, public_key: str) -> UsageSignerCreated:
    created = UsageSignerCreated(
        scope=event.scope, sequence=2, previous_hash=event.event_hash, event_hash=bytes(32),
        signer=public_key, valid_from=1, valid_to=9,
    )  # fmt: skip
    return msgspec.structs.replace(created, event_hash=event_hash(created))
