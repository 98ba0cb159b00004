"""Requests per second of the greeting sample through a node on one core, beside Node's plain `http` hello."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from benchmarks.load import CONNECTIONS, Load, load
from benchmarks.output import line, rate, title
from mu.config import RuntimeLimits

SERVER_CORE, CLIENT_CORE = 0, 1
MOST_OTHER_CORES = 0.15
"""Others take from a server that needs both cores, its own and the client's, more than from one that needs one: what
they take does not cancel out of the ratio.
"""
ROUNDS, SECONDS, WARM_UP_SECONDS = 3, 5.0, 2.0

NODE_HELLO = """
const server = require("http").createServer((request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("Hello, Ada!\\n");
});
server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
"""


def run() -> None:
    """Measure both in turn, several times."""
    title(
        f"requests: {CONNECTIONS} keep-alive connections, server on core {SERVER_CORE}, load from core "
        f"{CLIENT_CORE}, {RuntimeLimits().worker_threads} worker threads, {ROUNDS} rounds"
    )
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        line("SKIPPED", f"cores {SERVER_CORE} and {CLIENT_CORE} are not both to be had")
        return
    node = shutil.which("node")
    peers: list[Load] = []
    ours: list[Load] = []
    for _ in range(ROUNDS):
        if node:
            with node_hello() as (process, port):
                peers.append(measure(process, port, "/"))
        with mu_greeting() as (process, port, path):
            ours.append(measure(process, port, path))
    if node:
        show("Node http hello, no sandbox", peers)
    else:
        line("Node http hello", "SKIPPED: no `node` here")
    show("mu, WASI greeting in a fresh instance", ours, peers or None)


def show(label: str, loads: list[Load], peers: list[Load] | None = None) -> None:
    """The rate, and how busy both sides were while it was measured."""
    peer = [load.per_second for load in peers] if peers else None
    rate(label, [load.per_second for load in loads], "requests", peer)
    server = statistics.median(load.server_cores for load in loads)
    client = statistics.median(load.client_cores for load in loads)
    other = max(load.other_cores for load in loads)
    line("", f"cores busy: server {server:.2f}, load client {client:.2f}, others up to {other:.2f}")
    if other > MOST_OTHER_CORES:
        line("", "DISTURBED: other processes took part of the cores; run it again on an idle machine")


def measure(process: int, port: int, path: str) -> Load:
    """What a server answers."""
    return load(process, port, path, seconds=SECONDS, warm_up_seconds=WARM_UP_SECONDS, core=CLIENT_CORE)


@contextmanager
def node_hello() -> Iterator[tuple[int, int]]:
    """Node's server, pinned; gives its process and its port."""
    with pinned("node", "-e", NODE_HELLO) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline().split()[1])


@contextmanager
def mu_greeting() -> Iterator[tuple[int, int, str]]:
    """`mu run` of the sample, pinned; gives its process, the gateway's port and the path of the greeting."""
    with tempfile.TemporaryDirectory(prefix="mu-bench-") as folder:
        project = Path(folder) / "greeting"
        shutil.copytree(
            str(files("mu") / "samples" / "greeting"), project, ignore=shutil.ignore_patterns("target")
        )
        main = "from cli.main import main; main()"
        with pinned(
            sys.executable, "-uc", main, "run", str(project), "--port", "0", "--rpc-port", "0"
        ) as process:
            assert process.stdout is not None
            url = ""
            for output in process.stdout:
                if route := re.match(r"route\s+GET (\S+)", output):
                    url = route[1]
                if output.startswith("running"):
                    break
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", url)
            if found is None:
                raise RuntimeError("`mu run` did not come up")
            # what the function logs must not fill the pipe, and reading it not take the server's time
            reader = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
            os.sched_setaffinity(reader.pid, {CLIENT_CORE})
            try:
                yield process.pid, int(found[1]), found[2].replace("{name}", "Ada")
            finally:
                reader.kill()
                reader.wait()


@contextmanager
def pinned(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process on the server's core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})  # a process inherits it
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        os.sched_setaffinity(0, cores)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
