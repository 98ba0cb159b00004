"""Hypothesis strategies for the events of a region, and logs that hold them."""

import itertools
from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.terms import Prices, Terms, Usage
from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    MarketplaceEvent,
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
from events.streams import node_stream, stream_of
from tests.manifests import manifests

STACKS = tuple(str(Pubkey([number] * 32)) for number in range(1, 5))
NODES = tuple((node_hash("10.0.0.1", 7000 + number, 1), 7000 + number) for number in range(3))
OWNER = str(Pubkey([77] * 32))
ESCROW = str(Pubkey([66] * 32))
SCOPE = str(Pubkey([88] * 32))
TERMS = Terms(
    minimum_escrow=1,
    max_instructions_per_call=10**10,
    notice_seconds=3600,
    prices=Prices(gateway_million_requests=5),
)
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


def _fixed(**values: Any) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.just(value) for name, value in values.items()}


events: st.SearchStrategy[Event] = st.one_of(
    st.builds(StackDeployed, stack=_stacks, revision=_revisions, manifest=_manifest_bytes,
              **_fixed(owner=OWNER, escrow=ESCROW, minimum=1, seed=0, **_chain)),
    st.builds(StackUpdated, stack=_stacks, revision=_revisions, manifest=_manifest_bytes,
              **_fixed(owner=OWNER, escrow=ESCROW, minimum=1, **_chain)),
    st.builds(StackDeleted, stack=_stacks, revision=_revisions,
              **_fixed(owner=OWNER, escrow=ESCROW, withdrawal_from=0, deleted_at=9, **_chain)),
    st.sampled_from(NODES).map(_joined),
    st.builds(NodeLeft, node=_nodes, generation=st.just(1)),
    st.builds(NodeLost, node=_nodes, generation=st.just(1)),
    st.builds(StackStarted, stack=_stacks, revision=_revisions, node=_nodes),
    st.builds(StackStopped, stack=_stacks, revision=_revisions, node=_nodes),
    st.builds(StackFailed, stack=_stacks, revision=_revisions, node=_nodes, reason=st.text(max_size=5)),
)  # fmt: skip
"""What the projections of a region read."""

_u64s = st.integers(0, 2**64 - 1)
_prices = st.builds(Prices, **dict.fromkeys(Prices.__struct_fields__, _u64s))
_terms = st.builds(
    Terms, minimum_escrow=_u64s, max_instructions_per_call=_u64s, notice_seconds=_u64s, prices=_prices
)
_fields: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**64 - 1),
    str: st.text(st.characters(codec="utf-8")),
    bytes: st.binary(),
    Terms: _terms,
    Usage: st.builds(Usage, **dict.fromkeys(Usage.__struct_fields__, _u64s)),
}
marketplace_events: st.SearchStrategy[MarketplaceEvent] = st.one_of(
    *(
        st.builds(kind, **{name: _fields[field] for name, field in get_type_hints(kind).items()})
        for kind in get_args(MarketplaceEvent)
    )
)
"""Any event of the program, with any values."""


def region_created() -> RegionCreated:
    return RegionCreated(
        provider=OWNER, number=1, name="local", base_url="http://127.0.0.1", terms=TERMS, **_chain
    )


def deployed(stack: str, manifest: bytes, revision: int = 1) -> StackDeployed:
    return StackDeployed(
        stack=stack,
        owner=OWNER,
        escrow=ESCROW,
        minimum=1,
        seed=0,
        revision=revision,
        manifest=manifest,
        **_chain,
    )


def updated(stack: str, manifest: bytes, revision: int) -> StackUpdated:
    return StackUpdated(
        stack=stack, owner=OWNER, escrow=ESCROW, minimum=1, revision=revision, manifest=manifest, **_chain
    )


def deleted(stack: str, revision: int = 1) -> StackDeleted:
    return StackDeleted(
        stack=stack, owner=OWNER, escrow=ESCROW, withdrawal_from=0, revision=revision, deleted_at=9, **_chain
    )


def joined(number: int) -> NodeJoined:
    return joined_at(7000 + number)


def joined_at(port: int) -> NodeJoined:
    return _joined((node_hash("10.0.0.1", port, 1), port))


def source_of(event: Event) -> Source:
    if isinstance(event, ChainEvent):
        return ChainSource(5, "signature", 0, Finality.CONFIRMED)
    return NodeSource(getattr(event, "node", NODES[0][0]), 1)


def open_log(engine: Engine) -> Log:
    clock = iter(range(1_000_000, 10**12))
    return Log(EngineProcessRecorder(engine), lambda: next(clock))


def place_of(event: Event) -> str:
    """The stream where it belongs."""
    keys = {node: joined(number).public_key for number, (node, _) in enumerate(NODES)}
    return stream_of(event, keys.get) or node_stream("nobody's key")


def append_all(log: Log, happened: Sequence[Event], stream: str | None = None) -> None:
    """Append events to one stream, or each where it belongs, those of one stream in batches of up to seven."""
    for place, events in itertools.groupby(happened, lambda event: stream or place_of(event)):
        batches = list(events)
        for start in range(0, len(batches), 7):
            batch = [(source_of(event), event) for event in batches[start : start + 7]]
            log.append(place, log.version(place), batch)
