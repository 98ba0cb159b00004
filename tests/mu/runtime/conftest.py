"""Functions in WebAssembly text, one for each way of ending."""

from collections.abc import Callable

import pytest
import wasmtime

from mu.runtime.protocol import FunctionResponse, FunctionResult, Header, encode

RESULT = encode(FunctionResult(FunctionResponse(200, (Header("a", "b"),), b"hello")))


def text_of(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)


def write_then(stdout: bytes, then: str = "", descriptor: int = 1, pages: int = 2) -> bytes:
    """A function that writes `stdout` (kept at offset 1024) in one fd_write, then runs `then`."""
    return module(
        f"(call $write (i32.const {descriptor}) (i32.const {len(stdout)})) {then}", stdout, pages=pages
    )


def module(start: str, data: bytes = b"", more: str = "", pages: int = 2) -> bytes:
    return wasmtime.wat2wasm(f"""(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") {pages})
        (data (i32.const 1024) "{text_of(data)}")
        (func $write (param $fd i32) (param $size i32)
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (local.get $size))
            (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
        (func $recurse (call $recurse))
        {more}
        (func $start (export "_start") {start}))""")


@pytest.fixture
def result() -> bytes:
    return RESULT


Build = Callable[..., bytes]


@pytest.fixture
def build_module() -> Build:
    return module


@pytest.fixture
def build_write_then() -> Build:
    return write_then
