"""Events whose log lines another program has crowded out, rebuilt from their transactions."""

import itertools
import random
from collections.abc import Sequence
from hashlib import sha256

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction_metadata import TransactionMetadata

from contract import client
from contract.accounts import Account, Region
from contract.addresses import PROGRAM_ID
from contract.client import decode_account, decode_event
from contract.errors import DecodeError
from events.catalogue import ChainEvent, Finality, StackDeployed
from events.chain.borsh import BorshReader
from events.chain.decode import LogsTruncated, catalogue_event, event_data
from events.chain.reader import ChainTransaction, Invocation
from events.chain.rebuilding import RECIPES, Known
from events.chain.recovery import Case, Found, Truncated, calls_in, clue_addresses, recover
from events.chain.standing import Cursor
from events.engine.memory import MemoryEngine
from tests.contract.cluster import Cluster
from tests.contract.world import NOTICE_SECONDS, World
from tests.entries import open_log
from tests.events.chain.histories import OWNER, PROVIDER, REGION
from tests.events.chain.live import (
    NEVER_SECONDS,
    Actor,
    chain,
    follower,
    subscription,
    until_whole,
)
from tests.events.chain.recorded import HISTORY

MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
MEMO = Instruction(MEMO_PROGRAM, b"", [])
"""Four log lines, for three bytes of a transaction."""
FULL = [MEMO] * 44
"""Fills the 10,000 bytes of log lines that a transaction may have."""
INSTRUCTIONS = [
    "create_region", "update_region", "close_region", "deploy_stack", "update_stack", "delete_stack", "evict_stack",
    "create_usage_signer", "revoke_usage_signer", "create_request_signer", "activate_request_signer",
    "deactivate_request_signer", "update_usage", "close_usage_report"]  # fmt: skip
NEEDS_THE_LOG = {"revoke_usage_signer", "close_usage_report"}
"""Their event tells what was in an account that is closed."""


def invocation(instruction: Instruction) -> Invocation:
    accounts = tuple(str(meta.pubkey) for meta in instruction.accounts)
    return Invocation(str(instruction.program_id), accounts, bytes(instruction.data))


class Crowded:
    """Instructions in one transaction whose log lines are crowded out, and what a follower knows of them."""

    def __init__(
        self, world: World, instructions: Sequence[Instruction], *signers: Keypair, filling: int = len(FULL)
    ) -> None:
        self.scope = self._scope(instructions[0])
        self.region = Pubkey.from_string(self.scope)
        self.world = world
        before = self._account()
        self.cursor = Cursor(before.sequence, before.event_hash, 1) if before else Cursor(0, bytes(32), 0)
        together = [*[MEMO] * filling, *instructions]
        result = world.cluster.result_together(together, *signers)
        assert isinstance(result, TransactionMetadata), result.err()
        with pytest.raises(LogsTruncated):
            event_data(result.logs(), str(PROGRAM_ID))
        self.transaction = ChainTransaction(
            2, failed=False, logs=tuple(result.logs()), block_time=world.cluster.time(),
            instructions=tuple(invocation(one) for one in together))  # fmt: skip

    def _scope(self, instruction: Instruction) -> str:
        place = RECIPES[bytes(instruction.data)[:8]].region
        return str(instruction.accounts[place].pubkey)

    def _account(self) -> Region | None:
        if not self.world.cluster.exists(self.region):
            return None
        account = self.world.cluster.account(self.region)
        assert isinstance(account, Region)
        return account

    @property
    def truncated(self) -> Truncated:
        return Truncated("signature", self.transaction)

    def case(self, *, recalled: bool = True) -> Case:
        account = self._account()
        assert account is not None
        known = Known()
        for data in self.world.events if recalled else ():
            event = catalogue_event(decode_event(data))
            if event.scope == self.scope:
                known = known.after(event)
        present: dict[str, Account] = {}
        for address in clue_addresses([self.truncated], self.scope):
            if self.world.cluster.exists(Pubkey.from_string(address)):
                present[address] = self.world.cluster.account(Pubkey.from_string(address))
        return Case(scope=self.scope, region=account, hashes={account.sequence: account.event_hash}, known=known,
                    present=present, finality=Finality.CONFIRMED)  # fmt: skip

    def check(self, found: list[Found], count: int) -> Sequence[ChainEvent]:
        """So many events follow from the cursor, up to the one that the account vouches for."""
        account = self._account()
        assert account is not None
        events = [event for _, event in found if isinstance(event, ChainEvent)]
        hashes = [self.cursor.hash, *(event.event_hash for event in events)]
        assert [event.previous_hash for event in events] == hashes[:-1]
        assert [event.sequence for event in events] == [self.cursor.sequence + n for n in range(1, count + 1)]
        assert (len(events), hashes[-1]) == (count, account.event_hash)
        return events


