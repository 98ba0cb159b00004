"""A real S3 service for the tests that need one: where `MU_TEST_S3` says, with the credentials of the environment."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest

from events.segment_store.s3.location import S3Location

ENDPOINT = os.environ.get("MU_TEST_S3", "")


class Bucket:
    """A bucket of its own, as another client sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.client = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1")

    def location(self, prefix: str = "", endpoint: str = ENDPOINT) -> S3Location:
        return S3Location(bucket=self.name, prefix=prefix, endpoint=endpoint)

    def object_keys(self) -> list[str]:
        return [found["Key"] for found in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def unfinished_uploads(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name)
        return [upload["Key"] for upload in found.get("Uploads", [])]


@contextmanager
def new_bucket() -> Iterator[Bucket]:
    """A bucket that nobody else uses; skips the test where there is no service."""
    if not ENDPOINT:
        pytest.skip(
            "set MU_TEST_S3=http://host:port to an S3 service, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    bucket = Bucket(f"mu-test-{secrets.token_hex(8)}")
    bucket.client.create_bucket(Bucket=bucket.name)
    yield bucket
    for key in bucket.object_keys():
        bucket.client.delete_object(Bucket=bucket.name, Key=key)
    bucket.client.delete_bucket(Bucket=bucket.name)
