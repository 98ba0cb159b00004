"""Two nodes of a region, each a process, on one log: they answer one another by hints alone."""

import itertools
import secrets
import sys
from pathlib import Path

import msgspec
import pytest
import trio
from solders.keypair import Keypair

from events import following
from events.catalogue import StackFailed
from mu.config import NodeLimits
from mu.local_region import open_gateway, run_local_node
from mu.node import Node, NodeConfig, run_node
from mu.region_folder import LOCATION_FILE, RegionFolder
from projections.membership import Membership
from projections.runner import RunnerLimits
from tests.entries import STACKS
from tests.mu.regions import Seen, open_region
from tests.tikv import PD_ADDRESS

ROUNDS = 3
PATIENCE_SECONDS = 60.0
NEVER_SECONDS = 3600.0
LIMITS = NodeLimits(projections=RunnerLimits(poll_seconds=NEVER_SECONDS))
OTHER_NODE = "import sys; from tests.mu.peers.test_two_nodes import other_node; other_node(sys.argv[1])"
"""Run with the configuration of the other node."""


class OtherNode(msgspec.Struct):
    """What the other process has to know."""

    folder: str
    region: str
    rpc_url: str
    pubsub_url: str


def said(node: Node) -> list[str]:
    """What both nodes have said, in order."""
    return [entry.event.reason for entry in node.log.replay() if isinstance(entry.event, StackFailed)]


async def say(node: Node, text: str) -> None:
    await node.journal.append(StackFailed(stack=STACKS[0], revision=1, node=node.journal.node, reason=text))


async def wait_until_said(node: Node, text: str) -> None:
    """Until the node's projections have been fed it: what is in the log only is not heard."""

    def is_heard() -> bool:
        entries = itertools.takewhile(lambda entry: entry.position <= node.runner.position, node.log.replay())
        return any(isinstance(entry.event, StackFailed) and entry.event.reason == text for entry in entries)

    await node.runner.wait_until(is_heard)


def other_node(encoded: str) -> None:
    """The other process: whatever the first node says, it answers."""
    following.FIRST_LOOK_SECONDS = following.LONGEST_CHEAP_LOOK_SECONDS = NEVER_SECONDS
    trio.run(_other_node, msgspec.json.decode(encoded, type=OtherNode))


async def _other_node(told: OtherNode) -> None:
    config = NodeConfig(
        folder=RegionFolder(Path(told.folder)),
        keypair=Keypair.from_seed(bytes([9] * 32)),
        region=told.region,
        rpc_url=told.rpc_url,
        pubsub_url=told.pubsub_url,
        limits=LIMITS,
    )
    with trio.fail_after(PATIENCE_SECONDS):
        async with run_node(config, await open_gateway(0), Seen().hooks()) as node:
            for number in range(ROUNDS):
                await wait_until_said(node, f"question {number}")
                await say(node, f"answer {number}")
            await wait_until_said(node, "the end")


@pytest.mark.parametrize("kind", ["lmdb", "tikv"])
async def test_two_nodes_hear_of_each_other_by_hints_alone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(following, "FIRST_LOOK_SECONDS", NEVER_SECONDS)
    monkeypatch.setattr(following, "LONGEST_CHEAP_LOOK_SECONDS", NEVER_SECONDS)
    ours, theirs = RegionFolder(tmp_path), RegionFolder(tmp_path)
    if kind == "tikv":
        if not PD_ADDRESS:
            pytest.skip("set MU_TEST_PD=host:port to a TiKV cluster's placement driver")
        theirs = RegionFolder(tmp_path / "theirs")
        theirs.root.mkdir()
        ours.keep_log_at(f"tikv://{PD_ADDRESS}/test-{secrets.token_hex(8)}", "--log")
        (theirs.root / LOCATION_FILE).write_text(ours.log_location)
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            open_region(tmp_path) as region,
            run_local_node(region, port=0, hooks=Seen().hooks(), limits=LIMITS) as node,
            trio.open_nursery() as nursery,
        ):
            other = OtherNode(
                str(theirs.root), str(region.region), region.chain.rpc_url, region.chain.pubsub_url
            )
            command = [sys.executable, "-c", OTHER_NODE, msgspec.json.encode(other).decode()]
            nursery.start_soon(trio.run_process, command)
            await node.runner.wait_until(lambda: len(node.runner.get(Membership).state.members) == 2)
            for number in range(ROUNDS):
                await say(node, f"question {number}")
                await wait_until_said(node, f"answer {number}")
            await say(node, "the end")
            found = said(node)
    expected = [f"{what} {number}" for number in range(ROUNDS) for what in ("question", "answer")]
    assert found == [*expected, "the end"]
    assert node.hints.counts.taken > ROUNDS
    assert (node.hints.counts.unsent, node.hints.counts.ignored) == (0, 0)
