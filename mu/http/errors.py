"""What HTTP answers with when something is wrong: typed errors and the one shape of an error body."""

import msgspec

from contract.errors import DecodeError, MuError
from mu.http.message import Headers, Response


class ProtocolError(DecodeError):
    """What a client sent breaks HTTP/1.1 or a limit: answer with `status`, then close the connection."""

    def __init__(self, status: int, reason: str, headers: Headers = ()) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers


class InvalidResponse(MuError, ValueError):
    """A handler's response cannot be sent: its status is not final, or a header would break the framing."""


def error_response(status: int, reason: str, request_id: str, headers: Headers = ()) -> Response:
    """The response for an error: `{"error": {"status": 404, "reason": "...", "request_id": "..."}}` as JSON."""
    body = msgspec.json.encode({"error": {"status": status, "reason": reason, "request_id": request_id}})
    return Response(status, (("content-type", "application/json"), *headers), body)
