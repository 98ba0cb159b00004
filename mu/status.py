"""What a node says of itself, for people and for monitoring: two files in its folder, written anew every second.

`status.json` is read by `mu status`; `metrics.prom` is Prometheus' text format, as the textfile collector of
`node_exporter` takes it. Files need no port and are there when the gateway is not; what is old shows by its time.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
import trio

from contract.errors import DecodeError, MuError
from events.chain.endpoints import Endpoint
from events.chain.follower import Follower, FollowerState, Health
from events.log import Log
from mu.peers.hints import HintCounts
from projections.runner import Runner

STATUS_FILE = "status.json"
METRICS_FILE = "metrics.prom"
WRITE_SECONDS = 1.0
MAX_AGE_SECONDS = 5.0
"""A status that is older is of a node that has stopped, or hangs."""

logger = logging.getLogger(__name__)


class EndpointStatus(msgspec.Struct, frozen=True):
    """An RPC node: whether it is the one that is asked, its slot (0 before any answer), and what was wrong last."""

    name: str
    current: bool
    slot: int
    failures: int
    problem: str | None


class ProjectionStatus(msgspec.Struct, frozen=True):
    """How far a projection has come, and the position that it is stopped at, if it is."""

    name: str
    position: int
    parked_at: int | None
    problem: str | None


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A node at a time (milliseconds since 1970, UTC)."""

    written_at: int
    node: str
    generation: int
    port: int
    head: int
    scopes: tuple[FollowerState, ...]
    endpoints: tuple[EndpointStatus, ...]
    projections: tuple[ProjectionStatus, ...]
    hints: HintCounts
    left: bool = False
    """Whether this is the last one: the node has left the region."""

    @property
    def problems(self) -> list[str]:
        """What is wrong, a sentence each; nothing where all is well."""
        return [
            *(
                f"{one.scope} is {one.health}: {one.problem}"
                for one in self.scopes
                if one.problem is not None
            ),
            *(
                f"projection {one.name} is stopped at position {one.parked_at}: {one.problem}"
                for one in self.projections
                if one.parked_at is not None
            ),
        ]


def encode_status(status: NodeStatus) -> bytes:
    """The status as a line of JSON."""
    return msgspec.json.encode(status) + b"\n"


def decode_status(data: bytes) -> NodeStatus:
    """The status in a file. Raises `DecodeError`."""
    try:
        return msgspec.json.decode(data, type=NodeStatus)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(f"{STATUS_FILE}: {error}") from None


def read_status(folder: Path) -> NodeStatus | None:
    """What the node of a folder said last, None if it never did. Raises `DecodeError`."""
    try:
        return decode_status((folder / STATUS_FILE).read_bytes())
    except FileNotFoundError:
        return None


def endpoint_statuses(endpoints: Mapping[str, Endpoint], current: str | None) -> tuple[EndpointStatus, ...]:
    """How the RPC nodes stand."""
    return tuple(
        EndpointStatus(name, name == current, one.slot, one.failures, one.problem)
        for name, one in endpoints.items()
    )


def projection_statuses(runner: Runner) -> tuple[ProjectionStatus, ...]:
    """How the projections stand."""
    return tuple(
        ProjectionStatus(
            name,
            progress.position,
            progress.parked.position if progress.parked is not None else None,
            progress.parked.traceback.strip().rpartition("\n")[2] if progress.parked is not None else None,
        )
        for name, progress in runner.progress.items()
    )


