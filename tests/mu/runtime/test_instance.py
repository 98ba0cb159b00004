"""Every way for a call to end, and the guest's pointers."""

from collections.abc import Callable

import pytest
import wasmtime

from mu.config import MEBIBYTE, RuntimeLimits
from mu.runtime.instance import Sandbox
from mu.runtime.outcome import (
    Failed,
    Finished,
    Garbage,
    Outcome,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Silent,
    Trapped,
)
from mu.runtime.protocol import FatalError, FunctionResponse, Header, Level, Log, encode

LIMITS = RuntimeLimits(
    max_instructions_per_call=1_000_000, max_output_bytes=3 * MEBIBYTE, max_log_bytes_per_call=100
)
RESPONSE = FunctionResponse(200, (Header("a", "b"),), b"hello")
FATAL = encode(FatalError("no such thing"))


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(LIMITS)


@pytest.fixture
def run(sandbox: Sandbox) -> Callable[..., Outcome]:
    def run(
        binary: bytes,
        *,
        stdin: bytes = b"",
        memory_limit_bytes: int = MEBIBYTE,
        env=None,
        on_log=lambda _: None,
    ) -> Outcome:
        function = sandbox.prepare(wasmtime.Module(sandbox.engine, binary))
        return sandbox.run(
            function, "f", stdin, memory_limit_bytes=memory_limit_bytes, env=env or {}, on_log=on_log
        )

    return run


def test_a_result_finishes_the_call(run, build_write_then, result) -> None:
    ended = run(build_write_then(result))
    assert isinstance(ended, Finished)
    assert ended.response == RESPONSE
    assert ended.memory_bytes == 2 * 65536
    assert 0 < ended.fuel_used < 100
    assert ended.megabyte_instructions == ended.fuel_used


def test_the_same_call_uses_the_same_fuel(run, build_write_then, result) -> None:
    binary = build_write_then(result)
    assert len({run(binary).fuel_used for _ in range(5)}) == 1


def test_megabyte_instructions_round_the_memory_up(run, build_write_then, result) -> None:
    ended = run(build_write_then(result, pages=17), memory_limit_bytes=2 * MEBIBYTE)
    assert ended.memory_bytes == 17 * 65536
    assert ended.megabyte_instructions == 2 * ended.fuel_used


def test_exit_code_0_after_a_result_is_a_return(run, build_write_then, result) -> None:
    assert isinstance(run(build_write_then(result, "(call $exit (i32.const 0))")), Finished)


def test_another_exit_code_is_a_trap_that_names_it(run, build_write_then, result) -> None:
    for stdout in (b"", result):
        ended = run(build_write_then(stdout, "(call $exit (i32.const 3))"))
        assert isinstance(ended, Trapped)
        assert ended.reason == "exit code 3"


@pytest.mark.parametrize("then", ["", "(call $exit (i32.const 1))", "unreachable"])
def test_a_fatal_error_fails_the_call_however_it_ends(run, build_write_then, then: str) -> None:
    ended = run(build_write_then(FATAL, then))
    assert isinstance(ended, Failed)
    assert ended.error == "no such thing"


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("unreachable", "unreachable"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divide by zero"),
        ("(call $recurse)", "call stack exhausted"),
        ("(drop (i32.load (i32.const -4)))", "out of bounds memory access"),
        ("(drop (call $random (i32.const -8) (i32.const 64)))", "out of bounds"),
    ],
)
def test_traps(run, build_module, start: str, reason: str) -> None:
    ended = run(build_module(start))
    assert isinstance(ended, Trapped)
    assert reason in ended.reason
    assert "backtrace" not in ended.reason


def test_a_trap_after_the_result_takes_the_result_back(run, build_write_then, result) -> None:
    assert isinstance(run(build_write_then(result, "unreachable")), Trapped)


def test_an_endless_loop_runs_out_of_fuel(run, build_module) -> None:
    ended = run(build_module("(loop (br 0))"))
    assert isinstance(ended, OutOfFuel)
    assert ended.fuel_used == LIMITS.max_instructions_per_call


