"""The sample stack: its function answers as its manifest promises."""

from pathlib import Path

import pytest
import yaml

import mu.samples
from mu.config import MEBIBYTE, RuntimeLimits
from mu.runtime.outcome import Failed, Finished, Outcome
from mu.runtime.pool import Runtime
from mu.runtime.protocol import (
    ExecuteFunction,
    FunctionRequest,
    FunctionResponse,
    Header,
    Level,
    Log,
    Method,
)

FOLDER = Path(mu.samples.__file__).parent / "greeting"
STACK = yaml.safe_load((FOLDER / "stack.yaml").read_text())
FUNCTION, GATEWAY = STACK["services"]
BINARY = (FOLDER / FUNCTION["binary"]).read_bytes()


async def run(folder: Path, function: str, path_params: dict[str, str], query_params: dict[str, str]):
    logs: list[Log] = []
    request = FunctionRequest(Method.GET, path_params, query_params, (Header("accept", "*/*"),), b"body")
    async with Runtime.open(RuntimeLimits(), folder / "cache") as runtime:
        ended: Outcome = await runtime.call(
            await runtime.load(BINARY),
            ExecuteFunction(function, request),
            memory_limit_bytes=256 * MEBIBYTE,
            env=FUNCTION["env"],
            on_log=logs.append,
        )
    return ended, logs


def test_the_manifest_routes_to_the_function() -> None:
    ((path, (route,)),) = GATEWAY["endpoints"].items()
    assert (path, route["method"]) == ("/greet/{name}", "get")
    assert route["route_to"] == f"{FUNCTION['name']}.greet_user"


def test_the_binary_is_small() -> None:
    assert len(BINARY) < 100_000


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, "Hello, Ada!\n"),
        ({"greeting": "Good day"}, "Good day, Ada!\n"),
        ({"greeting": "Añé"}, "Añé, Ada!\n"),
    ],
)
async def test_it_greets_and_logs(tmp_path: Path, query: dict[str, str], body: str) -> None:
    ended, logs = await run(tmp_path, "greet_user", {"name": "Ada"}, query)
    assert isinstance(ended, Finished)
    headers = (Header("content-type", "text/plain; charset=utf-8"),)
    assert ended.response == FunctionResponse(200, headers, body.encode())
    assert logs == [Log("greeting Ada", Level.INFO)]
    assert ended.memory_bytes < 2 * MEBIBYTE


async def test_it_fails_for_another_function_and_without_a_name(tmp_path: Path) -> None:
    for function, path_params, error in (
        ("other", {"name": "Ada"}, "there is no function named other"),
        ("greet_user", {}, "the path has no name"),
    ):
        ended, logs = await run(tmp_path, function, path_params, {})
        assert isinstance(ended, Failed)
        assert (ended.error, logs) == (error, [])
