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


def test_what_a_killed_process_left_is_not_in_the_way(tmp_path: Path):
    (tmp_path / "one.0.part").write_bytes(b"half")
    FolderStore(tmp_path).put("one", [b"whole"])
    assert (tmp_path / "one").read_bytes() == b"whole"


def test_the_location_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert open_store("segments", "--to").location == str(tmp_path / "segments")
