"""A recipe for every instruction of the program, tried on transactions whose log lines are crowded out."""

from hashlib import sha256

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from events.chain.rebuilding import RECIPES
from tests.contract.idl_values import EVENTS, IDL, snake
from tests.contract.world import World
from tests.events.chain.crowded import (
    CUT,
    FULL,
    RecordingCluster,
    invoked_by_another,
    truncated,
)
from tests.events.chain.watcher import Watcher, cluster_of

INSTRUCTIONS = sorted({snake(instruction["name"]) for instruction in IDL["instructions"]})


@pytest.fixture
def world() -> World:
    return World(RecordingCluster())


def scope_of(instruction: Instruction) -> Pubkey:
    return instruction.accounts[RECIPES[bytes(instruction.data)[:8]].scope].pubkey


def call(world: World, name: str) -> tuple[Instruction, Keypair | None]:
    return world.initialize() if name == "initialize" else world.calls()[name]()


def test_every_instruction_of_the_program_has_a_recipe_and_every_event_comes_of_one():
    assert set(RECIPES) == {sha256(f"global:{name}".encode()).digest()[:8] for name in INSTRUCTIONS}
    assert {recipe.event for recipe in RECIPES.values()} == set(EVENTS)


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_an_instruction_makes_one_event_in_the_scope_that_its_recipe_names(name: str):
    world = World(RecordingCluster(), opened=name != "initialize")
    instruction, signer = call(world, name)
    [event] = cluster_of(world).act(instruction, signers=[signer]).events
    recipe = RECIPES[bytes(instruction.data)[:8]]
    assert (type(event).__name__, event.scope) == (recipe.event, str(scope_of(instruction)))


@pytest.mark.parametrize("told", ["all", "no log", "no tokens", "neither", "neither, invoked by a program"])
@pytest.mark.parametrize("name", INSTRUCTIONS)
async def test_its_event_is_rebuilt(name: str, told: str):
    world = World(RecordingCluster(), opened=name != "initialize")
    instruction, signer = call(world, name)
    watcher = Watcher(world, scope_of(instruction), recalls=told in ("all", "no tokens"))
    watcher.node.tells_tokens = told in ("all", "no log")
    if told.endswith("invoked by a program"):
        watcher.node.alter = invoked_by_another
    cluster_of(world).act(*FULL, instruction, signers=[signer])
    [event] = await watcher.check()
    assert type(event).__name__ == RECIPES[bytes(instruction.data)[:8]].event


def test_log_lines_end_where_the_machine_ends_them(world: World):
    instruction, signer = world.calls()["deploy_stack"]()
    assert signer is not None
    together = [*FULL, instruction]
    # the machine's own limit is that of validators
    world.cluster.svm = world.cluster.svm.with_log_bytes_limit(10_000)
    kept = world.cluster.svm.simulate_transaction(world.cluster.transaction(together, signer)).meta().logs()
    world.cluster.svm = world.cluster.svm.with_log_bytes_limit(None)
    assert CUT in kept
    assert truncated(cluster_of(world).act(*together, signers=[signer]).transaction.logs) == tuple(kept)
