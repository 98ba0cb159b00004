"""What went wrong on S3, told apart, with what a person can do about it."""

from typing import Any, Final, cast

import aiohttp
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs] — untyped
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    ResponseStreamingError,
    SSOError,
    TokenRetrievalError,
)

from events.segment_store import SegmentUnavailable
from events.segment_store.s3.location import S3Location

MAX_CODE_CHARACTERS = 64

CUT: Final = (ResponseStreamingError, aiohttp.ClientPayloadError)
"""What reading an answer raises where the connection broke."""

_FIRST_SERVER_ERROR = 500

_UNFOUND_CREDENTIALS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

_REFUSED_CREDENTIALS = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "XAdminUserNotFound",  # versitygw's, with the status 404
}

_OTHER_REGION = {
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
}


def error_code(error: BaseException) -> str:
    """The service's code of an error; empty if it is none of a service's. An answer without a body has its status."""
    return str(_answer(error).get("Error", {}).get("Code", ""))[:MAX_CODE_CHARACTERS]


def gives_no_reason(error: BaseException) -> bool:
    """Whether a service refused without a code of its own, as the answer to a `HEAD` has no body."""
    return error_code(error).isdigit() and _status(error) < _FIRST_SERVER_ERROR


def is_beyond_end(error: BaseException) -> bool:
    """Whether a range began at the object's end or after it."""
    return error_code(error) in ("InvalidRange", "416")


def is_about_credentials(error: BaseException) -> bool:
    """Whether other credentials could help."""
    refused = error_code(error) in _REFUSED_CREDENTIALS or _status(error) in (401, 403)
    return refused or isinstance(error, _UNFOUND_CREDENTIALS)


def unavailable(error: BaseException, location: S3Location, key: str) -> SegmentUnavailable:
    """The port's error for what the library raised; its text has no secrets."""
    return SegmentUnavailable(f"s3://{location.bucket}/{key}: {_explain(error, location)}")


def _explain(error: BaseException, location: S3Location) -> str:
    service, code, status = location.service, error_code(error), _status(error)
    if isinstance(error, _UNFOUND_CREDENTIALS):
        return (
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile that has "
            "them in AWS_PROFILE"
        )
    if code == "NoSuchBucket":
        return f"{service} has no bucket {location.bucket}: make it, or name another"
    if code in ("404", "NoSuchKey", "NotFound"):
        return f"{service} has no such key: put the segment back there, or say where it is with `mu log relocate`"
    if code in _REFUSED_CREDENTIALS or status == 401:
        return f"{service} does not take these credentials ({code}): check the access key, its secret and the clock"
    if code in _OTHER_REGION:
        return f"the bucket {location.bucket} is in another region: name it in ?region="
    if status == 403:
        return (
            f"forbidden ({code}): these credentials, if they are right, need s3:GetObject, s3:PutObject, "
            f"s3:ListBucket and s3:AbortMultipartUpload on the bucket {location.bucket}"
        )
    if status >= _FIRST_SERVER_ERROR or code == "SlowDown":
        return f"{service} failed ({code}): try again later"
    if code:
        return f"{service} refused ({code})"
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        return f"{service} did not answer in time: check that it runs, or try again"
    if isinstance(error, (BotoCoreError, aiohttp.ClientError, OSError)):
        return f"{service} cannot be reached ({type(error).__name__}): check the endpoint, the network and that it runs"
    return f"{service} answered nonsense ({type(error).__name__}): check that the endpoint has S3's interface"


def _answer(error: BaseException) -> dict[str, Any]:
    return cast("dict[str, Any]", error.response) if isinstance(error, ClientError) else {}  # pyright: ignore[reportUnknownMemberType] — untyped


def _status(error: BaseException) -> int:
    """The status of the service's answer; 0 if there was none."""
    status: object = _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0