def metrics_text(status: NodeStatus) -> str:
    """The status in Prometheus' text format, version 0.0.4."""
    scopes = [({"scope": one.scope}, one) for one in status.scopes]
    endpoints = [({"endpoint": one.name}, one) for one in status.endpoints]
    projections = [({"projection": one.name}, one) for one in status.projections]
    families = [
        ("mu_status_time_seconds", "When this was written, since 1970.", [({}, status.written_at / 1000)]),
        ("mu_generation", "The generation of the node.", [({"node": status.node}, status.generation)]),
        ("mu_log_head_position", "The last position of the log.", [({}, status.head)]),
        ("mu_chain_up", "Whether the follower is caught up with the chain.",
         [(labels, int(one.health is Health.CAUGHT_UP)) for labels, one in scopes]),
        ("mu_chain_slot", "The last slot that the follower has heard of.",
         [(labels, one.slot) for labels, one in scopes]),
        ("mu_chain_lag_events", "How many events the chain is known to be ahead of the log.",
         [(labels, one.lag_events) for labels, one in scopes]),
        ("mu_chain_sequence", "The sequence of the last event in the log.",
         [(labels, one.sequence) for labels, one in scopes]),
        ("mu_chain_final_sequence", "The sequence up to which events are finalized.",
         [(labels, one.final_sequence) for labels, one in scopes]),
        ("mu_rpc_endpoint_up", "Whether the RPC node gave no problem last.",
         [(labels, int(one.problem is None)) for labels, one in endpoints]),
        ("mu_rpc_endpoint_slot", "The last slot that the RPC node told.",
         [(labels, one.slot) for labels, one in endpoints]),
        ("mu_rpc_endpoint_failures", "How often the RPC node has failed since the node started.",
         [(labels, one.failures) for labels, one in endpoints]),
        ("mu_hints_sent", "Hints sent to peers.", [({}, status.hints.sent)]),
        ("mu_hints_unsent", "Hints to peers that could not be sent.", [({}, status.hints.unsent)]),
        ("mu_hints_taken", "Hints of peers that were taken.", [({}, status.hints.taken)]),
        ("mu_hints_ignored", "Datagrams that are no hints of this region.", [({}, status.hints.ignored)]),
        ("mu_projection_position", "The last position that a projection has folded.",
         [(labels, one.position) for labels, one in projections]),
        ("mu_projection_parked", "Whether a projection is stopped by an event.",
         [(labels, int(one.parked_at is not None)) for labels, one in projections]),
    ]  # fmt: skip
    return "".join(_family(*family) for family in families)


def _family(name: str, what: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    lines = [f"# HELP {name} {what}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class StatusWriter(msgspec.Struct, frozen=True, kw_only=True):
    """Writes what a node says of itself into its folder. `endpoints` gives how its RPC nodes stand, `now` the time in
    milliseconds since 1970, UTC.
    """

    folder: Path
    node: str
    generation: int
    port: int
    log: Log
    runner: Runner
    followers: tuple[Follower, ...]
    endpoints: Callable[[], tuple[EndpointStatus, ...]]
    hints: HintCounts
    now: Callable[[], int]

    def status(self, head: int, *, left: bool) -> NodeStatus:
        """The status now; `head` is the log's last position, `left` whether the node has left the region."""
        return NodeStatus(
            written_at=self.now(),
            node=self.node,
            generation=self.generation,
            port=self.port,
            head=head,
            scopes=tuple(follower.state for follower in self.followers),
            endpoints=self.endpoints(),
            projections=projection_statuses(self.runner),
            hints=self.hints,
            left=left,
        )

    async def run(self) -> None:
        """Write it every second, for ever. What cannot be written is left out until the next time."""
        head = 0
        while True:
            try:
                head = (await trio.to_thread.run_sync(self.log.head)).position
            except MuError as error:
                # the engine is away: the last position is the best that is known
                logger.debug("status: %s", error)
            await self.write(head)
            await trio.sleep(WRITE_SECONDS)

    async def write(self, head: int, *, left: bool = False) -> None:
        """Write both files."""
        status = self.status(head, left=left)
        try:
            await trio.to_thread.run_sync(self._replace, STATUS_FILE, encode_status(status))
            await trio.to_thread.run_sync(self._replace, METRICS_FILE, metrics_text(status).encode())
        except OSError as error:
            logger.warning("the node's status cannot be written: %s", error)

    def _replace(self, name: str, data: bytes) -> None:
        """A reader sees the file as it was or as it is, never a part of it."""
        new = self.folder / f"{name}.new"
        new.write_bytes(data)
        os.replace(new, self.folder / name)
