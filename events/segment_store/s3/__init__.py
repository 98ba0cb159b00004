"""Segments as objects in a bucket of any service with S3's interface (API version 2006-03-01)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, TypeVar

from events.engine import Unavailable
from events.segment_store import SegmentUnavailable, check_name
from events.segment_store.s3.client import MEBIBYTE, Body, S3Client, S3Limits, shared_client, thread
from events.segment_store.s3.errors import CUT, gives_no_reason, is_beyond_end, unavailable
from events.segment_store.s3.location import S3Location

_DEFAULT_LIMITS = S3Limits()
_Result = TypeVar("_Result")
_Field = TypeVar("_Field", str, int)


class S3Store:
    """The port on a bucket, under a prefix, with the credentials that boto3 finds.

    A large file is sent in parts, of which one at a time is in memory; an upload that fails is aborted. A process that
    is killed leaves its parts to the bucket's lifecycle rule for incomplete uploads.
    """

    block_bytes = 4 * MEBIBYTE

    def __init__(self, location: S3Location, limits: S3Limits = _DEFAULT_LIMITS) -> None:
        self._location = location
        self._limits = limits

    @property
    def location(self) -> str:
        return str(self._location)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        upload = _Upload(_Requests(self._location, name, self._limits))
        try:
            # In the caller's thread: what makes the pieces may block.
            for piece in pieces:
                upload.add(piece)
            upload.finish()
        except BaseException:
            upload.abort()
            raise

    def size_bytes(self, name: str) -> int:
        requests = _Requests(self._location, name, self._limits)
        return requests.run(requests.size_bytes)

    def read(self, name: str, start: int, count: int) -> bytes:
        requests = _Requests(self._location, name, self._limits)
        return requests.run(lambda client: requests.read(client, start, count)) if count > 0 else b""


class _Requests:
    """Requests about one object."""

    def __init__(self, location: S3Location, name: str, limits: S3Limits) -> None:
        self._location = location
        self.limits = limits
        self.bucket, self.key = location.bucket, location.key(check_name(name))

    def run(self, call: Callable[[S3Client], Awaitable[_Result]]) -> _Result:
        """What `call` gives, within the deadline; from any thread. Raises `SegmentUnavailable`."""
        try:
            return thread.run(self._within_deadline(call))
        except SegmentUnavailable:
            raise
        except Unavailable as error:
            raise self.failure(str(error)) from error

    async def _within_deadline(self, call: Callable[[S3Client], Awaitable[_Result]]) -> _Result:
        location, limits = self._location, self.limits
        try:
            async with (
                asyncio.timeout(limits.request_seconds),
                shared_client(location.endpoint, location.region, limits) as client,
            ):
                return await call(client)
        except SegmentUnavailable:
            raise
        except Exception as error:
            # Whatever the library makes of an answer: a strange service must not stop more than its segments.
            raise unavailable(error, location, self.key) from error

    def failure(self, problem: str) -> SegmentUnavailable:
        """An error that names the object."""
        return SegmentUnavailable(f"s3://{self.bucket}/{self.key}: {problem}")

    def field(self, answer: dict[str, Any], name: str, kind: type[_Field]) -> _Field:
        """A field of an answer, which a service may have left out."""
        value = answer.get(name)
        if not isinstance(value, kind):
            raise self.failure(
                f"{self._location.service} answered without {name}: it does not have S3's interface"
            )
        return value

    async def size_bytes(self, client: S3Client) -> int:
        try:
            answer = await client.head_object(Bucket=self.bucket, Key=self.key)
        except Exception as error:
            if gives_no_reason(error):
                # The answer to a GET says whether key, bucket or credentials are wrong.
                await self.read(client, 0, 1)
            raise
        return self.field(answer, "ContentLength", int)

    async def read(self, client: S3Client, start: int, count: int) -> bytes:
        attempts = self.limits.max_attempts
        while True:
            attempts -= 1
            try:
                return await self._read(client, start, count)
            except CUT:
                # The library repeats a request, but not once its answer has begun.
                if attempts < 1:
                    raise

    async def _read(self, client: S3Client, start: int, count: int) -> bytes:
        try:
            answer = await client.get_object(
                Bucket=self.bucket, Key=self.key, Range=f"bytes={start}-{start + count - 1}"
            )
        except Exception as error:
            if is_beyond_end(error):
                return b""
            raise
        body: Body = answer["Body"]
        async with body:
            if start and not self.field(answer, "ContentRange", str).startswith(f"bytes {start}-"):
                raise self.failure(f"{self._location.service} answered with another range than was asked for")
            data = bytearray()
            while len(data) < count and (piece := await body.read(count - len(data))):
                data += piece
            return bytes(data)


class _Upload:
    """A file that is sent: in one request if it is small, else in parts. S3 shows it when all of it is there."""

    def __init__(self, requests: _Requests) -> None:
        self._requests = requests
        self._object = {"Bucket": requests.bucket, "Key": requests.key}
        self._waiting = bytearray()
        self._upload_id: str | None = None
        self._tags: list[str] = []

    def add(self, piece: bytes) -> None:
        """Take the next bytes; what a part has is sent when more follows, as the last must not be empty."""
        self._waiting += piece
        part_bytes = self._requests.limits.part_bytes
        while len(self._waiting) > part_bytes:
            self._send_part(bytes(self._waiting[:part_bytes]))
            del self._waiting[:part_bytes]

    def finish(self) -> None:
        """Make the file appear."""
        rest = bytes(self._waiting)
        if self._upload_id is None:
            self._requests.run(lambda client: client.put_object(**self._object, Body=rest))
            return
        self._send_part(rest)
        upload = {"UploadId": self._upload_id, "MultipartUpload": {"Parts": self._parts()}}
        self._requests.run(lambda client: client.complete_multipart_upload(**self._object, **upload))

    def abort(self) -> None:
        """Let what was sent go, if the service can be reached."""
        if (upload_id := self._upload_id) is not None:
            with suppress(SegmentUnavailable, CancelledError):
                self._requests.run(
                    lambda client: client.abort_multipart_upload(**self._object, UploadId=upload_id)
                )

    def _send_part(self, data: bytes) -> None:
        requests, number = self._requests, len(self._tags) + 1
        if number > requests.limits.max_parts:
            raise requests.failure(
                f"S3 takes up to {requests.limits.max_parts} parts of {requests.limits.part_bytes} bytes"
            )
        if self._upload_id is None:
            begun = requests.run(lambda client: client.create_multipart_upload(**self._object))
            self._upload_id = requests.field(begun, "UploadId", str)
        part = {"UploadId": self._upload_id, "PartNumber": number, "Body": data}
        sent = requests.run(lambda client: client.upload_part(**self._object, **part))
        self._tags.append(requests.field(sent, "ETag", str))

    def _parts(self) -> list[dict[str, Any]]:
        return [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(self._tags, 1)]
