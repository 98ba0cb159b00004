"""Compiles functions: checks that a binary is a module we can run, and keeps the machine code in a cache."""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import wasmtime

from contract.errors import InvalidInput, MuError

SETTINGS = (
    f"wasmtime {version('wasmtime')}: fuel, epochs, canonical NaN, deterministic relaxed SIMD, "
    "no threads, no memory64, one memory"
)
"""What the machine code and the fuel counts depend on: part of a cache key, and of a receipt for fuel."""

WASI = "wasi_snapshot_preview1"
ALLOWED_IMPORTS = frozenset(
    {
        "args_get",
        "args_sizes_get",
        "clock_res_get",
        "clock_time_get",
        "environ_get",
        "environ_sizes_get",
        "fd_advise",
        "fd_allocate",
        "fd_close",
        "fd_datasync",
        "fd_fdstat_get",
        "fd_fdstat_set_flags",
        "fd_fdstat_set_rights",
        "fd_filestat_get",
        "fd_filestat_set_size",
        "fd_filestat_set_times",
        "fd_pread",
        "fd_prestat_dir_name",
        "fd_prestat_get",
        "fd_pwrite",
        "fd_read",
        "fd_readdir",
        "fd_renumber",
        "fd_seek",
        "fd_sync",
        "fd_tell",
        "fd_write",
        "path_create_directory",
        "path_filestat_get",
        "path_filestat_set_times",
        "path_link",
        "path_open",
        "path_readlink",
        "path_remove_directory",
        "path_rename",
        "path_symlink",
        "path_unlink_file",
        "poll_oneoff",
        "proc_exit",
        "random_get",
        "sched_yield",
        "sock_accept",
        "sock_recv",
        "sock_send",
        "sock_shutdown",
    }
)
"""WASI preview 1 without `proc_raise`. No folder and no socket is ever open, so that most of them only fail;
but C and Python link them all."""

_WASM_MAGIC = b"\0asm\x01\0\0\0"
_PAGE_BYTES = 64 * 1024
_DIGEST_BYTES = 32


class InvalidModule(MuError):
    """A function's binary cannot be run here; says why."""


def make_engine(max_wasm_stack_bytes: int) -> wasmtime.Engine:
    """The engine that `SETTINGS` describes; features that would open a second memory or a race are off."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = max_wasm_stack_bytes
    config.cranelift_nan_canonicalization = True
    config.wasm_relaxed_simd_deterministic = True
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_multi_memory = False
    return wasmtime.Engine(config)


def minimum_memory_bytes(module: wasmtime.Module) -> int:
    """The size of the memory the module starts with; raises `InvalidModule` if it is not one of ours.

    A module of ours imports allowed WASI functions only, and exports `_start: () -> ()` and its `memory`.
    """
    for imported in module.imports:
        name = f"{imported.module}.{imported.name}"
        if imported.module != WASI or imported.name not in ALLOWED_IMPORTS:
            raise InvalidModule(f"the module imports {name}, which functions may not use")
        if not isinstance(imported.type, wasmtime.FuncType):
            raise InvalidModule(f"the module imports {name} as something other than a function")
    exports = {exported.name: exported.type for exported in module.exports}
    start, memory = exports.get("_start"), exports.get("memory")
    if not isinstance(start, wasmtime.FuncType) or start.params or start.results:
        raise InvalidModule("the module does not export a function _start without parameters and results")
    if not isinstance(memory, wasmtime.MemoryType):
        raise InvalidModule("the module does not export its memory")
    return memory.limits.min * _PAGE_BYTES


class ModuleCache:
    """A folder of machine code, one file a binary: the sha256 of the rest (32 bytes), then the serialized
    module.

    Machine code from elsewhere would run with all our rights, so the folder must be ours and closed to
    others. The digest finds damage, which Wasmtime's own header check does not; a damaged or foreign file is
    compiled anew.
    """

    def __init__(self, engine: wasmtime.Engine, folder: Path, max_binary_bytes: int) -> None:
        """Make the folder, or check it. Raises `InvalidInput` if it is not this user's alone."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.lstat()
        except OSError as error:
            raise InvalidInput("cache_folder", f"cannot be used: {error}") from error
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise InvalidInput("cache_folder", f"{folder} must be a folder that belongs to this user")
        if status.st_mode & 0o077:
            raise InvalidInput("cache_folder", f"{folder} must be closed to others: run chmod 700")
        self._engine = engine
        self._folder = folder
        self._max_binary_bytes = max_binary_bytes

    def module(self, binary: bytes) -> wasmtime.Module:
        """The compiled module of `binary`. Raises `InvalidModule`."""
        if len(binary) > self._max_binary_bytes:
            raise InvalidModule(f"the binary has {len(binary)} bytes; the limit is {self._max_binary_bytes}")
        if not binary.startswith(_WASM_MAGIC):
            # Components share the magic number but not the version behind it.
            raise InvalidModule("the binary is not a core WebAssembly module")
        path = self._path(binary)
        module = self._read(path)
        if module is None:
            module = self._compile(binary)
            self._write(path, bytes(module.serialize()))
        return module

    def _path(self, binary: bytes) -> Path:
        key = hashlib.sha256(SETTINGS.encode() + b"\0" + hashlib.sha256(binary).digest())
        return self._folder / f"{key.hexdigest()}.machine-code"

    def _compile(self, binary: bytes) -> wasmtime.Module:
        try:
            return wasmtime.Module(self._engine, binary)
        except wasmtime.WasmtimeError as error:
            raise InvalidModule(f"the module is not valid: {' '.join(str(error).split())[:500]}") from error

    def _read(self, path: Path) -> wasmtime.Module | None:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, machine_code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(machine_code).digest() != digest:
            return None
        try:
            return wasmtime.Module.deserialize(self._engine, machine_code)
        except wasmtime.WasmtimeError:
            return None

    def _write(self, path: Path, machine_code: bytes) -> None:
        # A full disk costs the next start a compilation, not this one its function.
        with (
            suppress(OSError),
            tempfile.NamedTemporaryFile(dir=self._folder, suffix=".new", delete=False) as file,
        ):
            try:
                file.write(hashlib.sha256(machine_code).digest() + machine_code)
                file.close()
                Path(file.name).replace(path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
