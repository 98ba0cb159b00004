"""What may be loaded, and the cache of machine code."""

import os
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from mu.runtime.module import InvalidModule, ModuleCache, make_engine, minimum_memory_bytes

MEMORY = '(memory (export "memory") 1)'
START = '(func (export "_start"))'
BINARY = wasmtime.wat2wasm(f"(module {MEMORY} {START})")
LIMIT_BYTES = 10_000


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return make_engine(512 * 1024)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(engine: wasmtime.Engine, folder: Path) -> ModuleCache:
    return ModuleCache(engine, folder, LIMIT_BYTES)


@pytest.fixture
def compilations(monkeypatch) -> list[bytes]:
    compiled: list[bytes] = []
    compile_module = ModuleCache._compile
    monkeypatch.setattr(
        ModuleCache, "_compile", lambda self, binary: compiled.append(binary) or compile_module(self, binary)
    )
    return compiled


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_module_of_ours(engine: wasmtime.Engine) -> None:
    assert minimum_memory_bytes(wasmtime.Module(engine, BINARY)) == 65536


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{MEMORY}", "_start"),
        (f'{MEMORY} (func (export "_start") (param i32))', "_start"),
        (f'{MEMORY} (func (export "_start") (result i32) i32.const 0)', "_start"),
        ('(memory (export "_start") 1)', "_start"),
        (f"(memory 1) {START}", "memory"),
        (f'(func (export "memory")) {START}', "memory"),
        (f'(import "env" "f" (func)) {MEMORY} {START}', "env.f"),
        (f'(import "env" "memory" (memory 1)) {START}', "env.memory"),
        (f'(import "wasi_snapshot_preview1" "proc_raise" (func)) {MEMORY} {START}', "proc_raise"),
        (f'(import "wasi_snapshot_preview1" "unheard_of" (func)) {MEMORY} {START}', "unheard_of"),
        (f'(import "wasi_snapshot_preview1" "fd_read" (memory 1)) {START}', "other than a function"),
    ],
)
def test_modules_that_are_not_functions(engine: wasmtime.Engine, text: str, reason: str) -> None:
    with pytest.raises(InvalidModule, match=reason):
        minimum_memory_bytes(wasmtime.Module(engine, f"(module {text})"))


@pytest.mark.parametrize(
    "text",
    [
        f"{MEMORY} (memory 1) {START}",
        f'(memory (export "memory") i64 1) {START}',
        f'(memory (export "memory") 1 2 shared) {START}',
    ],
)
def test_features_that_are_off(cache: ModuleCache, text: str) -> None:
    with pytest.raises(InvalidModule, match="not valid"):
        cache.module(wasmtime.wat2wasm(f"(module {text})"))


def test_foreign_binaries(cache: ModuleCache, folder: Path) -> None:
    component = b"\0asm\x0d\0\1\0"
    for binary in (b"", b"\0asm", b"(module)", component):
        with pytest.raises(InvalidModule, match="core WebAssembly"):
            cache.module(binary)
    with pytest.raises(InvalidModule, match="limit is 10000"):
        cache.module(BINARY + bytes(LIMIT_BYTES))
    for size in range(8, len(BINARY)):
        try:
            module = cache.module(BINARY[:size])
        except InvalidModule:
            continue
        # Cut between two sections it is a module still, only not a function.
        with pytest.raises(InvalidModule):
            minimum_memory_bytes(module)


@given(st.binary(max_size=60))
def test_random_sections_are_invalid_modules(data: bytes) -> None:
    cache = object.__new__(ModuleCache)
    cache._engine = ENGINE
    try:
        module = cache._compile(b"\0asm\1\0\0\0" + data)
    except InvalidModule:
        return
    with pytest.raises(InvalidModule):
        minimum_memory_bytes(module)


ENGINE = make_engine(512 * 1024)


def test_a_binary_is_compiled_once(engine, cache, folder, compilations) -> None:
    cache.module(BINARY)
    again = ModuleCache(engine, folder, LIMIT_BYTES).module(BINARY)
    assert compilations == [BINARY]
    assert minimum_memory_bytes(again) == 65536
    assert [path.suffix for path in files(folder)] == [".machine-code"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in files(folder))


def test_damage_anywhere_is_noticed_and_repaired(cache, folder, compilations) -> None:
    cache.module(BINARY)
    (path,) = files(folder)
    good = path.read_bytes()
    damaged = [b"", good[:31], good[:32], good[:-1], good + b"\0"]
    for at in (0, 31, 32, len(good) // 2, len(good) - 1):
        damaged.append(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    for content in damaged:
        path.write_bytes(content)
        cache.module(BINARY)
        assert path.read_bytes() == good
    assert len(compilations) == 1 + len(damaged)


def test_machine_code_of_other_settings_is_compiled_anew(folder, cache, compilations) -> None:
    ModuleCache(wasmtime.Engine(), folder, LIMIT_BYTES).module(BINARY)
    cache.module(BINARY)
    assert len(compilations) == 2


def test_an_unwritable_cache_costs_only_time(cache, folder, monkeypatch, compilations) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    cache.module(BINARY)
    cache.module(BINARY)
    assert len(compilations) == 2
    assert files(folder) == []


def test_a_folder_that_others_may_enter_is_refused(engine, tmp_path) -> None:
    for mode in (0o755, 0o770, 0o701):
        tmp_path.chmod(mode)
        with pytest.raises(InvalidInput, match="chmod 700"):
            ModuleCache(engine, tmp_path, LIMIT_BYTES)
    tmp_path.chmod(0o700)
    ModuleCache(engine, tmp_path, LIMIT_BYTES)


def test_a_folder_of_someone_else_or_behind_a_link_is_refused(engine, tmp_path, monkeypatch) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch(mode=0o600)
    with pytest.raises(InvalidInput, match="belongs to this user"):
        ModuleCache(engine, tmp_path / "link", LIMIT_BYTES)
    for name in ("file", "file/below"):
        with pytest.raises(InvalidInput, match="cannot be used"):
            ModuleCache(engine, tmp_path / name, LIMIT_BYTES)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InvalidInput, match="belongs to this user"):
        ModuleCache(engine, tmp_path / "real", LIMIT_BYTES)