def test_a_call_whose_epochs_pass_is_out_of_time(build_module, sandbox) -> None:
    class Interrupted(Sandbox):
        def interrupt_from_log(self, log: Log) -> None:
            self.interrupt()

    sandbox = Interrupted(RuntimeLimits(max_instructions_per_call=10**12))
    binary = build_module("(call $write (i32.const 2) (i32.const 2)) (loop (br 0))", b"x\n")
    function = sandbox.prepare(wasmtime.Module(sandbox.engine, binary))
    ended = sandbox.run(
        function, "f", b"", memory_limit_bytes=MEBIBYTE, env={}, on_log=sandbox.interrupt_from_log
    )
    assert isinstance(ended, OutOfTime)
    assert ended.fuel_used < 10**9


def test_a_function_that_starts_above_its_limit_is_out_of_memory(run, build_write_then, result) -> None:
    assert run(build_write_then(result, pages=17)) == OutOfMemory(fuel_used=0, memory_bytes=0)
    assert isinstance(run(build_write_then(result, pages=16)), Finished)


def test_growth_past_the_limit_is_refused_in_the_guest(run, build_module) -> None:
    grow = "(if (i32.ne (memory.grow (i32.const {pages})) (i32.const {answer})) (then (call $exit (i32.const 3))))"
    assert isinstance(run(build_module(grow.format(pages=15, answer=-1))), Silent)
    grown = run(build_module(grow.format(pages=14, answer=2)))
    assert isinstance(grown, Silent)
    assert grown.memory_bytes == MEBIBYTE


@pytest.mark.parametrize("give_up", ["unreachable", "(call $exit (i32.const 1))"])
def test_giving_up_close_to_the_limit_is_out_of_memory(run, build_module, give_up: str) -> None:
    ended = run(build_module(f"(drop (memory.grow (i32.const 14))) {give_up}"))
    assert isinstance(ended, OutOfMemory)
    assert ended.memory_bytes == MEBIBYTE
    assert isinstance(run(build_module(f"(drop (memory.grow (i32.const 12))) {give_up}")), Trapped)


def test_another_trap_close_to_the_limit_is_a_trap(run, build_module) -> None:
    divide = "(drop (i32.div_u (i32.const 1) (i32.const 0)))"
    assert isinstance(run(build_module(f"(drop (memory.grow (i32.const 14))) {divide}")), Trapped)


@pytest.mark.parametrize(("size", "kind"), [(MEBIBYTE, OutOfMemory), (100, Trapped)])
def test_rusts_own_words_for_a_failed_allocation(run, build_write_then, size: int, kind: type) -> None:
    line = f"memory allocation of {size} bytes failed".encode()
    assert isinstance(run(build_write_then(line, "unreachable", descriptor=2)), kind)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [(b"\0\0", "follow the result"), (b"\xff", "follow the result")],
)
def test_bytes_after_the_result_are_garbage(run, build_write_then, result, extra: bytes, reason: str) -> None:
    ended = run(build_write_then(result + extra))
    assert isinstance(ended, Garbage)
    assert reason in ended.reason


def test_bad_and_truncated_stdout_is_garbage(run, build_write_then, result) -> None:
    ended = run(build_write_then(b"\xff\xff", "(loop (br 0))"))
    assert isinstance(ended, Garbage)
    assert ended.fuel_used < 1000, "the guest is stopped at once, and not charged for what it did not run"
    for size in range(1, len(result)):
        assert isinstance(run(build_write_then(result[:size])), Garbage)


def test_no_result_is_silence(run, build_module) -> None:
    assert isinstance(run(build_module("")), Silent)
    assert isinstance(run(build_module("(call $exit (i32.const 0))")), Silent)


def test_too_much_output_ends_the_call(run, build_module) -> None:
    # A message of almost 16 MiB never gets complete; each fd_write moves at most 1 MiB.
    ended = run(
        build_module(
            "(loop (call $write (i32.const 1) (i32.const 2000000)) (br 0))", b"\1\0\0\0\xff\0", pages=40
        ),
        memory_limit_bytes=8 * MEBIBYTE,
    )
    assert isinstance(ended, OutputTooLarge)
    assert ended.fuel_used < 1000


