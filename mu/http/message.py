"""A whole HTTP request and a whole HTTP response, as plain values."""

import msgspec

Headers = tuple[tuple[str, str], ...]


class Request(msgspec.Struct, frozen=True):
    """A request whose body has arrived whole.

    `path` is the raw (still percent-encoded) path of the target (`*` for the asterisk form), `query` what follows
    the first `?` (without it), header names are lower case and in the order in which they came. Trailers are
    dropped. `request_id` names the request in the response, in error bodies and in the node's own log.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    request_id: str


class Response(msgspec.Struct, frozen=True):
    """A response with a final status (200 to 599).

    The server adds `content-length`, `date`, `connection` and `x-request-id` itself, in place of the handler's.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
