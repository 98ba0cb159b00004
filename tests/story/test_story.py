"""The story on the local chain and, killed half-way, on Agave's test validator: both give the same log.

The latter runs where MU_TEST_VALIDATOR names a script that starts and stops one (see `tests.story.validator`).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.pubkey import Pubkey

from contract import client as program
from contract.addresses import PROGRAM_ID
from contract.pricing import cost
from events.catalogue import ChainEvent, ChainSource, kind
from events.chain.follower import Follower, FollowerLimits
from events.chain.pubsub import LogsSubscription
from events.chain.rpc import RpcChainReader
from events.engine.memory import MemoryEngine
from events.log import Log
from mu.localnet.ledger import Ledger
from mu.localnet.server import open_listeners, serve_localnet
from tests.entries import open_log
from tests.story.steps import (
    DECIMALS,
    ESCROW,
    EVENTS,
    EVENTS_IN_THE_FIRST_HALF,
    FUNDS,
    LAST_USAGE,
    NOTICE_SECONDS,
    PATIENCE_SECONDS,
    SCOPES,
    USAGE,
    Story,
)
from tests.story.validator import PORT, SCRIPT, Validator

SLOT_SECONDS = 0.02
START_UNIX_TIME = 1_800_000_000
DEPOSIT = 100 * 10**DECIMALS
COMMISSION_MILLIONTHS = 50_000


class LocalChain:
    """A local chain whose clock shows `unix_time`."""

    def __init__(self, unix_time: int) -> None:
        self.unix_time = unix_time
        self.port = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        rpc, pubsub = await open_listeners(0)
        self.port = rpc[0].socket.getsockname()[1]
        programs = {PROGRAM_ID: program.program_bytes()}
        ledger = Ledger.open(MemoryEngine(), programs, seed=bytes(32), now=self._now)

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_localnet(
                ledger, rpc_listeners=rpc, pubsub_listeners=pubsub, now=self._now,
                request_ids=lambda: "id", slot_seconds=SLOT_SECONDS, task_status=task_status)  # fmt: skip

        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            yield
            nursery.cancel_scope.cancel()

    async def set_time(self, story: Story, unix_time: int) -> None:
        """Wait for a slot that has this time."""
        self.unix_time = unix_time
        with trio.fail_after(PATIENCE_SECONDS):
            while await story.marketplace.unix_time() < unix_time:
                pass  # each question waits for its answer

    def _now(self) -> float:
        return self.unix_time


@asynccontextmanager
async def followed(log: Log, port: int) -> AsyncIterator[None]:
    """A follower for each scope brings its events into the log meanwhile."""
    async with trio.open_nursery() as nursery:
        for scope in SCOPES:
            reader = RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}", Confirmed), timeout_seconds=5.0)
            subscription = LogsSubscription(
                f"ws://127.0.0.1:{port + 1}", scope, connect_seconds=5.0, ping_seconds=5.0,
                pong_seconds=5.0, commitment="confirmed")  # fmt: skip
            follower = Follower(log, reader, scope, FollowerLimits(poll_seconds=0.5))
            nursery.start_soon(follower.run, subscription)
        yield
        nursery.cancel_scope.cancel()


async def until_whole(log: Log, counts: dict[str, int]) -> None:
    """Wait until every stream has so many events."""
    with trio.fail_after(PATIENCE_SECONDS):
        async for _ in log.follow(poll_seconds=1.0):
            if {scope: log.version(scope) for scope in counts} == counts:
                return


def streams(log: Log) -> dict[str, list[tuple[ChainEvent, int, str]]]:
    """What the log holds, by stream: all but where on chain it was, and what hangs on that."""
    found: dict[str, list[tuple[ChainEvent, int, str]]] = {scope: [] for scope in SCOPES}
    for entry in log.replay():
        assert isinstance(entry.event, ChainEvent)
        assert isinstance(entry.source, ChainSource)
        found[entry.event.scope].append((entry.event, entry.source.index, entry.source.finality))
    return found


def times(log: Log) -> Callable[[str], int]:
    """When the chain that the log was taken from did the next step of a name."""
    recorded: dict[str, list[int]] = {}
    for events in streams(log).values():
        for event, _, _ in events:
            match kind(event):
                case "UsageSignerCreated":
                    at = event.valid_from
                case "UsageReported":
                    at = event.reported_at
                case "WithdrawalRequested":
                    at = event.claimable_from - NOTICE_SECONDS
                case "StackDeleted":
                    at = event.deleted_at
                    recorded["WithdrawalClaimed"] = [event.withdrawal_from]
                case _:
                    continue
            recorded.setdefault(kind(event), []).append(at)
    return lambda step: recorded[step].pop(0)


async def on_the_local_chain(
    log: Log, folder: Path, start: int, time_of: Callable[[str], int]
) -> dict[str, int]:
    """The whole story; returns what everybody holds in the end."""
    chain = LocalChain(start)
    async with chain.served(), followed(log, chain.port):

        async def before(step: str) -> None:
            await chain.set_time(story, time_of(step))

        story = Story(chain.port, folder, before)
        await story.set_up_money()
        await story.first_half()
        await story.second_half()
        await until_whole(log, EVENTS)
        await check_accounts(story, log)
        return await story.balances()


async def check_accounts(story: Story, log: Log) -> None:
    """The last event of each stream is the one that its account vouches for, and all the money is where it should."""
    for scope, kind_of_scope in zip(
        SCOPES, (program.State, program.Provider, program.Region, program.Escrow), strict=True
    ):
        account = await story.marketplace.account(Pubkey.from_string(scope), kind_of_scope)
        last = log.last(scope)
        assert account is not None
        assert last is not None
        assert isinstance(last.event, ChainEvent)
        assert (account.sequence, account.event_hash) == (last.event.sequence, last.event.event_hash)
    region = await story.marketplace.account(Pubkey.from_string(SCOPES[2]), program.Region)
    escrow = await story.marketplace.account(ESCROW, program.Escrow)
    assert region is not None
    assert escrow is not None
    costs = [cost(usage, region.terms.prices) for usage in (USAGE, LAST_USAGE)]
    commissions = sum(cost * COMMISSION_MILLIONTHS // 10**6 for cost in costs)
    assert min(costs) > 0
    assert escrow.balance == escrow.locked == 0
    assert await story.balances() == {
        "admin": commissions,
        "owner": FUNDS - DEPOSIT + sum(costs) - commissions,
        "client": FUNDS - sum(costs),
    }


def every_second() -> Callable[[str], int]:
    """A clock that goes on by a second at each step, and past the notice for the last."""
    clock = iter(range(START_UNIX_TIME, 2**33))
    return lambda step: next(clock) + (NOTICE_SECONDS if step == "WithdrawalClaimed" else 0)


async def test_the_story_on_the_local_chain(tmp_path: Path):
    await on_the_local_chain(open_log(MemoryEngine()), tmp_path, START_UNIX_TIME, every_second())


@pytest.mark.skipif(not SCRIPT, reason="MU_TEST_VALIDATOR names no script that starts a test validator")
async def test_a_validator_that_is_killed_half_way_gives_the_same_log(tmp_path: Path):
    log = open_log(MemoryEngine())
    validator = Validator(tmp_path / "validator")
    await trio.to_thread.run_sync(validator.start)
    try:
        async with followed(log, PORT):
            story = Story(PORT, tmp_path)
            await story.set_up_money()
            await story.first_half()
            await trio.to_thread.run_sync(validator.kill)
            await trio.to_thread.run_sync(validator.start)
            story = Story(PORT, tmp_path)
            await story.until_replayed()
            await until_whole(log, EVENTS_IN_THE_FIRST_HALF)
            await story.second_half()
            await until_whole(log, EVENTS)
            await check_accounts(story, log)
            balances = await story.balances()
    finally:
        await trio.to_thread.run_sync(validator.stop)

    local_log = open_log(MemoryEngine())
    local_balances = await on_the_local_chain(
        local_log, tmp_path, times(log)("UsageSignerCreated"), times(log)
    )
    assert streams(local_log) == streams(log)
    assert local_balances == balances
