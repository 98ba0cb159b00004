"""A node: the composition root, where the log, the projections and the tasks that act on them are put together."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from contract.errors import MuError
from events.catalogue import NodeSource
from events.chain.endpoints import EndpointLimits
from events.chain.failover import FailoverReader
from events.chain.follower import Follower
from events.chain.pubsub import LogsSubscription
from events.chain.rpc import RpcChainReader, host_of
from events.log import Log
from mu.binaries import BinaryStore
from mu.checkpointer import Checkpointer
from mu.config import NodeLimits
from mu.deployer import Deployer
from mu.function_log import FunctionLog
from mu.gateway.handler import GatewayHandler
from mu.http.message import Request
from mu.http.server import serve
from mu.log_claim import claim
from mu.node_journal import NodeJournal
from mu.peers.datagrams import open_udp
from mu.peers.hints import Hints, peers_of, region_id
from mu.region_folder import OpenLog, RegionFolder, open_log, wall_clock_milliseconds
from mu.runtime.outcome import Outcome
from mu.runtime.pool import Runtime
from mu.status import StatusWriter, endpoint_statuses
from projections.membership import Membership
from projections.runner import Runner

logger = logging.getLogger(__name__)


class RpcNode(msgspec.Struct, frozen=True):
    """Where a node of the chain answers: its JSON-RPC and its PubSub."""

    rpc_url: str
    pubsub_url: str


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a node needs to know: its folder, the region's account (base58), and where the chain answers: at `rpc_url`
    and `pubsub_url`, and at the others where that does not.

    `keypair` is the node's identity; `address` and the gateway's port are where other nodes can reach it.
    """

    folder: RegionFolder
    keypair: Keypair
    region: str
    rpc_url: str
    pubsub_url: str
    other_rpc_nodes: tuple[RpcNode, ...] = ()
    address: str = "127.0.0.1"
    limits: NodeLimits = NodeLimits()

    @property
    def rpc_nodes(self) -> tuple[RpcNode, ...]:
        """All of the chain's nodes, the preferred one first."""
        return RpcNode(self.rpc_url, self.pubsub_url), *self.other_rpc_nodes


class NodeHooks(msgspec.Struct, frozen=True, kw_only=True):
    """What a node tells, and asks, its surroundings: lines of functions, outcomes of calls, fresh request ids."""

    on_log: Callable[[FunctionLog], None]
    on_outcome: Callable[[Request, Outcome], None]
    request_ids: Callable[[], str]


class Node(msgspec.Struct, frozen=True):
    """A node that runs."""

    opened: OpenLog
    runner: Runner
    follower: Follower
    binaries: BinaryStore
    journal: NodeJournal
    hints: Hints
    port: int

    @property
    def log(self) -> Log:
        """The region's log."""
        return self.opened.log


