"""One call of a function: a fresh instance under limits, run to its end, and the judgement of that end.

How `OutOfMemory` is told: Wasmtime refuses growth past the limit inside the guest, and does not tell the
host. A function that would start with more memory than its limit is certain. Otherwise it is an inference
from a call that gave up (`unreachable`, or an exit code other than 0): it is so called when the last line on
stderr is Rust's `memory allocation of N bytes failed` and N bytes were not left, or when less than a
sixteenth of the limit was.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

import wasmtime

from contract.errors import DecodeError
from mu.config import RuntimeLimits
from mu.runtime.host_calls import Call, Errno, GuestMemory, Refused
from mu.runtime.module import WASI, make_engine, minimum_memory_bytes
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
from mu.runtime.output import LogSink, MessageReader, TooMuchOutput
from mu.runtime.protocol import FatalError, Log

MAX_VECTORS = 1024
"""The most buffers that one fd_read or fd_write may name."""

MAX_TABLE_ELEMENTS = 100_000
"""Tables lie in the host's memory, 8 bytes an element, outside of the memory limit."""

_U32 = 0xFFFFFFFF
_ALLOCATION_FAILED = re.compile(r"memory allocation of (\d+) bytes failed")
_End = wasmtime.Trap | wasmtime.WasmtimeError | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function that is ready to run."""

    template: wasmtime.InstancePre
    minimum_memory_bytes: int


class Sandbox:
    """Runs calls, any number at a time, each in the thread that asks."""

    def __init__(self, limits: RuntimeLimits) -> None:
        self._limits = limits
        self._current = threading.local()
        self._deadline_ticks = ceil(limits.max_seconds_per_call / limits.epoch_tick_seconds) + 1
        self.engine = make_engine(limits.max_wasm_stack_bytes)
        self._linker = wasmtime.Linker(self.engine)
        self._linker.define_wasi()
        self._linker.allow_shadowing = True
        self._define("fd_read", self._guard(Call.fd_read))
        self._define("fd_write", self._guard(Call.fd_write))
        # Wasmtime's would sleep in the host, where no limit of ours reaches.
        self._define("poll_oneoff", lambda *_: Errno.NOTSUP)

    def prepare(self, module: wasmtime.Module) -> Function:
        """Link `module`. Raises `InvalidModule` if it is not a function."""
        minimum = minimum_memory_bytes(module)
        return Function(self._linker.instantiate_pre(module), minimum)

    def interrupt(self) -> None:
        """End every call that is running now as if its time were over."""
        for _ in range(self._deadline_ticks):
            self.engine.increment_epoch()

    def run(
        self,
        function: Function,
        name: str,
        stdin: bytes,
        *,
        memory_limit_bytes: int,
        env: Mapping[str, str],
        on_log: Callable[[Log], None],
    ) -> Outcome:
        """Run one call to its end, with `name` as its first argument; `on_log` is called from within."""
        if function.minimum_memory_bytes > memory_limit_bytes:
            return OutOfMemory(fuel_used=0, memory_bytes=0)
        sink = LogSink(on_log, self._limits.max_log_bytes_per_call)
        reader = MessageReader(sink, self._limits.max_output_bytes)
        store = self._store(name, env, memory_limit_bytes)
        call = Call(store, stdin, reader, sink)
        self._current.call = call
        try:
            end = _run_guest(function, store, call)
            fuel_used = self._limits.max_instructions_per_call - call.fuel_left()
            memory_bytes = call.memory.size_bytes if call.memory else function.minimum_memory_bytes
        finally:
            self._current.call = None
            store.close()
        unreadable = call.stopped_by or _finish(reader)
        sink.finish()
        starved = _is_starved(memory_limit_bytes, memory_bytes, sink.last_line)
        used = {"fuel_used": fuel_used, "memory_bytes": memory_bytes}
        if isinstance(call.stopped_by, DecodeError):
            return Garbage(**used, reason=str(call.stopped_by))
        if isinstance(unreadable, TooMuchOutput):
            return OutputTooLarge(**used)
        if call.stopped_by is not None:
            raise call.stopped_by
        return _judge(end, reader, unreadable, starved, used)

    def _store(self, name: str, env: Mapping[str, str], memory_limit_bytes: int) -> wasmtime.Store:
        store = wasmtime.Store(self.engine)
        store.set_fuel(self._limits.max_instructions_per_call)
        store.set_epoch_deadline(self._deadline_ticks)
        store.set_limits(
            memory_size=memory_limit_bytes, table_elements=MAX_TABLE_ELEMENTS, instances=1, memories=1
        )
        wasi = wasmtime.WasiConfig()
        wasi.argv = [name]
        wasi.env = env.items()
        store.set_wasi(wasi)
        return store

    def _define(self, name: str, host_call: Callable[[int, int, int, int], int]) -> None:
        i32 = wasmtime.ValType.i32
        self._linker.define_func(WASI, name, wasmtime.FuncType([i32()] * 4, [i32()]), host_call)

    def _guard(
        self, host_call: Callable[[Call, int, int, int, int], None]
    ) -> Callable[[int, int, int, int], int]:
        """Make a host call total: its errors end the guest (see `Call.stop`) or are the guest's errno."""

        def guarded(descriptor: int, vectors_at: int, count: int, size_at: int) -> int:
            call: Call = self._current.call
            if call.stopped_by is not None:
                return Errno.IO
            if not 0 <= count <= MAX_VECTORS:
                return Errno.INVAL
            try:
                host_call(call, descriptor, vectors_at & _U32, count, size_at & _U32)
            except Refused as refusal:
                return refusal.errno
            except Exception as error:
                call.stop(error)
                return Errno.IO
            return Errno.SUCCESS

        return guarded


