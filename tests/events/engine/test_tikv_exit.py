"""A process that has used the library ends with its own exit code, whatever the library's threads are doing."""

import os
import socket
import subprocess
import sys

import pytest

pytest.importorskip("tikv_client")

EXIT_CODE = 3
RUNS = 10
"""The library's thread loses the race, where nobody waits for it, in about every second run."""

PREAMBLE = """
import atexit, sys, threading, time
from events.engine import Unavailable
from events.engine.tikv import TikvEngine
from events.engine.tikv.limits import TikvLimits

def open_engine(connect_seconds):
    try:
        TikvEngine.open([sys.argv[1]], b"", TikvLimits(connect_seconds=connect_seconds))
    except Unavailable as error:
        print(error)
"""
REFUSED = PREAMBLE + "open_engine(5.0); sys.exit(3)"
UNANSWERED = PREAMBLE + "open_engine(0.05); sys.exit(3)"
USED_AT_EXIT = PREAMBLE + "atexit.register(open_engine, 5.0); open_engine(0.05); sys.exit(3)"
PENDING = (
    PREAMBLE
    + """
from concurrent.futures import CancelledError

def open_until_interrupted():
    try:
        open_engine(60.0)
    except CancelledError:
        pass

threading.Thread(target=open_until_interrupted, daemon=True).start()
while not any(thread.name == "tikv-client" for thread in threading.enumerate()):
    time.sleep(0.001)
sys.exit(3)
"""
)


@pytest.fixture
def refusing():
    """An address where nobody listens: bound, so that nobody else comes to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def silent():
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def output(script, address):
    done = subprocess.run(
        [sys.executable, "-c", script, address],
        timeout=10,
        check=False,
        capture_output=True,
        text=True,
        cwd=os.getcwd(),
    )
    assert (done.returncode, done.stderr) == (EXIT_CODE, "")
    return done.stdout.splitlines()


def test_after_a_refused_connection(refusing):
    for _ in range(RUNS):
        assert output(REFUSED, refusing) == [
            f"the cluster at {refusing} failed: PD cluster failed to respond"
        ]


def test_after_a_connection_that_was_given_up(silent):
    for _ in range(RUNS):
        assert output(UNANSWERED, silent) == [f"the cluster at {silent} did not answer within 0.05 seconds"]


def test_while_a_connection_is_being_made(silent):
    for _ in range(RUNS):
        output(PENDING, silent)


def test_the_engine_refuses_whatever_comes_after(silent):
    first, second = output(USED_AT_EXIT, silent)
    assert "within 0.05 seconds" in first
    assert second == "this process is ending"
