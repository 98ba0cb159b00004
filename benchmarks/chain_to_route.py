"""The time from a deployment to its first answer: over the chain's confirmation, the log and the node's start of it."""

import secrets
import statistics
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import httpx
import msgspec
import trio

from benchmarks.output import line, title
from events.manifest import Manifest
from mu.config import NodeLimits
from mu.local_region import LocalRegion, open_local_region, run_local_node
from mu.node import Node, NodeHooks
from mu.project import Project, load_project
from mu.region_folder import RegionFolder

DEPLOYMENTS = 20
SLOT_SECONDS = 0.1


class Delay(msgspec.Struct, frozen=True):
    """Seconds from sending the transaction to its confirmation, and from that to the first answer with status 200."""

    confirmed: float
    answered: float


def run() -> None:
    """Deploy revision after revision and show the delays."""
    title(f"chain: {DEPLOYMENTS} deployments, slots of {SLOT_SECONDS * 1000:.0f} ms")
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        delays = trio.run(_measure, Path(folder))
    for label, seconds in (
        ("sent to confirmed", [delay.confirmed for delay in delays]),
        ("confirmed to first answer", [delay.answered for delay in delays]),
        ("sent to first answer", [delay.confirmed + delay.answered for delay in delays]),
    ):
        line(label, f"median {statistics.median(seconds) * 1000:.0f} ms, worst {max(seconds) * 1000:.0f} ms")


async def _measure(folder: Path) -> list[Delay]:
    hooks = NodeHooks(
        on_log=lambda log: None,
        on_outcome=lambda request, outcome: None,
        request_ids=lambda: secrets.token_hex(8),
    )
    project = load_project(Path(str(files("mu") / "samples" / "greeting")))
    async with open_local_region(
        RegionFolder(folder),
        rpc_port=0,
        slot_seconds=SLOT_SECONDS,
        random_bytes=secrets.token_bytes,
        now=time.time,
        request_ids=hooks.request_ids,
    ) as region:
        await region.set_up(lambda step, confirmation: None)
        async with (
            run_local_node(region, port=0, hooks=hooks, limits=NodeLimits()) as node,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.port}") as client,
        ):
            return [await _deploy(region, node, client, project, number) for number in range(DEPLOYMENTS)]


async def _deploy(
    region: LocalRegion, node: Node, client: httpx.AsyncClient, project: Project, number: int
) -> Delay:
    # each a stack of its own: the one before it is deleted
    manifest = project.manifest
    numbered = Project(Manifest(manifest.name, f"0.{number}", manifest.services), project.binaries)
    sent = time.perf_counter()
    deployed = await region.deploy(numbered, node.binaries.put)
    confirmed = time.perf_counter()
    while (await client.get(f"/{deployed.stack}/greeting/greet/Ada")).status_code != 200:
        pass
    answered = time.perf_counter()
    await region.delete(deployed.stack)
    return Delay(confirmed - sent, answered - confirmed)
