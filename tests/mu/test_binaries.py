from pathlib import Path

import pytest

from contract.errors import InvalidInput
from events.manifest import binary_id
from mu.binaries import BinaryStore, MissingBinary


@pytest.fixture
def store(tmp_path: Path) -> BinaryStore:
    return BinaryStore(tmp_path / "binaries", max_binary_bytes=10)


def test_a_binary_is_found_by_its_content(store: BinaryStore, tmp_path: Path):
    assert store.put(b"wasm") == store.put(b"wasm") == binary_id(b"wasm")
    assert store.get(binary_id(b"wasm")) == b"wasm"
    assert [path.name for path in (tmp_path / "binaries").iterdir()] == [binary_id(b"wasm")]


def test_what_is_not_there_or_not_what_it_says(store: BinaryStore, tmp_path: Path):
    with pytest.raises(MissingBinary, match="not been uploaded"):
        store.get(binary_id(b"other"))
    with pytest.raises(MissingBinary, match="not a content id"):
        store.get("../../etc/passwd")
    identifier = store.put(b"wasm")
    (tmp_path / "binaries" / identifier).write_bytes(b"mesh")
    with pytest.raises(MissingBinary, match="damaged"):
        store.get(identifier)


def test_a_large_binary_is_refused(store: BinaryStore):
    with pytest.raises(InvalidInput, match="11 bytes"):
        store.put(bytes(11))
