"""The events of each kind of scope, crowded out of their log lines in each way in which they can be."""

import base64
import random
from collections.abc import Callable, Sequence

import msgspec
import pytest
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract import client, tokens
from contract.addresses import PROGRAM_ID, provider_address, state_address, vault_address
from events.catalogue import ChainEvent, Finality, NodeSource, Retracted
from events.chain.backfill import Gap
from events.chain.follower import Follower, FollowerLimits
from events.chain.reader import AccountAnswer, AccountsAnswer, ChainTransaction, Invocation
from events.engine.memory import MemoryEngine
from events.log import Log
from projections.retraction import live_entries
from tests.contract.world import Call, World
from tests.entries import open_log
from tests.events.chain.crowded import (
    CALLER,
    DATA_LINE,
    FULL,
    MEMO,
    ClusterNode,
    RecordingCluster,
    invoked_by_another,
)
from tests.events.chain.watcher import Watcher, cluster_of

STATE = state_address()[0]
NODE = NodeSource("node", 1)


class Doings(msgspec.Struct):
    """What can be done in a scope one after the other, and what instead of the first."""

    scope: Pubkey
    calls: list[Call]
    instead: Call


def marketplace(world: World) -> Doings:
    admin, carol = world.admin, world.carol.pubkey()
    update = client.update_commission(admin.pubkey(), 9, world.tokens(admin)), admin
    calls = [
        (client.update_deposit(admin.pubkey(), 7), admin),
        (client.create_provider_authorizer(admin.pubkey(), carol), admin),
        update,
        (client.remove_provider_authorizer(admin.pubkey(), carol), admin),
    ]
    return Doings(STATE, calls, update)


def provider(world: World) -> Doings:
    authority, erin = world.authority.pubkey(), world.erin
    scope = provider_address(erin.pubkey())[0]
    authorize = client.authorize_provider(authority, scope), world.authority
    revoke = client.revoke_provider(authority, scope), world.authority
    close = client.close_provider(erin.pubkey(), world.tokens(erin)), erin
    return Doings(scope, [authorize, revoke, authorize, close], close)


def region(world: World) -> Doings:
    carol = world.carol.pubkey()
    update = client.update_stack(carol, world.provider, world.region, world.stack, b"anew"), world.carol
    calls = [
        (client.deploy_stack(carol, world.provider, world.region, 2, b"two"), world.carol),
        world.update_usage(),
        update,
        (client.delete_stack(carol, world.provider, world.region, world.stack), world.carol),
    ]
    return Doings(world.region, calls, update)


def escrow(world: World) -> Doings:
    carol = world.carol
    withdraw = client.withdraw_escrow(carol.pubkey(), world.provider, 5), carol
    calls = [
        world.deposit(carol, world.escrow, 3),
        (client.claim_withdrawal(carol.pubkey(), world.provider, world.tokens(carol)), carol),
        withdraw,
        world.deposit(carol, world.escrow, 4),
    ]
    return Doings(world.escrow, calls, withdraw)


SCOPES = [marketplace, provider, region, escrow]
each_scope = pytest.mark.parametrize("scope", SCOPES, ids=["state", "provider", "region", "escrow"])
Scoped = Callable[[World], Doings]


class Story:
    """A scope, what will be done to it, and who watches."""

    def __init__(self, scope: Scoped) -> None:
        self.world = World(RecordingCluster())
        self.cluster = cluster_of(self.world)
        doings = scope(self.world)
        self.scope, self.calls, self.instead = doings.scope, doings.calls, doings.instead
        self.watcher = Watcher(self.world, self.scope)
        self.node = self.watcher.node
        self.node.tells_tokens = False

    def act(self, *calls: Call, before: Sequence[Instruction] = ()) -> ChainTransaction:
        instructions = [*before, *(instruction for instruction, _ in calls)]
        return self.cluster.act(*instructions, signers=[key for _, key in calls]).transaction

    def cut_last(self, visible: int = 0) -> None:
        """Of the last transaction only so many events are to see."""
        self.node.cut[self.cluster.recorded[-1].signature] = visible


@each_scope
async def test_one_event_at_the_end(scope: Scoped):
    story = Story(scope)
    story.act(story.calls[0], before=FULL)
    assert len(await story.watcher.check()) == 1


@each_scope
async def test_several_events_of_one_transaction_of_which_only_the_last_is_proven(scope: Scoped):
    story = Story(scope)
    story.act(*story.calls[:3], before=[MEMO] * 43)
    assert len(await story.watcher.check()) == 3


@each_scope
@pytest.mark.parametrize("visible", [1, 2])
async def test_the_events_after_the_cut(scope: Scoped, visible: int):
    story = Story(scope)
    story.act(*story.calls[:3])
    story.cut_last(visible)
    assert len(await story.watcher.check()) == 3


