"""Fixtures: a cluster with the program, a world on it, and instructions with something altered."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from tests.contract.attacks import Target, targets
from tests.contract.cluster import Cluster
from tests.contract.world import World


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def world(cluster: Cluster) -> World:
    return World(cluster)


@pytest.fixture(scope="module")
def unchanged_world() -> World:
    """For tests whose every instruction is refused."""
    return World(Cluster())


@pytest.fixture(scope="module")
def unchanged_targets() -> dict[str, Target]:
    """Each instruction by name, for tests in which all that is sent is refused."""
    return targets()


@pytest.fixture(scope="session")
def altered():
    """Makes a copy of an instruction with another account at an index, other flags, or other data."""

    def alter(
        instruction: Instruction,
        index: int = 0,
        *,
        address: Pubkey | None = None,
        signer: bool | None = None,
        writable: bool | None = None,
        data: bytes | None = None,
    ) -> Instruction:
        metas = list(instruction.accounts)
        if metas:
            old = metas[index]
            metas[index] = AccountMeta(
                old.pubkey if address is None else address,
                old.is_signer if signer is None else signer,
                old.is_writable if writable is None else writable,
            )
        return Instruction(instruction.program_id, instruction.data if data is None else data, metas)

    return alter
