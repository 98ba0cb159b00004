"""`mu demo`: from a program's log line to an HTTP answer, and back through a replay, each step shown."""

import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import click
import httpx
import trio

from cli.local import Ports, deploy, region_with_node
from cli.output import digest, entry_line, step
from contract.errors import MuError
from events.verify import verify
from mu.config import NodeLimits
from mu.http.message import Request
from mu.node import Node
from mu.project import load_project
from mu.region_folder import RegionFolder
from mu.runtime.outcome import Outcome

SAMPLE = "greeting"
SAMPLE_PATH = "greeting/greet/Ada?greeting=Good%20day"
SLOT_SECONDS = 0.1
REQUEST_SECONDS = 30.0


class DemoFailed(MuError):
    """Something came out otherwise than it must."""


@click.command()
def demo() -> None:
    """Deploy the sample stack on a local region, call it, replay the log, and compare."""
    with (
        tempfile.TemporaryDirectory(prefix="mu-demo-") as folder,
        as_file(files("mu") / "samples" / SAMPLE) as sample,
    ):
        trio.run(_demo, Path(folder), sample)


async def _demo(folder: Path, sample: Path) -> None:
    outcomes: list[Outcome] = []

    def on_outcome(request: Request, outcome: Outcome) -> None:
        outcomes.append(outcome)

    project = load_project(sample)
    async with region_with_node(
        RegionFolder(folder), Ports(0, 0), slot_seconds=SLOT_SECONDS, on_outcome=on_outcome
    ) as (region, node):
        deployed = await deploy(region, node, project)
        for entry in node.log.replay():
            step("log", entry_line(entry))
        url = f"http://127.0.0.1:{node.port}/{deployed.stack}/{SAMPLE_PATH}"
        step("request", f"GET {url}")
        async with httpx.AsyncClient(timeout=REQUEST_SECONDS) as client:
            response = await client.get(url)
        step("answer", f"{response.status_code} {response.text.strip()!r}")
        step(
            "fuel",
            f"{outcomes[0].fuel_used} instructions, {outcomes[0].megabyte_instructions} megabyte-instructions",
        )
        if (response.status_code, response.text) != (200, "Good day, Ada!\n"):
            raise DemoFailed("that is not the answer of the sample function")
        await _replay(node)


async def _replay(node: Node) -> None:
    head = await trio.to_thread.run_sync(verify, node.opened.recorder)
    step(
        "verify",
        f"{head.position} entries, each holding the hash of the one before; the last is {digest(head.hash)}",
    )
    fresh = await trio.to_thread.run_sync(node.opened.fresh_runner, NodeLimits().projections)
    for live, replayed in zip(node.runner.projections, fresh.projections, strict=True):
        same = live.checksum() == replayed.checksum()
        step("replay", f"{live.name:<12} {replayed.checksum()[:16]}  {'the same' if same else 'DIFFERENT'}")
        if not same:
            raise DemoFailed(f"the replayed {live.name} differ from the live ones")
