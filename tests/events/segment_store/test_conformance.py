"""What every store of segments does."""

import hashlib
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from events.segment_store import MAX_NAME_CHARACTERS, SegmentStore, SegmentUnavailable, open_store
from events.segment_store.folder import FolderStore
from events.segment_store.s3 import S3Store
from events.segment_store.s3.client import S3Limits
from events.segment_store.s3.location import S3Location
from tests.fake_s3 import fake_s3
from tests.s3 import new_bucket

MEBIBYTE = 1024 * 1024
SMALL_PARTS = S3Limits(part_bytes=5 * MEBIBYTE)

Held = Callable[[], list[str]]
"""The names of all that a store holds, finished or not."""


@pytest.fixture(params=["folder", "fake-s3", "s3"])
def made(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[SegmentStore, Held]]:
    if request.param == "folder":
        folder = tmp_path / "a folder" / "in a folder"
        yield FolderStore(folder), lambda: sorted(path.name for path in folder.glob("*"))
        return
    if request.param == "fake-s3":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
        with fake_s3() as service:
            store = S3Store(S3Location(bucket="bucket", endpoint=service.endpoint), SMALL_PARTS)
            yield (
                store,
                lambda: sorted(
                    [path.removeprefix("/bucket/") for path in service.objects] + [*service.uploads]
                ),
            )
        return
    with new_bucket() as bucket:
        location = bucket.location("a prefix/ä?&#%")
        yield (
            S3Store(location, SMALL_PARTS),
            lambda: sorted(
                key.removeprefix(location.key(""))
                for key in bucket.object_keys() + bucket.unfinished_uploads()
            ),
        )


@pytest.fixture
def store(made: tuple[SegmentStore, Held]) -> SegmentStore:
    return made[0]


@pytest.fixture
def held(made: tuple[SegmentStore, Held]) -> Held:
    return made[1]


def whole(store: SegmentStore, name: str) -> bytes:
    return store.read(name, 0, store.size_bytes(name) + 1)


def blocks(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield hashlib.sha256(number.to_bytes(4, "big")).digest() * (MEBIBYTE // 32)


@pytest.mark.parametrize("pieces", [[], [b""], [b"one"], [b"", b"first", b"", b" second", b""]])
def test_what_was_put_can_be_read(store: SegmentStore, held: Held, pieces: list[bytes]):
    store.put("name", iter(pieces))
    assert whole(store, "name") == b"".join(pieces)
    assert store.size_bytes("name") == len(b"".join(pieces))
    assert held() == ["name"]


def test_the_last_that_was_put_is_there(store: SegmentStore, held: Held):
    store.put("name", [b"a longer one"])
    store.put("name", [b"again"])
    assert whole(store, "name") == b"again"
    assert held() == ["name"]


def test_ranges(store: SegmentStore):
    data = bytes(range(256))
    store.put("name", [data])
    for start in (0, 1, 100, 254, 255, 256, 257, 10**9):
        for count in (0, 1, 2, 156, 255, 256, 257, 10**6):
            assert store.read("name", start, count) == data[start : start + count]


@pytest.mark.parametrize("mebibytes", [5, 6, 16])
def test_a_large_file_is_put_as_it_comes(store: SegmentStore, held: Held, mebibytes: int):
    store.put("large", blocks(mebibytes))
    assert store.size_bytes("large") == mebibytes * MEBIBYTE
    for number, block in enumerate(blocks(mebibytes)):
        assert store.read("large", number * MEBIBYTE, MEBIBYTE) == block
    middle = 5 * MEBIBYTE - 3
    assert store.read("large", middle, 3) == list(blocks(5))[-1][-3:]
    assert held() == ["large"]


def test_a_piece_of_many_parts(store: SegmentStore):
    data = b"".join(blocks(11))
    store.put("large", [data, b"end"])
    assert whole(store, "large") == data + b"end"


@pytest.mark.parametrize("mebibytes", [0, 1, 12])
@pytest.mark.parametrize("error", [RuntimeError, OSError, SegmentUnavailable, KeyboardInterrupt])
def test_pieces_that_fail_leave_nothing(
    store: SegmentStore, held: Held, mebibytes: int, error: type[BaseException]
):
    def failing() -> Iterator[bytes]:
        yield from blocks(mebibytes)
        raise error("the pieces failed")

    with pytest.raises(error, match="the pieces failed"):
        store.put("name", failing())
    assert held() == []
    store.put("name", [b"before"])
    with pytest.raises(error, match="the pieces failed"):
        store.put("name", failing())
    assert whole(store, "name") == b"before"
    assert held() == ["name"]


def test_what_was_never_put(store: SegmentStore):
    for _ in range(2):
        with pytest.raises(SegmentUnavailable, match="none"):
            store.size_bytes("none")
        with pytest.raises(SegmentUnavailable, match="none"):
            store.read("none", 0, 1)
        store.put("other", [b""])


def test_names(store: SegmentStore, held: Held):
    allowed = string.ascii_letters + string.digits + "._-"
    names = [f"a{character}" for character in allowed] + ["-", "_", "9", "a" * MAX_NAME_CHARACTERS]
    for name in names:
        store.put(name, [name.encode()])
    for name in names:
        assert whole(store, name) == name.encode()
    assert held() == sorted(names)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "../a", "a/b", "/a", "a\\b", "a b", "a\n", "a\0", "ä", "a" * 201]
)
def test_what_is_no_name(store: SegmentStore, held: Held, name: str):
    for use in (
        lambda: store.put(name, [b""]),
        lambda: store.size_bytes(name),
        lambda: store.read(name, 0, 1),
    ):
        with pytest.raises(SegmentUnavailable, match="cannot be the name"):
            use()
    assert held() == []


def test_many_threads(store: SegmentStore):
    data = b"".join(blocks(2))
    store.put("name", [data])

    def read(number: int) -> bool:
        start = number * 50_000
        return store.read("name", start, 70_000) == data[start : start + 70_000]

    def put(number: int) -> bool:
        store.put(f"other-{number % 2}", [b"%d" % (number % 2)] * 1000)
        return whole(store, f"other-{number % 2}") == (b"%d" % (number % 2)) * 1000

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(40)))
        assert all(threads.map(put, range(40)))


def test_the_location_finds_the_store_again(store: SegmentStore):
    store.put("name", [b"data"])
    again = open_store(store.location, "--to")
    assert (again.location, type(again)) == (store.location, type(store))
    assert whole(again, "name") == b"data"
