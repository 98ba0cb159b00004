"""The time from a deployment to its first answer: over the chain's confirmation, the log and the node's start of it.

The gateway is asked from the moment of sending on, every `ASK_SECONDS`, and the chain as often whether the transaction
is confirmed: each time is late by up to that and the length of a request. All of it shares one process and its core.
"""

import secrets
import statistics
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import httpx
import msgspec
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solana.rpc.types import TxOpts
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

from benchmarks.output import line, title
from contract import client as program
from contract.addresses import stack_address
from mu.config import NodeLimits
from mu.local_region import LocalRegion, open_local_region, run_local_node
from mu.manifest import to_chain
from mu.marketplace import Marketplace
from mu.node import NodeHooks
from mu.project import load_project
from mu.region_folder import RegionFolder

DEPLOYMENTS = 20
SLOT_SECONDS = 0.1
ASK_SECONDS = 0.002
GIVE_UP_SECONDS = 30.0
PATH = "/greeting/greet/Ada"


class Delay(msgspec.Struct, frozen=True):
    """Seconds from `sendTransaction` to the transaction's confirmation, and to the first answer with status 200."""

    confirmed: float
    answered: float


def run() -> None:
    """Deploy stack after stack and show the delays."""
    title(
        f"chain: {DEPLOYMENTS} stacks of one binary (compiled at the first), slots of {SLOT_SECONDS * 1000:.0f} ms"
    )
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        delays = trio.run(_measure, Path(folder))
    for label, seconds in (
        ("sent to confirmed", [delay.confirmed for delay in delays]),
        ("confirmed to first answer", [delay.answered - delay.confirmed for delay in delays]),
        ("sent to first answer", [delay.answered for delay in delays]),
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
            AsyncClient(region.chain.rpc_url, Confirmed) as chain,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.port}") as gateway,
        ):
            manifest = to_chain(project.upload(node.binaries.put))
            return [await _deploy(region, chain, gateway, seed, manifest) for seed in range(DEPLOYMENTS)]


async def _deploy(
    region: LocalRegion, chain: AsyncClient, gateway: httpx.AsyncClient, seed: int, manifest: bytes
) -> Delay:
    developer = region.keys.developer
    stack: Pubkey = stack_address(region.region, developer.pubkey(), seed)[0]
    instruction = program.deploy_stack(developer.pubkey(), region.provider, region.region, seed, manifest)
    blockhash = (await chain.get_latest_blockhash(Confirmed)).value.blockhash
    message = Message.new_with_blockhash([instruction], developer.pubkey(), blockhash)
    transaction = bytes(Transaction([developer], message, blockhash))
    answered: list[float] = []

    async def ask() -> None:
        while True:
            if (await gateway.get(f"/{stack}{PATH}")).status_code == 200:
                break
            await trio.sleep(ASK_SECONDS)
        answered.append(time.perf_counter())

    with trio.fail_after(GIVE_UP_SECONDS):
        async with trio.open_nursery() as nursery:
            sent = time.perf_counter()
            nursery.start_soon(ask)
            options = TxOpts(preflight_commitment=Confirmed, skip_confirmation=True)
            signature = (await chain.send_raw_transaction(transaction, options)).value
            await Marketplace(chain, poll_seconds=ASK_SECONDS).confirm(signature)
            confirmed = time.perf_counter()
    await region.delete(str(stack))
    return Delay(confirmed - sent, answered[0] - sent)
