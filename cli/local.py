"""What `mu run` and `mu demo` share: a local region with its node, each step shown as it happens."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import click
import msgspec

from cli.cluster import show_transaction
from cli.output import function_log_line, step
from events.manifest import Manifest
from mu.config import NodeLimits
from mu.http.message import Request
from mu.local_region import Deployed, LocalRegion, open_local_region, run_local_node, wait_until_ready
from mu.node import Node, NodeHooks
from mu.project import Project
from mu.region_folder import RegionFolder
from mu.runtime.outcome import Finished, Outcome

REQUEST_ID_BYTES = 8


class Ports(msgspec.Struct, frozen=True):
    """The local ports of the gateway and of the chain's RPC (PubSub is the one after it); 0 is any free one."""

    gateway: int
    rpc: int


def request_id() -> str:
    """A fresh id for a request."""
    return secrets.token_hex(REQUEST_ID_BYTES)


def show_outcome(request: Request, outcome: Outcome) -> None:
    """Say how a call ended that gave no answer."""
    if not isinstance(outcome, Finished):
        reason = getattr(outcome, "error", None) or getattr(outcome, "reason", None)
        name = type(outcome).__name__
        step("failed", f"{request.method} {request.path}: {name}{f' ({reason})' if reason else ''}")


@asynccontextmanager
async def region_with_node(
    folder: RegionFolder,
    ports: Ports,
    *,
    slot_seconds: float,
    on_outcome: Callable[[Request, Outcome], None] = show_outcome,
) -> AsyncIterator[tuple[LocalRegion, Node]]:
    """A local region that has been set up, and its node."""
    hooks = NodeHooks(
        on_log=lambda line: click.echo(function_log_line(line)), on_outcome=on_outcome, request_ids=request_id
    )
    async with open_local_region(
        folder,
        rpc_port=ports.rpc,
        slot_seconds=slot_seconds,
        random_bytes=secrets.token_bytes,
        now=time.time,
        request_ids=request_id,
    ) as region:
        step("chain", f"{region.chain.rpc_url}, slot {region.chain.slot()}")
        await region.set_up(partial(show_transaction, as_json=False))
        step("region", str(region.region))
        async with run_local_node(region, port=ports.gateway, hooks=hooks, limits=NodeLimits()) as node:
            step("node", f"{node.journal.node}, generation {node.journal.generation}, port {node.port}")
            yield region, node


async def deploy(region: LocalRegion, node: Node, project: Project) -> Deployed:
    """Deploy a project and wait until the node answers for it, showing both."""
    deployed = await region.deploy(project, node.binaries.put)
    if deployed.confirmation is None:
        step("stack", f"{deployed.stack}, revision {deployed.revision}, is deployed already")
    else:
        show_transaction(
            f"stack {deployed.stack}, revision {deployed.revision}, {deployed.manifest_bytes} bytes",
            deployed.confirmation,
            as_json=False,
        )
    await wait_until_ready(node, deployed.stack, deployed.revision)
    for method, url in routes(project.manifest, deployed.stack, node.port):
        step("route", f"{method} {url}")
    return deployed


def routes(manifest: Manifest, stack: str, port: int) -> list[tuple[str, str]]:
    """The method and URL of every route of a stack."""
    return [
        (route.method.upper(), f"http://127.0.0.1:{port}/{stack}/{gateway.name}{endpoint.path}")
        for gateway in manifest.gateways().values()
        for endpoint in gateway.endpoints
        for route in endpoint.routes
    ]