@pytest.fixture
def world() -> World:
    return World(Cluster())


def test_every_instruction_of_a_region_has_a_recipe():
    names = {sha256(f"global:{name}".encode()).digest()[:8] for name in INSTRUCTIONS}
    assert set(RECIPES) == names


@pytest.mark.parametrize("recalled", [True, False], ids=["recalled", "accounts alone"])
@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_each_event_of_a_region_is_rebuilt(world: World, name: str, recalled: bool):
    instruction, signer = world.calls()[name]()
    assert signer is not None
    crowded = Crowded(world, [instruction], signer)
    found = recover(crowded.cursor, [crowded.truncated], crowded.case(recalled=recalled))
    if not recalled and name in NEEDS_THE_LOG:
        assert found == []
    else:
        crowded.check(found, 1)
        assert (found[0][0].slot, found[0][0].signature, found[0][0].index) == (2, "signature", 0)


def test_several_events_of_one_transaction_of_which_only_the_last_is_proven(world: World):
    carol = world.carol.pubkey()
    instructions = [
        client.deploy_stack(carol, world.provider, world.region, 2, b"two"),
        client.update_stack(carol, world.provider, world.region, world.stack, b"anew"),
        client.update_stack(carol, world.provider, world.region, world.stack, b"and again"),
        client.delete_stack(carol, world.provider, world.region, world.stack),
    ]
    crowded = Crowded(world, instructions, world.carol)
    for recalled in (True, False):
        found = recover(crowded.cursor, [crowded.truncated], crowded.case(recalled=recalled))
        events = crowded.check(found, 4)
        assert [source.index for source, _ in found] == [0, 1, 2, 3]
        assert isinstance(events[0], StackDeployed)
        assert events[0].manifest == b"two"


def test_stacks_deployed_after_the_terms_have_changed_in_the_same_transaction(world: World):
    update, alice = world.calls()["update_region"]()
    deploy, carol = world.calls()["deploy_stack"]()
    assert alice is not None
    assert carol is not None
    crowded = Crowded(world, [update, deploy], alice, carol)
    crowded.check(recover(crowded.cursor, [crowded.truncated], crowded.case()), 2)


def test_terms_that_have_come_into_force(world: World):
    update, alice = world.calls()["update_region"]()
    assert alice is not None
    world.do(update, alice)
    world.cluster.set_time(world.cluster.time() + 3 * NOTICE_SECONDS)
    deploy, carol = world.calls()["deploy_stack"]()
    assert carol is not None
    crowded = Crowded(world, [deploy], carol)
    crowded.check(recover(crowded.cursor, [crowded.truncated], crowded.case()), 1)


def test_events_in_the_lines_before_the_cut_are_not_rebuilt(world: World):
    deploys = [
        client.deploy_stack(
            world.carol.pubkey(), world.provider, world.region, seed, bytes([65 + seed]) * 100
        )
        for seed in (2, 3)
    ]
    crowded = Crowded(world, deploys, world.carol, filling=37)
    with pytest.raises(LogsTruncated) as cut:
        event_data(crowded.transaction.logs, str(PROGRAM_ID))
    [data] = cut.value.payloads
    visible = catalogue_event(decode_event(data))
    cursor = Cursor(visible.sequence, visible.event_hash, 2)
    truncated = Truncated("signature", crowded.transaction, (visible.sequence,))
    [(source, event)] = recover(cursor, [truncated], crowded.case())
    assert (source.index, event) == (1, event)
    assert isinstance(event, StackDeployed)
    assert (event.previous_hash, event.seed) == (visible.event_hash, 3)