def test_logs_come_in_order_and_capped(run, build_module, build_write_then, result) -> None:
    logs: list[Log] = []
    line = encode(Log("line", Level.DEBUG))
    assert isinstance(run(build_write_then(line * 100 + result), on_log=logs.append), Finished)
    assert logs[:20] == [Log("line", Level.DEBUG)] * 20
    assert "dropped" in logs[20].body
    assert len(logs) == 21


def test_stderr_is_a_log(run, build_write_then) -> None:
    logs: list[Log] = []
    run(build_write_then(b"a panic\nand its place", "unreachable", descriptor=2), on_log=logs.append)
    assert logs == [Log("a panic", Level.ERROR), Log("and its place", Level.ERROR)]


def test_stdin_is_the_message_then_its_end(run, build_module, result) -> None:
    # Echoes stdin, read 7 bytes at a time, to stdout.
    echo = """(i32.store (i32.const 0) (i32.const 1024))
        (loop $again
            (i32.store (i32.const 4) (i32.const 7))
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (i32.store (i32.const 4) (i32.load (i32.const 8)))
            (if (i32.load (i32.const 8)) (then
                (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (br $again))))"""
    ended = run(build_module(echo), stdin=result)
    assert isinstance(ended, Finished)
    assert ended.response == RESPONSE


ERRNO_CASES = [
    ("an iovec array beyond the memory", 1, -8, 1, 8, 21),
    ("an iovec array whose end overflows 32 bits", 1, -4, 1, 8, 21),
    ("a result pointer beyond the memory", 1, 0, 1, -1, 21),
    ("a buffer beyond the memory", 1, 16, 1, 8, 21),
    ("too many vectors", 1, 0, 1025, 8, 28),
    ("a negative number of vectors", 1, 0, -1, 8, 28),
    ("no vectors", 1, 0, 0, 8, 0),
    ("another file", 3, 0, 1, 8, 8),
    ("no file", -1, 0, 1, 8, 8),
]


@pytest.mark.parametrize("call", ["$fd_write", "$fd_read"])
@pytest.mark.parametrize(("what", "fd", "vectors", "count", "size", "errno"), ERRNO_CASES)
def test_foreign_pointers(run, build_module, call, what, fd, vectors, count, size, errno) -> None:
    if call == "$fd_read" and fd == 1:
        fd = 0
    ended = run(
        build_module(f"""(i32.store (i32.const 16) (i32.const 131000)) (i32.store (i32.const 20) (i32.const 1000))
            (call $exit (call {call} (i32.const {fd}) (i32.const {vectors}) (i32.const {count})
                (i32.const {size})))""")
    )
    assert (ended.reason if isinstance(ended, Trapped) else "exit code 0") == f"exit code {errno}", what


def test_a_function_cannot_sleep_in_the_host(run, build_module) -> None:
    ended = run(
        build_module("(call $exit (call $poll (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)))")
    )
    assert isinstance(ended, Trapped)
    assert ended.reason == "exit code 58"


def test_the_environment_is_the_manifests_alone(run, build_module) -> None:
    count = """(drop (call $environ (i32.const 0) (i32.const 4))) (call $exit (i32.load (i32.const 0)))"""
    assert isinstance(run(build_module(count)), Silent)
    ended = run(build_module(count), env={"A": "1", "B": ""})
    assert isinstance(ended, Trapped)
    assert ended.reason == "exit code 2"


def test_the_start_section_runs_under_limits_and_without_files(run, build_module) -> None:
    ended = run(build_module("", more="(start $init) (func $init (loop (br 0)))"))
    assert isinstance(ended, OutOfFuel)
    write = "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8))"
    answer = f"(start $init) (func $init (call $exit {write}))"
    ended = run(build_module("", more=answer))
    assert isinstance(ended, Trapped)
    assert ended.reason == "exit code 8"


def test_a_table_above_its_limit_does_not_start(run, build_module) -> None:
    ended = run(build_module("", more="(table 100001 funcref)"))
    assert isinstance(ended, Trapped)
    assert "table" in ended.reason


def test_an_error_of_the_host_is_raised_and_stops_the_guest(run, build_write_then) -> None:
    def broken(_: Log) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(build_write_then(encode(Log("x", Level.INFO)), "(loop (br 0))"), on_log=broken)