def _run_guest(function: Function, store: wasmtime.Store, call: Call) -> _End:
    try:
        exports = function.template.instantiate(store).exports(store)
        memory, start = exports["memory"], exports["_start"]
        assert isinstance(memory, wasmtime.Memory)
        assert isinstance(start, wasmtime.Func)
        call.memory = GuestMemory(store, memory)
        start(store)
    except (wasmtime.Trap, wasmtime.WasmtimeError) as end:
        return end
    return None


def _finish(reader: MessageReader) -> Exception | None:
    try:
        reader.finish()
    except (DecodeError, TooMuchOutput) as error:
        return error
    return None


def _is_starved(limit_bytes: int, memory_bytes: int, last_line: str) -> bool:
    left_bytes = limit_bytes - memory_bytes
    failed = _ALLOCATION_FAILED.search(last_line)
    return left_bytes < limit_bytes // 16 or (failed is not None and int(failed[1]) > left_bytes)


def _judge(
    end: _End, reader: MessageReader, unreadable: Exception | None, starved: bool, used: dict[str, int]
) -> Outcome:
    trap_code = end.trap_code if isinstance(end, wasmtime.Trap) else None
    exit_code = end.code if isinstance(end, wasmtime.ExitTrap) else None
    if trap_code is wasmtime.TrapCode.OUT_OF_FUEL:
        return OutOfFuel(**used)
    if trap_code is wasmtime.TrapCode.INTERRUPT:
        return OutOfTime(**used)
    if isinstance(reader.result, FatalError):
        return Failed(**used, error=reader.result.error)
    if end is not None and exit_code != 0:
        if starved and (exit_code is not None or trap_code is wasmtime.TrapCode.UNREACHABLE):
            return OutOfMemory(**used)
        # Wasmtime's text is a backtrace of addresses, then the cause, which is what a developer can use.
        reason = f"exit code {exit_code}" if exit_code is not None else str(end).rpartition("Caused by:")[2]
        return Trapped(**used, reason=" ".join(reason.split()))
    if unreadable is not None:
        return Garbage(**used, reason=str(unreadable))
    if reader.result is None:
        return Silent(**used)
    return Finished(**used, response=reader.result.response)