@asynccontextmanager
async def run_node(
    config: NodeConfig, listeners: list[trio.SocketListener], hooks: NodeHooks
) -> AsyncIterator[Node]:
    """A node that runs while the context lasts, its gateway on `listeners`. It joins the region, and leaves it at the
    end. Raises `MuError` for a folder or a log that cannot be used.
    """
    limits = config.limits
    with open_log(config.folder) as opened:
        await trio.to_thread.run_sync(claim, opened.engine, config.region)
        runner = await trio.to_thread.run_sync(opened.runner, limits.projections)
        port = listeners[0].socket.getsockname()[1]
        journal = await NodeJournal.join(
            opened.log,
            runner.get(Membership),
            public_key=str(config.keypair.pubkey()),
            address=config.address,
            port=port,
        )
        binaries = BinaryStore(config.folder.binaries, max_binary_bytes=limits.runtime.max_binary_bytes)
        status: StatusWriter | None = None
        try:
            async with (
                Runtime.open(limits.runtime, config.folder.modules) as runtime,
                _chain_reader(config) as reader,
                open_udp(listeners, config.address, port) as datagrams,
            ):
                source = NodeSource(journal.node, journal.generation)
                follower = Follower(opened.log, reader, config.region, limits.follower, source=source)
                deployer = Deployer(runner, journal, runtime, binaries, limits.runtime)
                handler = GatewayHandler(
                    runner, deployer, runtime, journal.node, on_log=hooks.on_log, on_outcome=hooks.on_outcome
                )
                checkpointer = Checkpointer(opened.log, journal, config.keypair, limits.checkpoints)
                hints = Hints(
                    opened.log,
                    region_id(Pubkey.from_string(config.region)),
                    lambda: peers_of(journal.node, runner.get(Membership).state.members),
                    datagrams,
                    limits.hints,
                )
                status = StatusWriter(
                    folder=config.folder.root,
                    node=journal.node,
                    generation=journal.generation,
                    port=port,
                    log=opened.log,
                    runner=runner,
                    followers=(follower,),
                    endpoints=lambda: endpoint_statuses(reader.endpoints, reader.current),
                    hints=hints.counts,
                    now=wall_clock_milliseconds,
                )
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(runner.run)
                    nursery.start_soon(hints.run)
                    nursery.start_soon(follower.run, *_subscriptions(config))
                    nursery.start_soon(deployer.run)
                    nursery.start_soon(status.run)
                    nursery.start_soon(checkpointer.run)
                    await nursery.start(_serve, handler, listeners, config, hooks)
                    yield Node(opened, runner, follower, binaries, journal, hints, port)
                    nursery.cancel_scope.cancel()
        finally:
            await _leave(journal, runner, limits, status)


async def _serve(
    handler: GatewayHandler,
    listeners: list[trio.SocketListener],
    config: NodeConfig,
    hooks: NodeHooks,
    *,
    task_status: trio.TaskStatus[list[trio.SocketListener]],
) -> None:
    await serve(
        handler, listeners, config.limits.http, request_ids=hooks.request_ids, task_status=task_status
    )


@asynccontextmanager
async def _chain_reader(config: NodeConfig) -> AsyncIterator[FailoverReader]:
    """A reader on all RPC nodes."""
    follower = config.limits.follower
    seconds = follower.answer_seconds
    async with AsyncExitStack() as stack:
        readers: dict[str, RpcChainReader] = {}
        for place, one in enumerate(config.rpc_nodes):
            client = await stack.enter_async_context(AsyncClient(one.rpc_url, Confirmed, timeout=seconds))
            # two URLs may differ in what is not shown of them
            name = host_of(one.rpc_url)
            readers[f"{name} ({place + 1})" if name in readers else name] = RpcChainReader(
                client, timeout_seconds=seconds
            )
        yield FailoverReader(
            readers, EndpointLimits(answer_seconds=seconds, stalled_seconds=follower.stalled_seconds)
        )


def _subscriptions(config: NodeConfig) -> list[LogsSubscription]:
    """One at each RPC node; the follower has one at a time, and goes on to the next when it is lost."""
    chain = config.limits.chain
    return [
        LogsSubscription(
            one.pubsub_url,
            config.region,
            connect_seconds=chain.connect_seconds,
            ping_seconds=chain.ping_seconds,
            pong_seconds=chain.pong_seconds,
            commitment=config.limits.follower.commitment.value,
        )
        for one in config.rpc_nodes
    ]


async def _leave(
    journal: NodeJournal, runner: Runner, limits: NodeLimits, status: StatusWriter | None
) -> None:
    """Say goodbye and keep checkpoints; a failure to is only logged, as the next start makes up for both."""
    with trio.move_on_after(limits.leave_seconds, shield=True):
        try:
            await journal.leave()
            await trio.to_thread.run_sync(runner.catch_up)
            await trio.to_thread.run_sync(runner.checkpoint)
            if status is not None:
                await status.write(runner.position, left=True)
        except MuError as error:
            logger.warning("leaving the region: %s", error)
