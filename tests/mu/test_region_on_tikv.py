"""A region whose log is on a TiKV cluster: the node of production, and all that looks into it."""

import secrets
from pathlib import Path

import pytest
import trio

from contract.errors import InvalidInput
from events.catalogue import kind
from events.chain.follower import Health
from mu.local_region import wait_until_ready
from mu.region_folder import RegionFolder, find_region_folder, open_log
from projections.runner import RunnerLimits
from projections.stacks import Stacks, Status
from tests.entries import append_all, joined
from tests.mu.regions import greeting, open_node, open_region, request
from tests.tikv import PD_ADDRESS
from tests.tikv_cluster import SCRIPT, Cluster

needs_cluster = pytest.mark.skipif(
    not PD_ADDRESS, reason="set MU_TEST_PD=host:port to a TiKV cluster's placement driver"
)


def new_location() -> str:
    return f"tikv://{PD_ADDRESS}/test-{secrets.token_hex(8)}"


@needs_cluster
async def test_a_region_lives_on_a_cluster_over_several_lives_of_its_node(tmp_path: Path):
    location = new_location()
    RegionFolder(tmp_path).keep_log_at(location, "--log")
    async with open_region(tmp_path) as region:
        async with open_node(region) as node:
            deployed = await region.deploy(greeting(), node.binaries.put)
            await wait_until_ready(node, deployed.stack, deployed.revision)
            answer = await request(node, "GET", f"/{deployed.stack}/greeting/greet/Ada")
            assert answer.text == "Hello, Ada!\n"
        async with open_node(region) as node:
            await wait_until_ready(node, deployed.stack, deployed.revision)
            await region.delete(deployed.stack)
            with trio.fail_after(30):
                await node.runner.wait_until(
                    lambda: node.runner.get(Stacks).state.stacks[deployed.stack].status is Status.DELETED
                )
    assert not (tmp_path / "log").exists()
    with open_log(find_region_folder(tmp_path)) as opened:
        assert (
            opened.fresh_runner(RunnerLimits()).get(Stacks).state.stacks[deployed.stack].status
            is Status.DELETED
        )


@needs_cluster
def test_a_log_that_is_kept_somewhere_stays_there_and_is_the_regions_own(tmp_path: Path):
    location, other = new_location(), new_location()
    folder = RegionFolder(tmp_path / "one")
    folder.keep_log_at(location, "--log")
    folder.keep_log_at(location, "--log")
    with pytest.raises(InvalidInput, match=r"is kept at .* already"):
        folder.keep_log_at(other, "--log")
    with open_log(folder) as opened:
        append_all(opened.log, [joined(0)])
    with pytest.raises(InvalidInput, match="another region's log"):
        RegionFolder(tmp_path / "two").keep_log_at(location, "--log")
    assert not (tmp_path / "two").exists()
    with pytest.raises(InvalidInput, match="lacks the prefix"):
        RegionFolder(tmp_path / "two").keep_log_at(f"tikv://{PD_ADDRESS}", "--log")


@pytest.mark.skipif(not SCRIPT, reason="set MU_TEST_TIKV to the script that starts a cluster")
@pytest.mark.parametrize("part", ["store", "pd"])
async def test_a_node_serves_on_while_its_log_is_away_and_misses_nothing(tmp_path: Path, part: str):
    cluster = await trio.to_thread.run_sync(Cluster, tmp_path / "cluster")
    try:
        folder = RegionFolder(tmp_path / "region")
        folder.keep_log_at(f"tikv://{cluster.address}/region", "--log")
        async with open_region(folder.root) as region, open_node(region) as node:
            deployed = await region.deploy(greeting(), node.binaries.put)
            await wait_until_ready(node, deployed.stack, deployed.revision)
            command = cluster.kill(part)
            with trio.fail_after(60):
                while node.follower.health is not Health.UNAVAILABLE:
                    await trio.lowlevel.checkpoint()
            answer = await request(node, "GET", f"/{deployed.stack}/greeting/greet/Ada")
            assert answer.text == "Hello, Ada!\n"
            await region.delete(deployed.stack)
            cluster.start(part, command)
            with trio.fail_after(60):
                await node.runner.wait_until(
                    lambda: node.runner.get(Stacks).state.stacks[deployed.stack].status is Status.DELETED
                )
        with open_log(folder) as opened:
            kinds = [kind(entry.event) for entry in opened.log.replay()]
        assert [
            kinds.count(name) for name in ("StackDeployed", "StackDeleted", "StackStarted", "NodeLeft")
        ] == [1] * 4
    finally:
        await trio.to_thread.run_sync(cluster.stop)