@each_scope
async def test_a_gap_in_the_middle_is_proven_by_what_comes_after(scope: Scoped):
    story = Story(scope)
    story.act(story.calls[0])
    story.act(*story.calls[1:3], before=[MEMO] * 43)
    story.act(story.calls[3])
    assert len(await story.watcher.check()) == 4


@each_scope
async def test_transactions_of_one_slot_in_the_order_of_the_block_or_of_any(scope: Scoped):
    for tells_blocks in (True, False):
        story = Story(scope)
        story.node.tells_blocks = tells_blocks
        story.cluster.slot += 1
        story.cluster.same_slot = True
        for call in story.calls:
            story.act(call, before=FULL)
        assert len(await story.watcher.check()) == 4


@each_scope
async def test_invoked_by_another_program(scope: Scoped):
    story = Story(scope)
    story.node.alter = invoked_by_another
    story.act(*story.calls[:3], before=[MEMO] * 43)
    assert len(await story.watcher.check()) == 3


@each_scope
async def test_forgeries_of_another_program_count_for_nothing(scope: Scoped):
    """It has instructions with our discriminators, and log lines with what would be the next event."""
    story = Story(scope)
    story.act(*story.calls[:2], before=[MEMO] * 43)
    recorded = story.cluster.recorded[-1]
    forged = [
        msgspec.structs.replace(event, sequence=event.sequence + 5, previous_hash=bytes(32))
        for event in recorded.events
    ]
    assert forged

    def forge(transaction: ChainTransaction) -> ChainTransaction:
        ours = [one for one in transaction.instructions or () if one.program == str(PROGRAM_ID)]
        foreign = [Invocation(CALLER, one.accounts, one.data) for one in ours]
        lines = [line for line in recorded.transaction.logs if line.startswith(DATA_LINE)]
        data = base64.b64decode(lines[0].removeprefix(DATA_LINE))
        altered = DATA_LINE + base64.b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode()
        logs = (f"Program {CALLER} invoke [1]", altered, *lines, f"Program {CALLER} success")
        return msgspec.structs.replace(
            transaction,
            logs=(*logs, *transaction.logs),
            instructions=(*foreign, *(transaction.instructions or ()), *foreign),
        )

    story.node.alter = forge
    assert len(await story.watcher.check()) == 2


class Forked(ClusterNode):
    """Shows one cluster, then another, all of which is finalized once it says so."""

    finalized = False

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        answer = await super().account(address, finality)
        return answer if finality is Finality.CONFIRMED or self.finalized else AccountAnswer(0, None)

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        answer = await super().accounts(addresses, finality)
        return (
            answer
            if self.finalized or finality is Finality.CONFIRMED
            else AccountsAnswer(0, (None,) * len(addresses))
        )


@each_scope
async def test_crowded_out_on_the_fork_that_survives(scope: Scoped):
    one, other = Story(scope), Story(scope)
    assert one.cluster.truth(one.scope) == other.cluster.truth(other.scope)
    log, node = open_log(MemoryEngine()), Forked(one.cluster)
    node.tells_tokens = False
    following = Follower(log, node, str(one.scope), FollowerLimits(), source=NODE)
    one.act(one.calls[0], before=FULL)
    await following.catch_up()
    assert live(log) == one.cluster.truth(one.scope)
    # here something else came first
    other.act(other.instead, before=FULL)
    node.cluster, node.finalized = other.cluster, True
    await following.catch_up()
    assert live(log) == other.cluster.truth(other.scope)
    assert sum(isinstance(entry.event, Retracted) for entry in log.replay()) == 1


def live(log: Log) -> list[ChainEvent]:
    entries = live_entries(list(log.replay()))
    return [entry.event for entry in entries if isinstance(entry.event, ChainEvent)]


async def test_a_transaction_of_which_a_part_cannot_be_rebuilt_is_left_out_whole():
    story = Story(region)
    story.act(story.calls[0])
    story.act(*story.calls[1:3])
    story.cut_last(1)
    # without the time the next event is anybody's guess
    story.node.alter = lambda transaction: msgspec.structs.replace(transaction, block_time=None)
    with pytest.raises(Gap, match="cannot be rebuilt"):
        await story.watcher.news()
    assert len(story.watcher.found) == 1


async def test_a_balance_that_others_have_changed_in_transactions_that_are_cut_short_too():
    """Charges are events of the region: the escrow's own say nothing of them."""
    story = Story(escrow)
    for position in (6, 7):
        story.act(story.world.update_usage(position, position), before=[MEMO] * 42)
    story.act(story.calls[0], before=FULL)
    story.act(story.world.update_usage(8, 8), before=[MEMO] * 42)
    assert len(await story.watcher.check()) == 1


