"""Starts and stops this node's stacks, as the deployments projection says, and says so in the log."""

import logging

import msgspec
import trio

from contract.errors import InvalidInput
from events.catalogue import StackFailed, StackStarted, StackStopped
from events.manifest import Function as FunctionService
from events.manifest import Manifest, Route
from events.template import compile_template
from mu.binaries import BinaryStore, MissingBinary
from mu.config import MEBIBYTE, RuntimeLimits
from mu.gateway.routing import Router
from mu.node_journal import NodeJournal
from mu.runtime.instance import Function
from mu.runtime.module import InvalidModule
from mu.runtime.pool import Runtime
from projections.deployments import Deployments
from projections.routes import Routes
from projections.runner import Runner

MISSING_BINARY_RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class ReadyStack(msgspec.Struct, frozen=True):
    """A revision of a stack that can answer: its Function services and their compiled functions, by name of the
    service, and its gateways' routers by name.
    """

    services: dict[str, FunctionService]
    functions: dict[str, Function]
    routers: dict[str, Router[Route]]


class Deployer:
    """The stacks that this node has ready."""

    def __init__(
        self,
        runner: Runner,
        journal: NodeJournal,
        runtime: Runtime,
        binaries: BinaryStore,
        limits: RuntimeLimits,
    ) -> None:
        self._runner = runner
        self._journal = journal
        self._runtime = runtime
        self._binaries = binaries
        self._limits = limits
        self._ready: dict[str, dict[int, ReadyStack]] = {}
        self._failed: dict[str, tuple[int, str]] = {}

    def ready(self, stack: str, revision: int) -> ReadyStack | None:
        """The stack at this revision, if it can answer here."""
        return self._ready.get(stack, {}).get(revision)

    async def run(self) -> None:
        """Act on every change of the projections, for ever. Raises what an append to the log does."""
        while True:
            changed = self._runner.changed
            waiting = await self._act()
            with trio.move_on_after(MISSING_BINARY_RETRY_SECONDS if waiting else float("inf")):
                await changed.wait()

    async def _act(self) -> bool:
        """Start and stop what is due; says whether a stack waits for a binary."""
        due = {
            stack: deployment.revision
            for stack, deployment in self._runner.get(Deployments).state.deployments.items()
            if deployment.owners[:1] == (self._journal.node,)
        }
        for stack in [stack for stack in self._ready if stack not in due]:
            revision = max(self._ready.pop(stack))
            await self._journal.append(StackStopped(stack=stack, revision=revision, node=self._journal.node))
        for stack in [stack for stack in self._failed if stack not in due]:
            del self._failed[stack]
        waiting = False
        for stack, revision in due.items():
            if revision not in self._ready.get(stack, {}):
                waiting |= await self._start(stack, revision)
            self._forget_replaced(stack, revision)
        return waiting

    async def _start(self, stack: str, revision: int) -> bool:
        routes = self._runner.get(Routes).state.stacks.get(stack)
        manifest = routes.manifest(revision) if routes else None
        if manifest is None:
            return False
        failed_revision, reason = self._failed.get(stack, (0, ""))
        if failed_revision == revision and not reason.startswith(MissingBinary.__name__):
            return False
        try:
            prepared = await self._prepare(manifest)
        except (MissingBinary, InvalidModule, InvalidInput) as error:
            reason = f"{type(error).__name__}: {error}"
            if self._failed.get(stack) != (revision, reason):
                self._failed[stack] = (revision, reason)
                await self._journal.append(
                    StackFailed(stack=stack, revision=revision, node=self._journal.node, reason=reason)
                )
            return isinstance(error, MissingBinary)
        self._failed.pop(stack, None)
        self._ready.setdefault(stack, {})[revision] = prepared
        await self._journal.append(StackStarted(stack=stack, revision=revision, node=self._journal.node))
        return False

    async def _prepare(self, manifest: Manifest) -> ReadyStack:
        functions: dict[str, Function] = {}
        services = manifest.functions()
        for service in services.values():
            if service.memory_limit_mebibytes * MEBIBYTE > self._limits.max_memory_bytes:
                allowed = self._limits.max_memory_bytes // MEBIBYTE
                raise InvalidInput(f"memory_limit of {service.name}", f"is above this node's {allowed}MiB")
            binary = await trio.to_thread.run_sync(self._binaries.get, service.binary)
            functions[service.name] = await self._runtime.load(binary)
        routers = {
            gateway.name: Router(
                (compile_template(endpoint.path), route.method.upper(), route)
                for endpoint in gateway.endpoints
                for route in endpoint.routes
            )
            for gateway in manifest.gateways().values()
        }
        return ReadyStack(services, functions, routers)

    def _forget_replaced(self, stack: str, revision: int) -> None:
        """Drop old revisions once the routes name the new one: until then the old one answers."""
        routes = self._runner.get(Routes).state.stacks.get(stack)
        revisions = self._ready.get(stack, {})
        if routes and routes.ready.get(self._journal.node) == revision:
            for old in [old for old in revisions if old != revision]:
                del revisions[old]
