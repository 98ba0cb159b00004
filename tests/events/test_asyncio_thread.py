import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from events.asyncio_thread import AsyncioThread
from events.engine import Unavailable


async def thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_all_callers_share_one_thread():
    thread = AsyncioThread("a library")
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda _: thread.run(thread_name()), range(50)))
    assert set(names) == {"a library"}
    assert [running.name for running in threading.enumerate()].count("a library") == 1


def test_what_a_coroutine_raises_is_raised():
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        AsyncioThread("failing").run(fail())


def test_a_forked_process_is_told(capfd: pytest.CaptureFixture[str]):
    thread = AsyncioThread("a library that forks not")
    thread.run(thread_name())
    if (child := os.fork()) == 0:
        try:
            thread.run(thread_name())
        except Unavailable as error:
            os.write(1, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert "forked off one that uses a library that forks not" in capfd.readouterr().out


PROGRAM = """
import asyncio, atexit, concurrent.futures, threading
from events.asyncio_thread import AsyncioThread
from events.engine import Unavailable

thread = AsyncioThread("a library")

async def hold():
    try:
        await asyncio.sleep(600)
    finally:
        print("cleaned up", flush=True)

async def begin():
    thread.task = asyncio.create_task(hold())
    await asyncio.sleep(0)

def late():
    try:
        thread.run(begin())
    except Unavailable as error:
        print(error, flush=True)

atexit.register(late)
thread.run(begin())
"""


def test_the_process_s_end_cancels_what_runs():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert (ended.stdout.splitlines()[0], ended.stderr) == ("cleaned up", "")
