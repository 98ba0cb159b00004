"""Requests per second of the greeting sample through a node on one core, beside Node's plain `http` hello."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from benchmarks.load import requests_per_second
from benchmarks.output import line, rate, title

SERVER_CORE, CLIENT_CORE = 0, 1
SECONDS, WARM_UP_SECONDS = 8.0, 2.0

NODE_HELLO = """
const server = require("http").createServer((request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("Hello, Ada!\\n");
});
server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
"""


def run() -> None:
    """Measure both, one after the other."""
    title(f"requests: 32 keep-alive connections, server on core {SERVER_CORE}, load from core {CLIENT_CORE}")
    if len(os.sched_getaffinity(0)) <= CLIENT_CORE:
        line("SKIPPED", "this machine has one core")
        return
    peer = None
    if shutil.which("node"):
        with node_hello() as port:
            peer = measure(port, "/")
        rate("Node http hello, no sandbox", peer, "requests")
    else:
        line("Node http hello", "SKIPPED: no `node` here")
    with mu_greeting() as (port, path):
        rate("mu, WASI greeting in a fresh instance", measure(port, path), "requests", peer)


def measure(port: int, path: str) -> float:
    """Requests per second."""
    return requests_per_second(port, path, seconds=SECONDS, warm_up_seconds=WARM_UP_SECONDS, core=CLIENT_CORE)


@contextmanager
def node_hello() -> Iterator[int]:
    """Node's server, pinned; gives its port."""
    with pinned("node", "-e", NODE_HELLO) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[1])


@contextmanager
def mu_greeting() -> Iterator[tuple[int, str]]:
    """`mu run` of the sample, pinned; gives the gateway's port and the path of the greeting."""
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
            # what the function logs must not fill the pipe
            reader = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
            try:
                yield int(found[1]), found[2].replace("{name}", "Ada")
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
