import pytest

from tests.mu.audited import LoggedWorld, world


@pytest.fixture(scope="module")
def audited() -> LoggedWorld:
    """A world in whose log everything agrees; not to be changed."""
    return world()
