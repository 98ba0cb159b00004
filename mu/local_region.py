"""A region on this machine: a local chain, a Marketplace with one provider and one region, and one node."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.pubkey import Pubkey

from contract import client as program
from contract.addresses import PROGRAM_ID, provider_address, region_address, stack_address
from contract.client import Stack, StackStatus
from contract.errors import InvalidInput, MuError
from events.engine.lmdb import LmdbEngine
from mu.config import NodeLimits
from mu.local_marketplace import REGION_NUMBER, LocalKeys, set_up
from mu.localnet.ledger import Ledger
from mu.localnet.server import open_listeners, serve_localnet
from mu.manifest import to_chain
from mu.marketplace import Confirmation, Marketplace
from mu.node import Node, NodeConfig, NodeHooks, run_node
from mu.project import Project
from mu.region_folder import RegionFolder
from projections.routes import Routes

START_SECONDS = 30.0


class LocalChain(msgspec.Struct, frozen=True):
    """Where the local chain answers."""

    rpc_url: str
    pubsub_url: str
    slot: Callable[[], int]


class StackNotStarted(MuError):
    """The node could not start the stack, for the reason it gave, or did not in time."""


class Deployed(msgspec.Struct, frozen=True):
    """A stack on chain: its address and revision, and the transaction that put it there, if one was needed."""

    stack: str
    revision: int
    manifest_bytes: int
    confirmation: Confirmation | None


@asynccontextmanager
async def run_local_chain(
    folder: RegionFolder,
    *,
    port: int,
    slot_seconds: float,
    random_bytes: Callable[[int], bytes],
    now: Callable[[], float],
    request_ids: Callable[[], str],
) -> AsyncIterator[LocalChain]:
    """A local chain with the Marketplace's program, its ledger in the folder, while the context lasts."""
    rpc_listeners, pubsub_listeners = await open_listeners(port)
    rpc_port = rpc_listeners[0].socket.getsockname()[1]
    engine = LmdbEngine(folder.chain)
    try:
        programs = {PROGRAM_ID: program.program_bytes()}
        ledger = await trio.to_thread.run_sync(
            lambda: Ledger.open(engine, programs, seed=random_bytes(32), now=now)
        )
        async with trio.open_nursery() as nursery:

            async def serve(task_status: trio.TaskStatus[None]) -> None:
                await serve_localnet(
                    ledger,
                    rpc_listeners=rpc_listeners,
                    pubsub_listeners=pubsub_listeners,
                    now=now,
                    request_ids=request_ids,
                    slot_seconds=slot_seconds,
                    task_status=task_status,
                )

            await nursery.start(serve)
            yield LocalChain(
                f"http://127.0.0.1:{rpc_port}", f"ws://127.0.0.1:{rpc_port + 1}", lambda: ledger.slot
            )
            nursery.cancel_scope.cancel()
    finally:
        engine.close()


class LocalRegion:
    """The accounts of a local region, and what their owners do."""

    def __init__(
        self,
        folder: RegionFolder,
        chain: LocalChain,
        client: AsyncClient,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.folder = folder
        self.chain = chain
        self.keys = LocalKeys.load(folder, random_bytes)
        self.provider = provider_address(self.keys.provider.pubkey())[0]
        self.region = region_address(self.provider, REGION_NUMBER)[0]
        self.marketplace = Marketplace(client)

    async def set_up(self, report: Callable[[str, Confirmation], None]) -> None:
        """Create what is not there yet: see `mu.local_marketplace.set_up`."""
        await set_up(self.keys, self.marketplace, report)

    async def deploy(self, project: Project, put_binary: Callable[[bytes], str]) -> Deployed:
        """Bring the project on chain: a new stack, a new revision of it, or nothing where it is there as it is."""
        manifest = to_chain(project.upload(put_binary))
        owner = self.keys.developer.pubkey()
        for seed in range(2**32):
            address = stack_address(self.region, owner, seed)[0]
            stack = await self.marketplace.account(address, Stack)
            if stack is None:
                instruction = program.deploy_stack(owner, self.provider, self.region, seed, manifest)
                revision = 1
            elif stack.status is not StackStatus.ACTIVE:
                continue
            elif stack.manifest == manifest:
                return Deployed(str(address), stack.revision, len(manifest), None)
            else:
                instruction = program.update_stack(owner, self.provider, self.region, address, manifest)
                revision = stack.revision + 1
            confirmation = await self.marketplace.send([instruction], self.keys.developer)
            return Deployed(str(address), revision, len(manifest), confirmation)
        raise AssertionError("a developer has used four billion stacks")

    async def delete(self, stack: str) -> Confirmation:
        """Delete a stack, for ever."""
        developer, address = self.keys.developer.pubkey(), Pubkey.from_string(stack)
        instruction = program.delete_stack(developer, self.provider, self.region, address)
        return await self.marketplace.send([instruction], self.keys.developer)

    def node_config(self, limits: NodeLimits) -> NodeConfig:
        """The configuration of the region's one node."""
        return NodeConfig(
            folder=self.folder,
            keypair=self.keys.node,
            region=str(self.region),
            rpc_url=self.chain.rpc_url,
            pubsub_url=self.chain.pubsub_url,
            limits=limits,
        )


@asynccontextmanager
async def open_local_region(
    folder: RegionFolder,
    *,
    rpc_port: int,
    slot_seconds: float,
    random_bytes: Callable[[int], bytes],
    now: Callable[[], float],
    request_ids: Callable[[], str],
) -> AsyncIterator[LocalRegion]:
    """The chain and the accounts of a local region, without a node. Raises `InvalidInput` when the folder is in use."""
    with folder.locked():
        async with (
            run_local_chain(
                folder,
                port=rpc_port,
                slot_seconds=slot_seconds,
                random_bytes=random_bytes,
                now=now,
                request_ids=request_ids,
            ) as chain,
            AsyncClient(chain.rpc_url, Confirmed) as client,
        ):
            yield LocalRegion(folder, chain, client, random_bytes)


async def wait_until_ready(
    node: Node, stack: str, revision: int, *, timeout_seconds: float = START_SECONDS
) -> None:
    """Wait until the node answers for this revision of the stack. Raises `StackNotStarted`."""

    def settled() -> bool:
        routes = node.runner.get(Routes).state.stacks.get(stack)
        if routes is None or routes.revision != revision:
            return False
        if reason := routes.failures.get(node.journal.node):
            raise StackNotStarted(f"the node could not start the stack: {reason}")
        return routes.ready.get(node.journal.node) == revision

    with trio.move_on_after(timeout_seconds) as scope:
        await node.runner.wait_until(settled)
    if scope.cancelled_caught:
        problem = node.follower.problem or "its log has no word of it"
        raise StackNotStarted(f"the stack is not ready after {timeout_seconds:g} s: {problem}")


@asynccontextmanager
async def run_local_node(
    region: LocalRegion, *, port: int, hooks: NodeHooks, limits: NodeLimits
) -> AsyncIterator[Node]:
    """The region's node, its gateway on a local port (0: a free one). Raises `InvalidInput` for one that is taken."""
    listeners = await open_gateway(port)
    async with run_node(region.node_config(limits), listeners, hooks) as node:
        yield node


async def open_gateway(port: int) -> list[trio.SocketListener]:
    """Listen on a local port. Raises `InvalidInput`."""
    try:
        return await trio.open_tcp_listeners(port, host="127.0.0.1")
    except (OSError, OverflowError) as error:
        raise InvalidInput(
            "port", f"{port} cannot be listened on ({error}); choose another with --port"
        ) from None