def test_transactions_of_one_slot_in_any_order_and_some_that_are_in_the_log_already(world: World):
    first = Crowded(world, [world.calls()["deploy_stack"]()[0]], world.carol)
    second = Crowded(world, [world.calls()["update_stack"]()[0]], world.carol)
    truncated = [Truncated("second", second.transaction), Truncated("first", first.transaction)]
    found = recover(first.cursor, truncated, second.case())
    assert [source.signature for source, _ in found] == ["first", "second"]
    # the cursor is in the slot of both: the first is behind it
    [(source, _)] = recover(Cursor(second.cursor.sequence, second.cursor.hash, 2), truncated, second.case())
    assert source.signature == "second"


def test_a_clock_that_the_node_has_estimated(world: World):
    instruction, signer = world.calls()["delete_stack"]()
    assert signer is not None
    crowded = Crowded(world, [instruction], signer)
    time = world.cluster.time()
    for offset, expected in ((2, 1), (-2, 1), (3, 0), (None, 0)):
        told = None if offset is None else time + offset
        whole = crowded.transaction
        guessed = ChainTransaction(whole.slot, False, whole.logs, told, whole.instructions)
        found = recover(crowded.cursor, [Truncated("signature", guessed)], crowded.case())
        assert len(found) == expected


def test_what_is_not_proven_is_not_used(world: World):
    instruction, signer = world.calls()["deploy_stack"]()
    assert signer is not None
    crowded = Crowded(world, [instruction], signer)
    case = crowded.case()
    sequence = crowded.cursor.sequence + 1
    for hashes in ({}, {sequence: bytes(32)}, {sequence + 1: case.hashes[sequence]}):
        other = Case(scope=case.scope, region=case.region, hashes=hashes, known=case.known, present=case.present,
                     finality=case.finality)  # fmt: skip
        assert recover(crowded.cursor, [crowded.truncated], other) == []


@given(st.integers(0, 2**32))
def test_instructions_that_make_no_sense_make_no_event(seed: int):
    randomness = random.Random(seed)
    name = randomness.choice(INSTRUCTIONS)
    data = sha256(f"global:{name}".encode()).digest()[:8] + randomness.randbytes(randomness.randrange(400))
    accounts = [str(REGION)] * randomness.randrange(14)
    transaction = ChainTransaction(2, False, (), 5, (Invocation(str(PROGRAM_ID), tuple(accounts), data),))
    region = decode_account(HISTORY[0].account)
    assert isinstance(region, Region)
    case = Case(scope=str(REGION), region=region, hashes={2: bytes(32)}, known=Known(), present={},
                finality=Finality.CONFIRMED)  # fmt: skip
    assert recover(Cursor(1, bytes(32), 1), [Truncated("signature", transaction)], case) == []


def test_only_calls_of_the_program_for_the_region_count(world: World):
    deploy = invocation(world.calls()["deploy_stack"]()[0])
    close = invocation(world.calls()["close_region"]()[0])
    foreign = Invocation(str(MEMO_PROGRAM), deploy.accounts, deploy.data)
    transaction = ChainTransaction(2, False, (), 5, (foreign, close, deploy))
    assert [call.index for call in calls_in(transaction, str(world.region))] == [1]
    assert calls_in(ChainTransaction(2, False, ()), str(world.region)) == []


@pytest.mark.parametrize("size", range(0, 92, 7))
def test_arguments_cut_short_are_refused(size: int):
    reader = BorshReader(bytes(size))
    with pytest.raises(DecodeError, match="were to follow"):
        reader.terms()


async def test_a_live_chain_whose_logs_are_crowded_out_is_followed_without_a_gap():
    log = open_log(MemoryEngine())
    async with chain(MemoryEngine()) as port, trio.open_nursery() as nursery:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        nursery.start_soon(follower(log, port, NEVER_SECONDS).run, subscription(port + 1))
        owner = OWNER.pubkey()
        for seed in range(100, 104):
            deploys = [client.deploy_stack(owner, PROVIDER, REGION, seed + 10 * n, bytes(9)) for n in (0, 1)]
            await actor.marketplace.send([*FULL, *deploys], OWNER)
            await actor.deploy()
        await until_whole(log, 1 + 4 * 3)
        nursery.cancel_scope.cancel()
