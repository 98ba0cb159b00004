"""The same program, client and follower on Agave's test validator, which is killed half-way.

Runs where MU_TEST_VALIDATOR names a script that starts and stops one (`up DIR PORT -- OPTIONS`, `down DIR`).
"""

import itertools
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import contract
from contract.addresses import PROGRAM_ID
from contract.client import Region
from events.engine.memory import MemoryEngine
from tests.entries import open_log
from tests.events.chain.histories import REGION
from tests.events.chain.live import NEVER_SECONDS, Actor, follower, subscription, until_whole

SCRIPT = os.environ.get("MU_TEST_VALIDATOR", "")
PROGRAM = Path(contract.__file__).parent / "marketplace.so"
PORT = 28899
START_SECONDS = 90

pytestmark = pytest.mark.skipif(
    not SCRIPT, reason="MU_TEST_VALIDATOR names no script that starts a test validator"
)


class Validator:
    """A validator on a fixed port; its ledger outlives it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        subprocess.run(
            [
                SCRIPT,
                "up",
                str(self._folder),
                str(PORT),
                "--",
                "--bpf-program",
                str(PROGRAM_ID),
                str(PROGRAM),
            ],
            check=True,
            timeout=START_SECONDS,
        )

    def kill(self) -> None:
        process = os.pidfd_open(int((self._folder / "validator.pid").read_text()))
        signal.pidfd_send_signal(process, signal.SIGKILL)
        # readable when the process is gone, and with it its lock on the ledger
        select.select([process], [], [], START_SECONDS)
        os.close(process)

    def stop(self) -> None:
        subprocess.run([SCRIPT, "down", str(self._folder)], check=True, timeout=START_SECONDS)


@pytest.fixture
def validator(tmp_path: Path) -> Iterator[Validator]:
    validator = Validator(tmp_path)
    validator.start()
    yield validator
    validator.stop()


async def until_replayed(actor: Actor) -> None:
    """Wait for the history: a validator says that it is healthy before it has read its ledger."""
    with trio.fail_after(START_SECONDS):
        while (region := await actor.marketplace.account(REGION, Region)) is None or region.sequence < 4:
            pass  # each question waits for its answer


async def test_nothing_is_missed_or_doubled_when_the_validator_is_killed(validator: Validator):
    log, seeds = open_log(MemoryEngine()), itertools.count()
    actor = Actor(PORT, seeds)
    await actor.set_up()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower(log, PORT, NEVER_SECONDS).run, subscription(PORT + 1))
        await actor.deploy(3)
        await until_whole(log, 4)
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower(log, PORT, 0.5).run, subscription(PORT + 1))
        await trio.to_thread.run_sync(validator.kill)
        await trio.to_thread.run_sync(validator.start)
        actor = Actor(PORT, seeds)
        await until_replayed(actor)
        await actor.deploy(3)
        await until_whole(log, 7)
        nursery.cancel_scope.cancel()
