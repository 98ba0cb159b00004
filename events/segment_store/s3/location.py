"""Locations of segments on S3: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`.

Bucket names follow S3's rules (General purpose bucket naming rules: 3 to 63 of a-z, 0-9, `.` and `-`, a letter or
digit at both ends). The prefix may be left out. `endpoint` is the service, http or https, if it is not AWS; `region`
is the bucket's. Percent-encoding is that of RFC 3986.
"""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from contract.errors import InvalidInput

MAX_PREFIX_BYTES = 800
"""S3's keys have up to 1,024 bytes; the rest is for the segment's name."""

MAX_LOCATION_CHARACTERS = 4096
ENDPOINT_REGION = "us-east-1"
"""What other services than AWS take, and sign with, where no region is named."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_PARAMETERS = {"endpoint", "region"}
_CREDENTIALS_FIX = (
    "has credentials in it, and a location is kept in the log: give them in AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or in a profile (AWS_PROFILE)"
)


class S3Location(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and the prefix of the keys in it; `endpoint` None is AWS, `region` None is to be found out there."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None

    def key(self, name: str) -> str:
        """The key of a file."""
        return f"{self.prefix}/{name}" if self.prefix else name

    @property
    def service(self) -> str:
        """Who is asked, for a person."""
        return self.endpoint or "AWS"

    def __str__(self) -> str:
        """The location; `parse_location` gives the same back."""
        path = f"/{quote(self.prefix)}" if self.prefix else ""
        parameters = {"endpoint": self.endpoint, "region": self.region}
        query = urlencode({name: value for name, value in parameters.items() if value}, safe=":/")
        return f"s3://{self.bucket}{path}" + (f"?{query}" if query else "")


def parse_location(text: str, field: str) -> S3Location:
    """The location that `text` is. Raises `InvalidInput` for `field`; it repeats nothing that may be a secret."""
    if len(text) > MAX_LOCATION_CHARACTERS or not text.isprintable():
        raise InvalidInput(field, f"must have up to {MAX_LOCATION_CHARACTERS} printable characters")
    try:
        parts = urlsplit(text)
        bucket, path = parts.netloc, unquote(parts.path, errors="strict")
        query = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict"
        )
    except ValueError:
        raise InvalidInput(field, "must be s3://BUCKET/PREFIX, in the syntax of a URL") from None
    if "@" in bucket:
        raise InvalidInput(field, _CREDENTIALS_FIX)
    if parts.fragment or "#" in text:
        raise InvalidInput(field, "must not have a #; in a prefix it is %23")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidInput(
            field,
            f"{bucket!r} is no name of a bucket: 3 to 63 of a-z, 0-9, . and -, as in s3://BUCKET/PREFIX",
        )
    names = [name for name, _ in query]
    if not _PARAMETERS.issuperset(names) or len(set(names)) < len(names):
        raise InvalidInput(field, "takes ?endpoint=URL and &region=NAME, each once, and nothing else")
    parameters = dict(query)
    region = parameters.get("region")
    if region is not None and not _REGION.fullmatch(region):
        raise InvalidInput(field, "must have a region such as eu-central-1 in ?region=")
    endpoint = parameters.get("endpoint")
    return S3Location(
        bucket=bucket,
        prefix=_prefix(path, field),
        endpoint=None if endpoint is None else _endpoint(endpoint, field),
        region=region,
    )


def _prefix(path: str, field: str) -> str:
    prefix = path.strip("/")
    if len(prefix.encode()) > MAX_PREFIX_BYTES or not prefix.isprintable():
        raise InvalidInput(field, f"must have a prefix of up to {MAX_PREFIX_BYTES} bytes, all printable")
    # Some services read these as a folder's name would be, others do not.
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        raise InvalidInput(field, "must have a prefix without empty, . and .. between its slashes")
    return prefix


def _endpoint(endpoint: str, field: str) -> str:
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
        parts = urlsplit("")
    if "@" in parts.netloc:
        raise InvalidInput(field, _CREDENTIALS_FIX)
    if not valid or parts.query or parts.fragment or not re.fullmatch(r"[\w.:/%\[\]-]+", endpoint, re.ASCII):
        raise InvalidInput(field, "must have an endpoint such as http://127.0.0.1:9000 in ?endpoint=")
    return endpoint.rstrip("/")
