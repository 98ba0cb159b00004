"""Hypothesis strategies for the events of a region, and logs that hold them."""

from collections.abc import Sequence

from hypothesis import strategies as st
from solders.pubkey import Pubkey

from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    NodeJoined,
    NodeLeft,
    NodeLost,
    NodeSource,
    RegionCreated,
    Source,
    StackDeleted,
    StackDeployed,
    StackFailed,
    StackStarted,
    StackStopped,
    StackUpdated,
)
from events.engine import Engine
from events.log import Log
from events.manifest_codec import encode
from events.node import node_hash
from events.recorder import EngineProcessRecorder
from tests.manifests import manifests

STACKS = tuple(str(Pubkey([number] * 32)) for number in range(1, 5))
NODES = tuple((node_hash("10.0.0.1", 7000 + number, 1), 7000 + number) for number in range(3))
OWNER = str(Pubkey([77] * 32))
SCOPE = str(Pubkey([88] * 32))
ZEROS = bytes(32)

_chain = {"scope": SCOPE, "sequence": 1, "previous_hash": ZEROS, "event_hash": ZEROS}
_stacks = st.sampled_from(STACKS)
_nodes = st.sampled_from([node for node, _ in NODES])
_revisions = st.integers(1, 3)
_manifest_bytes = manifests().map(encode) | st.binary(max_size=20)


def _joined(pair: tuple[str, int]) -> NodeJoined:
    return NodeJoined(
        node=pair[0], address="10.0.0.1", port=pair[1], generation=1, public_key=f"key {pair[1]}"
    )


events: st.SearchStrategy[Event] = st.one_of(
    st.builds(StackDeployed, stack=_stacks, owner=st.just(OWNER), seed=st.just(0), revision=_revisions,
              manifest=_manifest_bytes, **{name: st.just(value) for name, value in _chain.items()}),
    st.builds(StackUpdated, stack=_stacks, owner=st.just(OWNER), revision=_revisions, manifest=_manifest_bytes,
              **{name: st.just(value) for name, value in _chain.items()}),
    st.builds(StackDeleted, stack=_stacks, owner=st.just(OWNER), revision=_revisions,
              **{name: st.just(value) for name, value in _chain.items()}),
    st.sampled_from(NODES).map(_joined),
    st.builds(NodeLeft, node=_nodes, generation=st.just(1)),
    st.builds(NodeLost, node=_nodes, generation=st.just(1)),
    st.builds(StackStarted, stack=_stacks, revision=_revisions, node=_nodes),
    st.builds(StackStopped, stack=_stacks, revision=_revisions, node=_nodes),
    st.builds(StackFailed, stack=_stacks, revision=_revisions, node=_nodes, reason=st.text(max_size=5)),
)  # fmt: skip


def region_created() -> RegionCreated:
    return RegionCreated(provider=OWNER, number=1, name="local", base_url="http://127.0.0.1", **_chain)


def deployed(stack: str, manifest: bytes, revision: int = 1) -> StackDeployed:
    return StackDeployed(stack=stack, owner=OWNER, seed=0, revision=revision, manifest=manifest, **_chain)


def updated(stack: str, manifest: bytes, revision: int) -> StackUpdated:
    return StackUpdated(stack=stack, owner=OWNER, revision=revision, manifest=manifest, **_chain)


def deleted(stack: str, revision: int = 1) -> StackDeleted:
    return StackDeleted(stack=stack, owner=OWNER, revision=revision, **_chain)


def joined(number: int) -> NodeJoined:
    return _joined(NODES[number])


def source_of(event: Event) -> Source:
    if isinstance(event, ChainEvent):
        return ChainSource(5, "signature", 0, Finality.CONFIRMED)
    return NodeSource(NODES[0][0], 1)


def open_log(engine: Engine) -> Log:
    clock = iter(range(1_000_000, 10**12))
    return Log(EngineProcessRecorder(engine), lambda: next(clock))


def append_all(log: Log, happened: Sequence[Event], stream: str = "all") -> None:
    """Append events to one stream, in batches of seven."""
    for start in range(0, len(happened), 7):
        log.append(stream, start, [(source_of(event), event) for event in happened[start : start + 7]])
