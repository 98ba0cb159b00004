"""The JSON-RPC endpoint: an HTTP request to a response, whatever its bytes are."""

import logging
from typing import Any

import msgspec

from contract.errors import MuError
from mu.config import RpcLimits
from mu.http.message import Request, Response
from mu.localnet.block_methods import BLOCK_METHODS
from mu.localnet.jsonrpc import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    Call,
    Refusal,
    RpcError,
    failure,
    parse,
    success,
)
from mu.localnet.ledger import Ledger
from mu.localnet.methods import READ_METHODS
from mu.localnet.params import check_count
from mu.localnet.sending import TRANSACTION_METHODS
from mu.localnet.token_methods import TOKEN_METHODS
from mu.localnet.writer import LedgerWriter

_log = logging.getLogger(__name__)

_READ_METHODS = READ_METHODS | BLOCK_METHODS | TOKEN_METHODS

_TEXT = (("content-type", "text/plain; charset=utf-8"),)
_JSON = (("content-type", "application/json; charset=utf-8"),)


class RpcEndpoint:
    """The handler of the RPC port. Refused calls are answered with status 200, as a node does."""

    def __init__(self, ledger: Ledger, writer: LedgerWriter, limits: RpcLimits) -> None:
        self._ledger = ledger
        self._writer = writer
        self._limits = limits

    async def handle(self, request: Request) -> Response:
        """Answer a POST of JSON; 405 for other methods, 415 for other content."""
        if request.method != "POST":
            body = b"Used HTTP Method is not allowed. POST is required\n"
            return Response(405, _TEXT + (("allow", "POST"),), body)
        content_type = dict(request.headers).get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            body = b"Supplied content type is not allowed. Content-Type: application/json is required\n"
            return Response(415, _TEXT, body)
        return Response(200, _JSON, await self.answer(request.body))

    async def answer(self, body: bytes) -> bytes:
        """The answer to one request or batch; empty when nothing is to be said. Never raises an error of ours."""
        try:
            calls = parse(body, max_calls=self._limits.max_calls_per_batch)
        except RpcError as error:
            return msgspec.json.encode(failure(None, error))
        if not isinstance(calls, list):
            answer = await self._call(calls)
            return b"" if answer is None else msgspec.json.encode(answer)
        answers = [await self._call(call) for call in calls]
        said = [answer for answer in answers if answer is not None]
        return msgspec.json.encode(said) if said else b""

    async def _call(self, call: Call | Refusal) -> dict[str, Any] | None:
        if isinstance(call, Refusal):
            return failure(call.identifier, call.error)
        try:
            answer = success(call.identifier, await self._result(call))
        except RpcError as error:
            answer = failure(call.identifier, error)
        except MuError as error:
            _log.warning("%s failed: %s", call.method, error)
            answer = failure(call.identifier, RpcError(INTERNAL_ERROR, f"Internal error: {error}"))
        return None if call.is_notification else answer

    async def _result(self, call: Call) -> Any:
        read = _READ_METHODS.get(call.method)
        if read is not None:
            check_count(call.params, read.minimum, read.maximum)
            return read.call(self._ledger, call.params, self._limits)
        write = TRANSACTION_METHODS.get(call.method)
        if write is not None:
            check_count(call.params, write.minimum, write.maximum)
            return await write.call(self._ledger, self._writer, call.params, self._limits)
        raise RpcError(METHOD_NOT_FOUND, "Method not found")
