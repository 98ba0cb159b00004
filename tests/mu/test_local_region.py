"""Whole regions: a chain, a node, a stack, requests."""

from pathlib import Path

import pytest
import wasmtime

from contract import client as program
from contract.addresses import stack_address
from contract.errors import InvalidInput
from contract.program_errors import AccountNotOwned, StackIsDeleted
from events.catalogue import (
    ChainEvent,
    Finalized,
    NodeJoined,
    NodeLeft,
    NodeLost,
    StackFailed,
    StackStarted,
    kind,
)
from events.engine.lmdb import LmdbEngine
from events.manifest import Endpoint, Function, Gateway, Manifest, Method, Route, RuntimeName, binary_id
from events.streams import node_stream
from events.verify import verify
from mu.config import NodeLimits
from mu.local_region import open_gateway, wait_until_ready
from mu.node import Node
from mu.project import Project
from mu.region_folder import RegionFolder
from mu.region_folder import open_log as open_region_log
from mu.runtime.protocol import Level
from projections.routes import Routes
from projections.stacks import Stacks, Status
from tests.entries import append_all, open_log, region_created
from tests.mu.regions import Seen, greeting, open_node, open_region, request

TRAP = bytes(wasmtime.wat2wasm('(module (memory (export "memory") 1) (func (export "_start") unreachable))'))


def trapping() -> Project:
    function = Function("greeter_function", binary_id(TRAP), RuntimeName.WASI_1_0, 1)
    route = Route(Method.GET, "greeter_function", "greet_user")
    gateway = Gateway("greeting", (Endpoint("/greet/{name}", (route,)),))
    return Project(Manifest("Trapping", "1", (function, gateway)), {"greeter_function": TRAP})


def kinds(node: Node) -> list[str]:
    return [kind(entry.event) for entry in node.log.replay()]


async def test_a_deployed_stack_answers_and_says_what_it_used(tmp_path: Path):
    seen = Seen()
    async with open_region(tmp_path) as region, open_node(region, seen) as node:
        deployed = await region.deploy(greeting(), node.binaries.put)
        await wait_until_ready(node, deployed.stack, 1)
        base = f"/{deployed.stack}/greeting"
        answer = await request(node, "GET", f"{base}/greet/Ada%20L?greeting=Good%20day")
        assert (answer.status_code, answer.text) == (200, "Good day, Ada L!\n")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert (seen.lines[0].stack, seen.lines[0].function) == (
            deployed.stack,
            "greeter_function.greet_user",
        )
        assert (seen.lines[0].log.body, seen.lines[0].log.level) == ("greeting Ada L", Level.INFO)
        assert seen.lines[0].request_id == answer.headers["x-request-id"]
        assert seen.outcomes[0].fuel_used > 0

        head = await request(node, "HEAD", f"{base}/greet/Ada")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "12")
        refused = await request(node, "POST", f"{base}/greet/Ada")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        for path, status in [
            ("/", 404),
            (f"/{deployed.stack}", 404),
            (f"/{region.region}/greeting/greet/Ada", 404),
            (f"/{deployed.stack}/other/greet/Ada", 404),
            (f"{base}/greet", 404),
            (f"{base}/greet/%ff", 400),
            (f"{base}/greet/Ada?a=%ff", 400),
        ]:
            error = await request(node, "GET", path)
            assert error.status_code == status, path
            assert error.json()["error"]["status"] == status
            assert error.json()["error"]["request_id"] == error.headers["x-request-id"]


async def test_an_updated_stack_runs_its_new_revision_and_a_deleted_one_none(tmp_path: Path):
    seen = Seen()
    async with open_region(tmp_path) as region, open_node(region, seen) as node:
        first = await region.deploy(greeting(), node.binaries.put)
        await wait_until_ready(node, first.stack, 1)
        again = await region.deploy(greeting(), node.binaries.put)
        assert (again.stack, again.revision, again.confirmation) == (first.stack, 1, None)
        second = await region.deploy(trapping(), node.binaries.put)
        assert (second.stack, second.revision) == (first.stack, 2)
        await wait_until_ready(node, second.stack, 2)
        broken = await request(node, "GET", f"/{first.stack}/greeting/greet/Ada")
        assert broken.status_code == 502
        assert type(seen.outcomes[-1]).__name__ == "Trapped"

        await region.delete(first.stack)
        await node.runner.wait_until(lambda: kinds(node)[-1] == "StackStopped")
        assert (await request(node, "GET", f"/{first.stack}/greeting/greet/Ada")).status_code == 404
        third = await region.deploy(greeting(), node.binaries.put)
        assert third.stack != first.stack
        await wait_until_ready(node, third.stack, 1)
        assert node.runner.get(Stacks).state.stacks[first.stack].status is Status.DELETED


async def test_a_stack_deployed_while_the_node_is_down_is_served_after_it_comes_back(tmp_path: Path):
    async with open_region(tmp_path) as region:
        async with open_node(region) as node:
            await node.runner.wait_until(lambda: "RegionCreated" in kinds(node))
            put = node.binaries.put
        deployed = await region.deploy(greeting(), put)
        async with open_node(region) as node:
            await wait_until_ready(node, deployed.stack, 1)
            answer = await request(node, "GET", f"/{deployed.stack}/greeting/greet/Ada")
            assert answer.text == "Hello, Ada!\n"
            assert node.journal.generation == 2


