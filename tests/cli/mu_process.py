"""The `mu` command as a process."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

MU = (sys.executable, "-c", "from cli.main import main; main()")
TIMEOUT_SECONDS = 60


def mu(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `mu` to its end."""
    return subprocess.run(
        [*MU, *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )


def start_run(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start `mu run` on free ports."""
    command = [*MU, "run", str(folder), "--port", "0", "--rpc-port", "0", *options]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def wait_until_running(process: subprocess.Popen[str], until: str = "running") -> tuple[str, list[str]]:
    """Read the output until the region is up: the URL of the first route, and the lines."""
    assert process.stdout is not None
    lines: list[str] = []
    url = ""
    for line in process.stdout:
        lines.append(line.rstrip())
        if found := re.match(r"route\s+\w+ (http\S+)", line):
            url = found[1]
        if line.startswith(until):
            return url, lines
    raise AssertionError("\n".join(lines))


def log_entries(folder: Path) -> list[dict[str, Any]]:
    """The whole log of a region."""
    done = mu("events", "tail", "--folder", folder, "--all", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
