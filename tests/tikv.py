"""A real cluster for the tests that need one: where `MU_TEST_PD` says its placement driver listens, host:port."""

import os
import secrets

import pytest

PD_ADDRESS = os.environ.get("MU_TEST_PD", "")


def new_tikv_engine(prefix=None, **limits):
    """An engine on a part of the cluster that nobody else uses; skips the test where there is no cluster."""
    if not PD_ADDRESS:
        pytest.skip("set MU_TEST_PD=host:port to a TiKV cluster's placement driver")
    from events.engine.tikv import TikvEngine
    from events.engine.tikv.limits import TikvLimits

    return TikvEngine.open([PD_ADDRESS], prefix or b"test/" + secrets.token_bytes(8), TikvLimits(**limits))