async def test_a_region_opened_again_has_lost_nothing_and_doubled_nothing(tmp_path: Path):
    async with open_region(tmp_path) as region, open_node(region) as node:
        deployed = await region.deploy(greeting(), node.binaries.put)
        await wait_until_ready(node, deployed.stack, 1)
        before = [entry.hash for entry in node.log.replay()]
    async with open_region(tmp_path) as region, open_node(region) as node:
        again = await region.deploy(greeting(), node.binaries.put)
        assert (again.stack, again.confirmation) == (deployed.stack, None)
        await wait_until_ready(node, deployed.stack, 1)
        assert (await request(node, "GET", f"/{deployed.stack}/greeting/greet/Ada")).status_code == 200
        entries = list(node.log.replay())
        assert [entry.hash for entry in entries][: len(before)] == before
        assert verify(node.opened.recorder).position == len(entries)
        events = [entry.event for entry in entries]
        since = [type(event) for event in events[len(before) :] if not isinstance(event, Finalized)]
        assert since == [NodeLeft, NodeJoined, StackStarted]
        assert [event.sequence for event in events if isinstance(event, ChainEvent)] == [1, 2, 3]
        live = {p.name: p.checksum() for p in node.runner.projections}
        fresh = node.opened.fresh_runner(NodeLimits().projections)
        assert {p.name: p.checksum() for p in fresh.projections} == live


async def test_a_binary_that_comes_late_is_waited_for(tmp_path: Path):
    async with open_region(tmp_path) as region, open_node(region) as node:
        project = greeting()
        deployed = await region.deploy(project, binary_id)
        state = node.runner.get(Routes).state
        await node.runner.wait_until(lambda: bool((r := state.stacks.get(deployed.stack)) and r.failures))
        assert "has not been uploaded" in state.stacks[deployed.stack].failures[node.journal.node]
        refused = await request(node, "GET", f"/{deployed.stack}/greeting/greet/Ada")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        for binary in project.binaries.values():
            node.binaries.put(binary)
        await node.runner.wait_until(lambda: kinds(node)[-1] == "StackStarted")
        assert kinds(node).count("StackFailed") == 1
        assert (await request(node, "GET", f"/{deployed.stack}/greeting/greet/Ada")).status_code == 200


async def test_a_binary_that_is_no_module_and_a_manifest_that_is_none_fail_alone(tmp_path: Path):
    async with open_region(tmp_path) as region, open_node(region) as node:
        project = trapping()
        broken = Project(project.manifest, {"greeter_function": b"not wasm"})
        deployed = await region.deploy(broken, node.binaries.put)
        await node.runner.wait_until(lambda: kinds(node)[-1] == "StackFailed")
        failed = node.log.read(node.log.head().position)[0].event
        assert isinstance(failed, StackFailed)
        assert "InvalidModule" in failed.reason
        owner = region.keys.developer.pubkey()
        await region.marketplace.send(
            [program.deploy_stack(owner, region.provider, region.region, 9, b"rubbish")],
            region.keys.developer,
        )
        rubbish = str(stack_address(region.region, owner, 9)[0])
        await node.runner.wait_until(lambda: rubbish in node.runner.get(Stacks).state.stacks)
        assert node.runner.get(Stacks).state.stacks[rubbish].status is Status.INVALID
        assert (await request(node, "GET", f"/{rubbish}/a/b")).status_code == 503
        fixed = await region.deploy(greeting(), node.binaries.put)
        assert fixed.stack == deployed.stack
        await wait_until_ready(node, fixed.stack, 2)


async def test_a_node_that_did_not_say_goodbye_is_declared_lost_by_its_next_generation(tmp_path: Path):
    async with open_region(tmp_path) as region:
        async with open_node(region) as node:
            first = node.journal.node
            await node.runner.wait_until(lambda: "NodeJoined" in kinds(node))

            async def no_goodbye() -> None:
                pass

            node.journal.leave = no_goodbye
        async with open_node(region) as node:
            stream = node_stream(str(region.keys.node.pubkey()))
            events = [entry.event for entry in node.log.replay() if entry.stream == stream]
            assert [type(event) for event in events[:3]] == [NodeJoined, NodeLost, NodeJoined]
            assert isinstance(events[1], NodeLost)
            assert events[1].node == first


async def test_what_the_program_refuses_is_said_by_its_name(tmp_path: Path):
    async with open_region(tmp_path) as region:
        unknown = stack_address(region.region, region.keys.developer.pubkey(), 5)[0]
        with pytest.raises(AccountNotOwned):
            await region.delete(str(unknown))
        deployed = await region.deploy(greeting(), binary_id)
        await region.delete(deployed.stack)
        with pytest.raises(StackIsDeleted):
            await region.delete(deployed.stack)


async def test_a_folder_is_used_by_one_region_at_a_time_and_a_port_too(tmp_path: Path):
    async with open_region(tmp_path) as region, open_node(region) as node:
        with pytest.raises(InvalidInput, match="in use"):
            async with open_region(tmp_path):
                pass
        with pytest.raises(InvalidInput, match="--port"):
            await open_gateway(node.port)


async def test_a_node_does_not_mix_its_region_into_the_log_of_another(tmp_path: Path):
    """As when a log was imported into a folder whose chain is a new one."""
    engine = LmdbEngine(RegionFolder(tmp_path).log)
    append_all(open_log(engine), [region_created()])
    engine.close()
    async with open_region(tmp_path) as region:
        with pytest.raises(InvalidInput, match="its log is of the region"):
            async with open_node(region):
                pass
    with open_region_log(RegionFolder(tmp_path)) as opened:
        assert opened.log.head().position == 1
