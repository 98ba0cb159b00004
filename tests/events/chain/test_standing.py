"""Where a scope stands in the log, read from its end."""

from collections.abc import Iterator

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    Finalized,
    NodeSource,
    Retracted,
    Source,
)
from events.chain.standing import BEGINNING, Standing
from events.engine.memory import MemoryEngine
from events.log import Entry, Log
from projections.retraction import live_entries
from tests.entries import SCOPE, deployed, open_log

NODE = NodeSource("node", 1)


class Stream:
    """A scope's stream in which things happen; other streams have entries too."""

    def __init__(self) -> None:
        self.log: Log = open_log(MemoryEngine())
        self.pending: list[tuple[int, int]] = []
        self.sequence = 0
        self.others = 0

    def append(self, source: Source, event: Event) -> int:
        self.log.append("other", self.others, [(NODE, Finalized(scope="other", sequence=1))])
        self.others += 1
        return self.log.append(SCOPE, self.log.version(SCOPE), [(source, event)])[0]

    def happen(self, finality: Finality = Finality.CONFIRMED) -> None:
        self.sequence += 1
        event = msgspec.structs.replace(
            deployed("stack", b"m"), sequence=self.sequence, event_hash=bytes([self.others % 256] * 32)
        )
        position = self.append(ChainSource(self.sequence, "signature", 0, finality), event)
        self.pending = [] if finality is Finality.FINALIZED else [*self.pending, (self.sequence, position)]

    def finalize(self, count: int) -> None:
        settled, self.pending = self.pending[:count], self.pending[count:]
        if settled:
            self.append(NODE, Finalized(scope=SCOPE, sequence=settled[-1][0]))

    def retract(self, count: int) -> None:
        dead, self.pending = self.pending[-count:], self.pending[:-count]
        if dead:
            self.sequence = dead[0][0] - 1
            positions = tuple(position for _, position in dead)
            self.append(NODE, Retracted(scope=SCOPE, first_sequence=dead[0][0], last_sequence=dead[-1][0],
                                        positions=positions))  # fmt: skip

    def check(self, standing: Standing) -> None:
        assert standing.version == self.log.version(SCOPE)
        assert [(event.sequence, event.position) for event in standing.pending] == self.pending
        assert standing.tip.sequence == self.sequence
        live = [e.event for e in live_entries(list(self.log.replay())) if isinstance(e.event, ChainEvent)]
        assert standing.tip.hash == (live[-1].event_hash if live else bytes(32))
        final = self.sequence - len(self.pending)
        assert standing.final.sequence == final
        assert standing.event(final) == standing.final
        assert standing.event(self.sequence) == standing.tip
        assert standing.event(self.sequence + 1) is None
        assert final == 0 or standing.event(final - 1) is None


steps = st.one_of(
    st.just(("happen", Finality.CONFIRMED)),
    st.just(("happen", Finality.CONFIRMED)),
    st.just(("happen", Finality.FINALIZED)),
    st.tuples(st.sampled_from(["finalize", "retract"]), st.integers(1, 3)),
    st.just(("look", None)),
)


@given(st.lists(steps, max_size=40))
def test_it_is_the_same_however_often_one_looks(happened: list[tuple[str, object]]):
    stream, kept = Stream(), Standing()
    for step, argument in happened:
        if step == "look":
            kept.catch_up(stream.log.newest_first(SCOPE))
            stream.check(kept)
        elif not (step == "happen" and argument is Finality.FINALIZED and stream.pending):
            getattr(stream, step)(argument)
    for standing in (kept, Standing()):
        standing.catch_up(stream.log.newest_first(SCOPE))
        stream.check(standing)


def test_no_more_is_read_than_is_needed():
    stream = Stream()
    for _ in range(50):
        stream.happen()
    stream.finalize(48)
    stream.happen()
    stream.retract(2)
    stream.happen()
    read: list[int] = []

    def counted() -> Iterator[Entry]:
        for entry in stream.log.newest_first(SCOPE):
            read.append(entry.version)
            yield entry

    standing = Standing()
    standing.catch_up(counted())
    stream.check(standing)
    # down to event 48, the last final one
    assert read == list(range(54, 47, -1))


def test_an_empty_stream():
    standing = Standing()
    standing.catch_up(iter(()))
    assert (standing.version, standing.tip, standing.final, standing.pending) == (0, BEGINNING, BEGINNING, [])
    assert standing.event(0) == BEGINNING
