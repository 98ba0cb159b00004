"""Random histories with random cuts: what is recovered is exactly what happened, in every scope, or nothing."""

import random
from collections.abc import Callable
from contextlib import suppress

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract import client, tokens
from contract.accounts import Stack
from contract.addresses import state_address, vault_address
from contract.terms import Terms
from events.chain.backfill import Gap
from tests.contract.world import NOTICE_SECONDS, PRICES, USAGE, Call, World
from tests.events.chain.crowded import MEMO, RecordingCluster
from tests.events.chain.watcher import Watcher, cluster_of

MEMOS = (0, 0, 20, 38, 40, 41)
MAX_TRANSACTIONS = 8


class Writer:
    """Does random things to a Marketplace, some of which are refused."""

    def __init__(self, randomness: random.Random) -> None:
        self.random = randomness
        self.world = World(RecordingCluster())
        self.cluster = cluster_of(self.world)
        self.vault = vault_address(self.world.escrow)[0]

    def transact(self) -> None:
        calls = [self._call() for _ in range(self.random.randint(1, 3))]
        self.cluster.same_slot = self.random.random() < 0.3
        if self.random.random() < 0.2:
            self.cluster.set_time(self.cluster.time() + self.random.choice((1, NOTICE_SECONDS)))
        memos = [MEMO] * self.random.choice(MEMOS)
        together = [*memos, *(instruction for instruction, _ in calls)]
        self.cluster.result_together(together, *(key for _, key in calls if key is not None))

    def _call(self) -> Call:
        world, carol, admin = self.world, self.world.carol, self.world.admin
        amount, owner = self.random.randint(1, 9), self.world.carol.pubkey()
        seed = self.random.randrange(2**32)
        choices: list[Callable[[], Call]] = [
            lambda: world.deposit(carol, world.escrow, amount),
            lambda: world.deposit(carol, world.escrow, 1),
            lambda: (client.withdraw_escrow(owner, world.provider, amount), carol),
            lambda: (client.claim_withdrawal(owner, world.provider, world.tokens(carol)), carol),
            lambda: (tokens.transfer(world.tokens(carol), owner, self.vault, amount), carol),
            lambda: (client.sync_escrow(world.escrow), None),
            self._report,
            self._report,
            lambda: (client.deploy_stack(owner, world.provider, world.region, seed, bytes([amount])), carol),
            lambda: (
                client.update_stack(owner, world.provider, world.region, world.stack, bytes([amount])),
                carol,
            ),
            self._update_region,
            lambda: (client.update_deposit(admin.pubkey(), amount), admin),
            lambda: (client.create_provider_authorizer(admin.pubkey(), owner), admin),
            lambda: (client.remove_provider_authorizer(admin.pubkey(), owner), admin),
            lambda: (client.revoke_provider(world.authority.pubkey(), world.provider), world.authority),
            lambda: (client.authorize_provider(world.authority.pubkey(), world.provider), world.authority),
        ]
        return self.random.choice(choices)()

    def _report(self) -> Call:
        stack = self.cluster.account(self.world.stack)
        assert isinstance(stack, Stack)
        first = stack.reported_position + 1
        return self.world.update_usage(first, first + self.random.randint(0, 2), USAGE)

    def _update_region(self) -> Call:
        terms = Terms(
            minimum_escrow=self.random.choice((1, 2)),
            max_instructions_per_call=1,
            notice_seconds=NOTICE_SECONDS,
            prices=PRICES,
        )
        url = f"https://{self.random.randint(1, 3)}.example"
        return client.update_region(self.world.alice.pubkey(), 7, url, terms), self.world.alice


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    transactions=st.integers(1, MAX_TRANSACTIONS),
    recalls=st.booleans(),
    tells_tokens=st.booleans(),
    tells_blocks=st.booleans(),
)
def test_what_is_recovered_is_what_happened(
    seed: int, transactions: int, recalls: bool, tells_tokens: bool, tells_blocks: bool
):
    randomness = random.Random(seed)
    writer = Writer(randomness)
    world = writer.world
    scopes: list[Pubkey] = [state_address()[0], world.provider, world.region, world.escrow]
    watchers = [Watcher(world, scope, recalls=recalls) for scope in scopes]
    start = len(writer.cluster.recorded)
    for _ in range(transactions):
        writer.transact()
    cut = {
        one.signature: randomness.randint(0, len(one.events))
        for one in writer.cluster.recorded[start:]
        if randomness.random() < 0.6
    }
    for watcher in watchers:
        watcher.node.tells_tokens, watcher.node.tells_blocks = tells_tokens, tells_blocks
        watcher.node.cut = cut
        with suppress(Gap):
            trio.run(watcher.news)
        truth = writer.cluster.truth(watcher.scope)[len(watcher.known) :]
        assert watcher.found == truth[: len(watcher.found)]
        if recalls and tells_tokens and tells_blocks:
            assert watcher.found == truth
