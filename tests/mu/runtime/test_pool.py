"""The pool under trio: order, limits, overload, cancellation, closing."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from contract.errors import InvalidInput
from mu.config import MEBIBYTE, RuntimeLimits
from mu.runtime.instance import Function
from mu.runtime.module import InvalidModule
from mu.runtime.outcome import Finished, Outcome, OutOfTime
from mu.runtime.pool import Overloaded, Runtime, RuntimeClosed
from mu.runtime.protocol import ExecuteFunction, FunctionRequest, Level, Log, Method, encode

MESSAGE = ExecuteFunction("f", FunctionRequest(Method.GET, {}, {}, (), b""))
LOG = Log("line", Level.INFO)


def limits(**changes: object) -> RuntimeLimits:
    settings = {
        "max_instructions_per_call": 10**15,
        "max_seconds_per_call": 10.0,
        "epoch_tick_seconds": 0.002,
    }
    return RuntimeLimits(**{**settings, **changes})


@asynccontextmanager
async def open_runtime(folder: Path, **changes: object) -> AsyncIterator[Runtime]:
    async with Runtime.open(limits(**changes), folder / "cache") as runtime:
        yield runtime
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mu runtime")]


async def call(
    runtime: Runtime, function: Function, on_log: Callable[[Log], None] = lambda _: None
) -> Outcome:
    return await runtime.call(function, MESSAGE, memory_limit_bytes=MEBIBYTE, env={}, on_log=on_log)


@pytest.fixture
def spin(build_module) -> bytes:
    return build_module("(loop (br 0))")


@pytest.fixture
def log_then_spin(build_write_then) -> bytes:
    return build_write_then(encode(LOG), "(loop (br 0))")


async def test_many_calls_at_once_each_with_its_own_logs_before_its_outcome(
    tmp_path, build_write_then, result
) -> None:
    async with open_runtime(tmp_path, worker_threads=3) as runtime:
        functions = [
            await runtime.load(build_write_then(encode(Log(str(number), Level.INFO)) * 3 + result))
            for number in range(5)
        ]
        heard: dict[int, list[str]] = {number: [] for number in range(100)}

        async def one(number: int) -> None:
            ended = await call(runtime, functions[number % 5], lambda log: heard[number].append(log.body))
            assert isinstance(ended, Finished)
            assert heard[number] == [str(number % 5)] * 3

        async with trio.open_nursery() as nursery:
            for number in heard:
                nursery.start_soon(one, number)


async def test_logs_arrive_while_the_call_runs_and_in_the_trio_thread(tmp_path, log_then_spin) -> None:
    async with open_runtime(tmp_path) as runtime:
        function = await runtime.load(log_then_spin)
        heard = trio.Event()
        async with trio.open_nursery() as nursery:
            # Event.set works in the trio thread only.
            nursery.start_soon(call, runtime, function, lambda _: heard.set())
            await heard.wait()
            nursery.cancel_scope.cancel()


async def test_the_wall_clock_ends_a_call(tmp_path, spin) -> None:
    async with open_runtime(tmp_path, max_seconds_per_call=0.05) as runtime:
        function = await runtime.load(spin)
        for _ in range(2):
            start = trio.current_time()
            assert isinstance(await call(runtime, function), OutOfTime)
            assert 0.05 <= trio.current_time() - start < 2


async def test_time_stands_still_between_calls(tmp_path, build_write_then, result, monkeypatch) -> None:
    async with open_runtime(tmp_path, max_seconds_per_call=0.05) as runtime:
        function = await runtime.load(build_write_then(result))
        await call(runtime, function)
        ticks = 0

        def count() -> None:
            nonlocal ticks
            ticks += 1

        monkeypatch.setattr(runtime._sandbox.engine, "increment_epoch", count)
        await trio.sleep(0.05)
        assert ticks <= 1


async def test_a_full_queue_is_overloaded_and_recovers(tmp_path, spin, build_write_then, result) -> None:
    async with open_runtime(
        tmp_path, worker_threads=1, max_queued_calls=2, max_seconds_per_call=0.1
    ) as runtime:
        spinning, quick = await runtime.load(spin), await runtime.load(build_write_then(result))
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(call, runtime, spinning)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(Overloaded):
                await call(runtime, quick)
        assert isinstance(await call(runtime, quick), Finished)


async def test_a_cancelled_waiting_call_never_starts(
    tmp_path, log_then_spin, build_write_then, result
) -> None:
    async with open_runtime(tmp_path, worker_threads=1, max_seconds_per_call=0.1) as runtime:
        running = await runtime.load(log_then_spin)
        waiting = await runtime.load(build_write_then(encode(LOG) + result))
        heard: list[Log] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, runtime, running)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0):
                await call(runtime, waiting, heard.append)
        assert isinstance(await call(runtime, waiting), Finished)
        assert heard == []


async def test_a_cancelled_running_call_returns_at_once_and_is_not_heard_again(
    tmp_path, build_module
) -> None:
    logs_for_ever = build_module("(loop (call $write (i32.const 1) (i32.const 11)) (br 0))", encode(LOG))
    async with open_runtime(tmp_path, worker_threads=1, max_seconds_per_call=0.2) as runtime:
        function = await runtime.load(logs_for_ever)
        heard: list[Log] = []
        first = trio.Event()

        def on_log(log: Log) -> None:
            heard.append(log)
            first.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, runtime, function, on_log)
            await first.wait()
            nursery.cancel_scope.cancel()
        count = len(heard)
        await call(runtime, function)
        assert len(heard) == count


async def test_what_on_log_raises_is_raised_by_the_call(tmp_path, build_write_then, result) -> None:
    def broken(_: Log) -> None:
        raise ZeroDivisionError

    async with open_runtime(tmp_path) as runtime:
        function = await runtime.load(build_write_then(encode(LOG) * 3 + result))
        with pytest.raises(ZeroDivisionError):
            await call(runtime, function, broken)
        assert isinstance(await call(runtime, function), Finished)


async def test_closing_ends_what_runs_and_what_waits(tmp_path, spin) -> None:
    refused = 0

    async def closed(runtime: Runtime, function: Function) -> None:
        nonlocal refused
        with pytest.raises(RuntimeClosed):
            await call(runtime, function)
        refused += 1

    async with trio.open_nursery() as nursery:
        with trio.fail_after(5):
            async with open_runtime(tmp_path, worker_threads=2, max_seconds_per_call=3600) as runtime:
                function = await runtime.load(spin)
                for _ in range(5):
                    nursery.start_soon(closed, runtime, function)
                await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RuntimeClosed):
                await call(runtime, function)
    assert refused == 5


async def test_cancellation_closes_the_runtime_too(tmp_path, spin) -> None:
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                async with open_runtime(tmp_path, max_seconds_per_call=3600) as runtime:
                    function = await runtime.load(spin)
                    nursery.cancel_scope.deadline = trio.current_time() + 0.02
                    await call(runtime, function)

            nursery.start_soon(serve)


async def test_input_that_cannot_be_used(tmp_path, build_write_then, result) -> None:
    async with open_runtime(tmp_path, max_memory_bytes=2 * MEBIBYTE) as runtime:
        function = await runtime.load(build_write_then(result))
        for env in ({"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "\0"}):
            with pytest.raises(InvalidInput, match="environment"):
                await runtime.call(
                    function, MESSAGE, memory_limit_bytes=MEBIBYTE, env=env, on_log=lambda _: None
                )
        nameless = ExecuteFunction("\0", MESSAGE.request)
        for message, memory_limit_bytes in ((nameless, MEBIBYTE), (MESSAGE, 3 * MEBIBYTE)):
            with pytest.raises(InvalidInput):
                await runtime.call(
                    function, message, memory_limit_bytes=memory_limit_bytes, env={}, on_log=lambda _: None
                )
        with pytest.raises(InvalidModule):
            await runtime.load(b"not wasm")
