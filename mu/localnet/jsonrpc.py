"""JSON-RPC 2.0 envelopes, with the strictness and the error texts of Solana's node."""

from typing import Any

import msgspec

from contract.errors import MuError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
BLOCK_CLEANED_UP = -32001
PREFLIGHT_FAILURE = -32002
SIGNATURE_VERIFICATION_FAILURE = -32003
BLOCK_NOT_AVAILABLE = -32004
SLOT_SKIPPED = -32007
UNSUPPORTED_TRANSACTION_VERSION = -32015
MIN_CONTEXT_SLOT_NOT_REACHED = -32016
TRANSACTION_NOT_FOUND = -32020

Identifier = str | int | None


class RpcError(MuError):
    """An error that the caller is told: `code` and `data` as in JSON-RPC."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Call(msgspec.Struct, frozen=True):
    """One well-formed call; a notification wants no answer."""

    identifier: Identifier
    method: str
    params: list[Any]
    is_notification: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """One malformed call, with the error to answer."""

    identifier: Identifier
    error: RpcError


def parse(body: bytes, *, max_calls: int) -> Call | Refusal | list[Call | Refusal]:
    """Read a request or a batch. Raises RpcError when there is nothing to answer one by one."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise RpcError(PARSE_ERROR, "Parse error") from error
    if isinstance(value, list):
        if len(value) > max_calls:
            raise RpcError(INVALID_REQUEST, f"Batch of more than {max_calls} calls")
        return [_call(item) for item in value]
    return _call(value)


def _call(value: Any) -> Call | Refusal:
    if not isinstance(value, dict):
        raise RpcError(PARSE_ERROR, "Parse error")
    identifier = value.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, str | int | None):
        raise RpcError(PARSE_ERROR, "Parse error")
    if isinstance(identifier, int) and not 0 <= identifier < 2**64:
        raise RpcError(PARSE_ERROR, "Parse error")
    if "jsonrpc" not in value and isinstance(value.get("method"), str):
        return Refusal(identifier, RpcError(INVALID_REQUEST, "Unsupported JSON-RPC protocol version"))
    method, params = value.get("method"), value.get("params")
    known = value.get("jsonrpc") == "2.0" and not value.keys() - _MEMBERS
    if not known or not isinstance(method, str) or not isinstance(params, list | dict | None):
        return Refusal(identifier, RpcError(INVALID_REQUEST, "Invalid request"))
    if isinstance(params, dict):
        return Refusal(identifier, RpcError(INVALID_PARAMS, "`params` should be an array"))
    return Call(identifier, method, params or [], "id" not in value)


_MEMBERS = {"jsonrpc", "id", "method", "params"}


def success(identifier: Identifier, result: Any) -> dict[str, Any]:
    """The answer to a call that worked."""
    return {"jsonrpc": "2.0", "result": result, "id": identifier}


def failure(identifier: Identifier, error: RpcError) -> dict[str, Any]:
    """The answer to one that did not; `data` only where there is some."""
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "error": body, "id": identifier}
