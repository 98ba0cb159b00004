"""A region on this machine: a local chain, a Marketplace with one provider and one region, and one node."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.pubkey import Pubkey

from contract import client as program
from contract.addresses import PROGRAM_ID, provider_address, region_address, stack_address, state_address
from contract.client import Provider, Region, Stack, StackStatus, State
from contract.errors import InvalidInput, MuError
from events.engine.lmdb import LmdbEngine
from mu.config import NodeLimits
from mu.identity import load_or_create_keypair
from mu.localnet.ledger import Ledger
from mu.localnet.server import open_listeners, serve_localnet
from mu.manifest import to_chain
from mu.marketplace import Confirmation, Marketplace
from mu.node import Node, NodeConfig, NodeHooks, run_node
from mu.project import Project
from mu.region_folder import RegionFolder
from projections.routes import Routes

REGION_NUMBER = 1
FUNDS_LAMPORTS = 100 * 10**9
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
        self.provider_owner = load_or_create_keypair(folder.keypair("provider"), random_bytes)
        self.developer = load_or_create_keypair(folder.keypair("developer"), random_bytes)
        self.node_keypair = load_or_create_keypair(folder.keypair("node"), random_bytes)
        self.provider = provider_address(self.provider_owner.pubkey())[0]
        self.region = region_address(self.provider, REGION_NUMBER)[0]
        self.marketplace = Marketplace(client)

    async def set_up(self, report: Callable[[str, Confirmation], None]) -> None:
        """Create what is not there yet: funds, the Marketplace's state, the provider, the region.

        `report` is told each transaction, and what it was for.
        """
        owner = self.provider_owner
        steps: list[tuple[str, Pubkey, type[Any], Callable[[], Any]]] = [
            ("initialize", state_address()[0], State, lambda: program.initialize(owner.pubkey())),
            (
                "create provider",
                self.provider,
                Provider,
                lambda: program.create_provider(owner.pubkey(), "local"),
            ),
            (
                "create region",
                self.region,
                Region,
                lambda: program.create_region(owner.pubkey(), REGION_NUMBER, "local", "http://127.0.0.1"),
            ),
        ]
        for step, address, kind, instruction in steps:
            if await self.marketplace.account(address, kind) is None:
                if step == "initialize":
                    for role, keypair in (("provider", owner), ("developer", self.developer)):
                        report(
                            f"fund the {role}",
                            await self.marketplace.airdrop(keypair.pubkey(), FUNDS_LAMPORTS),
                        )
                report(step, await self.marketplace.send([instruction()], owner))

    async def deploy(self, project: Project, put_binary: Callable[[bytes], str]) -> Deployed:
        """Bring the project on chain: a new stack, a new revision of it, or nothing where it is there as it is."""
        manifest = to_chain(project.upload(put_binary))
        owner = self.developer.pubkey()
        for seed in range(2**32):
            address = stack_address(self.region, owner, seed)[0]
            stack = await self.marketplace.account(address, Stack)
            if stack is None:
                instruction, revision = program.deploy_stack(owner, self.region, seed, manifest), 1
            elif stack.status is StackStatus.DELETED:
                continue
            elif stack.manifest == manifest:
                return Deployed(str(address), stack.revision, len(manifest), None)
            else:
                instruction = program.update_stack(owner, self.region, address, manifest)
                revision = stack.revision + 1
            confirmation = await self.marketplace.send([instruction], self.developer)
            return Deployed(str(address), revision, len(manifest), confirmation)
        raise AssertionError("a developer has used four billion stacks")

    async def delete(self, stack: str) -> Confirmation:
        """Delete a stack, for ever."""
        instruction = program.delete_stack(self.developer.pubkey(), self.region, Pubkey.from_string(stack))
        return await self.marketplace.send([instruction], self.developer)

    def node_config(self, limits: NodeLimits) -> NodeConfig:
        """The configuration of the region's one node."""
        return NodeConfig(
            folder=self.folder,
            keypair=self.node_keypair,
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
