from pathlib import Path

import pytest

from contract.errors import InvalidInput
from events.manifest import binary_id
from mu.project import load_project

MANIFEST = """\
name: App
version: 1
services:
  - {type: Function, name: f, binary: FILE, runtime: wasi1.0, memory_limit: 1MiB}
"""


def write(folder: Path, binary: str) -> Path:
    (folder / "stack.yaml").write_text(MANIFEST.replace("FILE", binary))
    return folder


def test_binaries_are_read_and_uploaded(tmp_path: Path):
    (tmp_path / "f.wasm").write_bytes(b"code")
    project = load_project(write(tmp_path, "f.wasm"))
    assert project.binaries == {"f": b"code"}
    assert project.upload(binary_id).functions()["f"].binary == binary_id(b"code")


def test_a_content_id_needs_no_file(tmp_path: Path):
    project = load_project(write(tmp_path, binary_id(b"code")))
    assert project.binaries == {}


@pytest.mark.parametrize(
    ("binary", "problem"), [("f.wasm", "build it first"), ("../f.wasm", "outside"), ("/f.wasm", "outside")]
)
def test_binaries_that_cannot_be_read(tmp_path: Path, binary: str, problem: str):
    with pytest.raises(InvalidInput, match=problem):
        load_project(write(tmp_path, binary))


def test_folders_that_hold_no_project(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"stack.yaml: cannot be read"):
        load_project(tmp_path / "nowhere")
    (tmp_path / "stack.yaml").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="UTF-8"):
        load_project(tmp_path)
