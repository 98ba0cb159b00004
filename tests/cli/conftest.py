"""Fixtures of commands that talk to a cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.chain import LocalChain, open_local_chain


@pytest.fixture
def local_chain(tmp_path: Path) -> Iterator[LocalChain]:
    """A chain with a mint, without a Marketplace."""
    with open_local_chain(tmp_path) as chain:
        yield chain


@pytest.fixture(scope="module")
def shared_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    """A chain for all tests of a module, each of which must use people of its own."""
    with open_local_chain(tmp_path_factory.mktemp("chain")) as chain:
        yield chain
