"""A service that fails, is gone, hangs, or answers nonsense: always the port's error, in time, and nothing half."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.segment_store import SegmentUnavailable
from events.segment_store.s3 import S3Store
from events.segment_store.s3.client import S3Limits
from events.segment_store.s3.location import S3Location
from tests.fake_s3 import Answer, FakeS3, Request, fake_s3, refusal
from tests.s3 import new_bucket

LIMITS = S3Limits(read_seconds=10.0, request_seconds=30.0, max_attempts=1, part_bytes=1000, max_parts=5)
IMPATIENT = msgspec.structs.replace(LIMITS, read_seconds=0.3)
SECRET = "a-secret-that-nobody-may-see"
KEY = "s3://bucket/prefix/name: "

USES: tuple[Callable[[S3Store], object], ...] = (
    lambda store: store.put("name", [b"small"]),
    lambda store: store.put("name", [b"x" * 3000]),
    lambda store: store.size_bytes("name"),
    lambda store: store.read("name", 0, 10),
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        if "test_real" not in os.environ.get("PYTEST_CURRENT_TEST", ""):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def service(credentials: None) -> Iterator[FakeS3]:
    with fake_s3() as service:
        yield service


def store_at(endpoint: str, limits: S3Limits = LIMITS) -> S3Store:
    return S3Store(S3Location(bucket="bucket", prefix="prefix", endpoint=endpoint), limits)


def problem(use: Callable[[], object]) -> str:
    with pytest.raises(SegmentUnavailable) as raised:
        use()
    assert SECRET not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        (refusal(404, "NoSuchBucket"), "has no bucket bucket: make it"),
        (refusal(404, "NoSuchKey"), "has no such key: put the segment back there"),
        (refusal(403, "AccessDenied"), "forbidden (AccessDenied)"),
        (refusal(403, "InvalidAccessKeyId"), "does not take these credentials (InvalidAccessKeyId)"),
        (refusal(403, "SignatureDoesNotMatch"), "does not take these credentials"),
        (refusal(400, "ExpiredToken"), "does not take these credentials"),
        (refusal(401, "Unauthorized"), "does not take these credentials"),
        (refusal(400, "AuthorizationHeaderMalformed"), "name it in ?region="),
        (refusal(500, "InternalError"), "): try again"),
        (refusal(503, "SlowDown"), "): try again"),
        (Answer(503), "): try again"),
        (refusal(409, "SomethingElse"), "refused (SomethingElse)"),
        (refusal(400, "x" * 1000), f"refused ({'x' * 64})"),
    ],
)
@pytest.mark.parametrize("use", USES)
def test_what_a_service_says_is_told_with_the_fix(
    service: FakeS3, answer: Answer, fix: str, use: Callable[[S3Store], object]
):
    service.fault = lambda request: answer
    text = problem(lambda: use(store_at(service.endpoint)))
    assert text.startswith(KEY)
    assert fix in text


@pytest.mark.parametrize("use", USES)
def test_a_service_that_fails_for_a_moment_is_asked_again(service: FakeS3, use: Callable[[S3Store], object]):
    service.objects["/bucket/prefix/name"] = b"data"
    service.fault = lambda request: Answer(503) if len(service.requests) == 1 else None
    use(store_at(service.endpoint, msgspec.structs.replace(LIMITS, max_attempts=2)))


@pytest.mark.parametrize("failing", range(1, 6))
@pytest.mark.parametrize("code", ["InternalError", "AccessDenied"])
def test_an_upload_that_fails_on_its_way_leaves_nothing(service: FakeS3, failing: int, code: str):
    """The requests are: begin, three parts, complete; and abort."""
    service.fault = lambda request: refusal(403, code) if len(service.requests) == failing else None
    text = problem(lambda: store_at(service.endpoint).put("name", [b"x" * 900] * 3))
    assert code in text
    assert (service.objects, service.uploads) == ({}, {})
    aborted = service.requests[-1].method == "DELETE"
    assert aborted == (failing > 1)


def test_a_service_that_dies_between_parts(service: FakeS3):
    def pieces() -> Iterator[bytes]:
        yield b"x" * 1500
        assert [request.method for request in service.requests] == ["POST", "PUT"]
        service.stop()
        yield b"x" * 1500

    text = problem(lambda: store_at(service.endpoint).put("name", pieces()))
    assert f"{service.endpoint} cannot be reached" in text
    assert service.objects == {}


def test_a_file_of_too_many_parts(service: FakeS3):
    text = problem(lambda: store_at(service.endpoint).put("name", [b"x" * 5001]))
    assert "up to 5 parts of 1000 bytes" in text
    assert (service.objects, service.uploads) == ({}, {})
    store_at(service.endpoint).put("name", [b"x" * 5000])
    assert service.objects == {"/bucket/prefix/name": b"x" * 5000}


@pytest.mark.parametrize("use", USES)
def test_an_answer_is_not_waited_for_for_ever(credentials: None, use: Callable[[S3Store], object]):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        text = problem(lambda: use(store_at(endpoint, IMPATIENT)))
    assert f"{endpoint} did not answer in time" in text
    assert time.monotonic() - started < IMPATIENT.request_seconds


def test_a_service_that_takes_no_more_bytes(credentials: None):
    limits = msgspec.structs.replace(LIMITS, request_seconds=0.5, part_bytes=64 * 1024 * 1024)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        text = problem(lambda: store_at(endpoint, limits).put("name", [bytes(limits.part_bytes)]))
    assert "did not answer in time" in text


@pytest.mark.parametrize("use", USES)
def test_nobody_listens(credentials: None, use: Callable[[S3Store], object]):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        endpoint = f"http://127.0.0.1:{reserved.getsockname()[1]}"
    text = problem(lambda: use(store_at(endpoint)))
    assert text.startswith(KEY)
    assert f"{endpoint} cannot be reached" in text


def test_an_answer_that_is_cut_is_asked_for_again(service: FakeS3):
    service.objects["/bucket/prefix/name"] = b"0123456789"

    def cut(request: Request) -> Answer | None:
        if len(service.requests) % 3 == 0:
            return None
        return service.answer(request)._replace(sent_bytes=4)

    service.fault = cut
    limits = msgspec.structs.replace(LIMITS, max_attempts=3)
    assert store_at(service.endpoint, limits).read("name", 2, 6) == b"234567"
    assert "cannot be reached" in problem(lambda: store_at(service.endpoint).read("name", 2, 6))


def test_a_service_without_ranges_is_not_believed(service: FakeS3):
    service.fault = lambda request: Answer(200, b"0123456789")
    store = store_at(service.endpoint)
    assert store.read("name", 0, 4) == b"0123"
    assert "without ContentRange" in problem(lambda: store.read("name", 4, 4))
    service.fault = lambda request: Answer(206, b"0123", {"Content-Range": "bytes 0-3/10"})
    assert "another range" in problem(lambda: store.read("name", 4, 4))


@pytest.mark.parametrize("use", USES)
def test_without_credentials(use: Callable[[S3Store], object]):
    with fake_s3() as service:
        text = problem(lambda: use(store_at(service.endpoint)))
        assert service.requests == []
    assert text.startswith(KEY)
    assert "there are no credentials: set AWS_ACCESS_KEY_ID" in text


def test_a_profile_that_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with fake_s3() as service:
        assert "AWS_PROFILE" in problem(lambda: store_at(service.endpoint).read("name", 0, 1))


def test_credentials_that_come_later_are_found(monkeypatch: pytest.MonkeyPatch):
    with fake_s3() as service:
        store = store_at(service.endpoint)
        problem(lambda: store.put("name", [b"data"]))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "old")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

        def refuse_old(request: Request) -> Answer | None:
            old = "Credential=old/" in request.headers["authorization"]
            return refusal(403, "InvalidAccessKeyId") if old else None

        service.fault = refuse_old
        problem(lambda: store.put("name", [b"data"]))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "new")
        store.put("name", [b"data"])
        assert service.objects == {"/bucket/prefix/name": b"data"}


def test_the_machine_s_settings_lead_to_no_other_service(service: FakeS3, monkeypatch: pytest.MonkeyPatch):
    with fake_s3() as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", other.endpoint)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        store_at(service.endpoint).put("name", [b"data"])
        assert other.requests == []
    assert "/us-east-1/s3/" in service.requests[0].headers["authorization"]


_answers = st.builds(
    Answer,
    st.sampled_from([200, 204, 206, 301, 400, 403, 404, 416, 500]),
    st.binary(max_size=60)
    | st.sampled_from([b"<a>", b"<Error/>", b"<Error><Code/></Error>", b"<R><UploadId/></R>", b"\xff<?xml"]),
    st.dictionaries(st.sampled_from(["Content-Range", "ETag"]), st.sampled_from(["", "x", "bytes 1-2/9"])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_answers, st.sampled_from(USES))
def test_nonsense_is_the_port_s_error_or_short_data(
    service: FakeS3, answer: Answer, use: Callable[[S3Store], object]
):
    service.fault = lambda request: answer
    # All else goes through, and fails.
    with suppress(SegmentUnavailable):
        use(store_at(service.endpoint))


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("use", USES)
def test_real_service_refuses_wrong_credentials(
    monkeypatch: pytest.MonkeyPatch, variable: str, use: Callable[[S3Store], object]
):
    with new_bucket() as bucket:
        with monkeypatch.context() as wrong:
            wrong.setenv(variable, "wrong-" + secrets.token_hex(8))
            # Of its own, as is then the client, which keeps the credentials that it was made with.
            limits = msgspec.structs.replace(S3Limits(), connect_seconds=4.0 + len(variable))
            with pytest.raises(SegmentUnavailable, match=r"does not take these credentials|forbidden"):
                use(S3Store(bucket.location("prefix"), limits))
        assert bucket.object_keys() == []


def test_real_service_without_that_bucket():
    with new_bucket() as bucket:
        location = msgspec.structs.replace(bucket.location("prefix"), bucket=f"{bucket.name}-2")
        for use in USES:
            with pytest.raises(SegmentUnavailable, match=f"has no bucket {bucket.name}-2"):
                use(S3Store(location))
