"""A whole HTTP request and a whole HTTP response, as plain values."""

import msgspec

Headers = tuple[tuple[str, str], ...]


class Request(msgspec.Struct, frozen=True):
    """A request whose body has arrived whole.

    `path` is the raw (still percent-encoded) path of the target, `query` what follows the first `?` (without
    it), header names are lower case and in the order in which they came.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes


class Response(msgspec.Struct, frozen=True):
    """A response; the server adds `content-length`, `date` and `connection` itself."""

    status: int
    headers: Headers = ()
    body: bytes = b""
