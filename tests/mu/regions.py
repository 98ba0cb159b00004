"""A local region for tests: quick slots, free ports, lines of functions collected."""

import itertools
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import httpx
import msgspec

from mu.config import NodeLimits
from mu.function_log import FunctionLog
from mu.http.message import Request
from mu.local_region import LocalRegion, open_local_region, run_local_node
from mu.node import Node, NodeHooks
from mu.project import Project, load_project
from mu.region_folder import RegionFolder
from mu.runtime.outcome import Outcome

SAMPLE = Path(str(files("mu") / "samples" / "greeting"))
SLOT_SECONDS = 0.02
REQUEST_SECONDS = 20.0


class Seen(msgspec.Struct):
    """What a node told its surroundings."""

    lines: list[FunctionLog] = []
    outcomes: list[Outcome] = []

    def hooks(self) -> NodeHooks:
        def on_outcome(request: Request, outcome: Outcome) -> None:
            self.outcomes.append(outcome)

        numbers = itertools.count(1)
        return NodeHooks(
            on_log=self.lines.append, on_outcome=on_outcome, request_ids=lambda: f"request-{next(numbers)}"
        )


def greeting() -> Project:
    return load_project(SAMPLE)


@asynccontextmanager
async def open_region(folder: Path) -> AsyncIterator[LocalRegion]:
    """A chain with a region that is set up, without a node."""
    async with open_local_region(
        RegionFolder(folder),
        rpc_port=0,
        slot_seconds=SLOT_SECONDS,
        random_bytes=os.urandom,
        now=time.time,
        request_ids=lambda: "chain",
    ) as region:
        await region.set_up(lambda step, confirmation: None)
        yield region


@asynccontextmanager
async def open_node(region: LocalRegion, seen: Seen | None = None) -> AsyncIterator[Node]:
    """The region's node on a free port."""
    hooks = (seen or Seen()).hooks()
    async with run_local_node(region, port=0, hooks=hooks, limits=NodeLimits()) as node:
        yield node


async def request(node: Node, method: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.port}", timeout=REQUEST_SECONDS) as client:
        return await client.request(method, path)
