import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.errors import InvalidInput
from events.segment_store import SegmentUnavailable, open_store
from events.segment_store.folder import FolderStore


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SegmentUnavailable, match="file"):
        FolderStore(tmp_path / "file" / "new").put("one", [b""])


@pytest.mark.parametrize("name", ["file", "", "a\0b", "x" * 5000])
def test_what_can_be_no_folder(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"^--to: .* folder"):
        open_store(f"{tmp_path}/{name}" if name else "", "--to")


WRITER = """
import sys
from pathlib import Path
from events.segment_store.folder import FolderStore

def pieces():
    yield b"half"
    print("half", flush=True)
    sys.stdin.readline()
    yield b" and half"

FolderStore(Path(sys.argv[1])).put("one", pieces())
"""


@contextmanager
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is half-way through a file; a line lets it go on."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        try:
            yield process
        finally:
            process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path):
    with writer(tmp_path) as process:
        process.kill()
        process.wait()
    assert names(tmp_path) == ["one.0.part"]
    FolderStore(tmp_path).put("two", [b"whole"])
    assert names(tmp_path) == ["two"]


def test_what_another_is_writing_stays(tmp_path: Path):
    with writer(tmp_path) as process:
        FolderStore(tmp_path).put("one", [b"whole"])
        FolderStore(tmp_path).put("two", [b"whole"])
        assert names(tmp_path) == ["one", "one.0.part", "two"]
        process.communicate("\n")
        assert process.returncode == 0
    assert names(tmp_path) == ["one", "two"]
    assert (tmp_path / "one").read_bytes() == b"half and half"


def test_many_writers_of_the_same_and_of_other_files(tmp_path: Path):
    def put(number: int) -> None:
        FolderStore(tmp_path).put(f"{number % 3}", [bytes([number % 3])] * 100)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(300)))
    assert names(tmp_path) == ["0", "1", "2"]
    assert [(tmp_path / name).read_bytes() for name in names(tmp_path)] == [
        bytes([n]) * 100 for n in range(3)
    ]


def test_the_location_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert open_store("segments", "--to").location == str(tmp_path / "segments")