async def test_the_order_in_a_slot_is_that_of_the_block():
    """Without it, so many transactions of one slot would have to be tried in more orders than can be."""
    story = Story(marketplace)
    story.cluster.slot += 1
    story.cluster.same_slot = True
    admin = story.world.admin
    amounts = list(range(10, 19))
    random.Random(3).shuffle(amounts)
    for deposit in amounts:
        story.act((client.update_deposit(admin.pubkey(), deposit), admin), before=FULL)
    assert len(await story.watcher.check()) == len(amounts)
    story.node.tells_blocks = False
    with pytest.raises(Gap):
        await story.watcher.news()


@pytest.mark.parametrize("before", [FULL, []], ids=["cut short", "whole"])
async def test_the_order_in_the_slot_of_the_logs_last_event_is_that_of_the_block(before: list[Instruction]):
    """Some of the slot's transactions come before that event in the block, and are in the log already."""
    story = Story(marketplace)
    story.cluster.slot += 1
    story.cluster.same_slot = True
    log, guessing = open_log(MemoryEngine()), open_log(MemoryEngine())
    admin, amounts = story.world.admin, list(range(10, 26))
    random.Random(3).shuffle(amounts)
    for deposit in amounts[:4]:
        story.act((client.update_deposit(admin.pubkey(), deposit), admin), before=before)
    await follower(log, story).catch_up()
    await follower(guessing, story).catch_up()
    for deposit in amounts[4:]:
        story.act((client.update_deposit(admin.pubkey(), deposit), admin), before=FULL)
    await follower(log, story).catch_up()
    assert live(log) == story.cluster.truth(STATE)
    story.node.tells_blocks = False
    with pytest.raises(Gap, match="cannot be rebuilt"):
        await follower(guessing, story).catch_up()


async def test_a_slot_full_of_events():
    story = Story(marketplace)
    story.cluster.slot += 1
    story.cluster.same_slot = True
    admin = story.world.admin
    for first in range(100, 1300, 40):
        updates = [client.update_deposit(admin.pubkey(), first + number) for number in range(40)]
        story.act(*((update, admin) for update in updates))
        story.cut_last()
    assert len(await story.watcher.check()) == 1200


def follower(log: Log, story: Story) -> Follower:
    return Follower(log, story.node, str(story.scope), FollowerLimits())


async def test_a_charge_after_a_deposit_that_only_another_scope_has_an_event_of():
    """The region's events tell nothing of what was put into the escrow before, in transactions that are cut short."""
    story = Story(region)
    world, carol, vault = story.world, story.world.carol, vault_address(story.world.escrow)[0]
    sent = tokens.transfer(world.tokens(carol), carol.pubkey(), vault, 2)
    story.act(world.deposit(carol, world.escrow, 8))
    story.act((sent, carol), world.deposit(carol, world.escrow, 1))
    story.cut_last()
    story.act(world.update_usage(), (client.sync_escrow(world.escrow), None))
    story.cut_last()
    assert len(await story.watcher.check()) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
async def test_a_charge_among_deposits_of_its_slot_in_the_order_of_the_block(order: tuple[int, ...]):
    story = Story(region)
    world, carol, vault = story.world, story.world.carol, vault_address(story.world.escrow)[0]
    sent = tokens.transfer(world.tokens(carol), carol.pubkey(), vault, 2)
    calls = [
        world.update_usage(),
        world.deposit(carol, world.escrow, 8),
        world.deposit(carol, world.escrow, 1),
    ]
    story.act((sent, carol))
    story.cluster.slot += 1
    story.cluster.same_slot = True
    for place in order:
        story.act(calls[place])
        story.cut_last()
    assert len(await story.watcher.check()) == 1


async def test_a_charge_after_a_sync_of_tokens_that_were_sent():
    """What the vault held at the sync is what the escrow had from then on, which was not what the vault held later."""
    story = Story(region)
    story.node.tells_tokens = True
    world, carol, vault = story.world, story.world.carol, vault_address(story.world.escrow)[0]
    sent = tokens.transfer(world.tokens(carol), carol.pubkey(), vault, 2)
    story.act((sent, carol))
    story.act(
        (client.sync_escrow(world.escrow), None), world.deposit(carol, world.escrow, 3), before=FULL[4:]
    )
    story.act((sent, carol), (sent, carol))
    story.act(world.update_usage())
    story.cut_last()
    story.act((sent, carol), world.deposit(carol, world.escrow, 5))
    story.cut_last()
    assert len(await story.watcher.check()) == 1
