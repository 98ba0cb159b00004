"""Answers an HTTP request with the function that its route names."""

from collections.abc import Callable, Mapping

from contract.errors import InvalidInput
from events.manifest import Route
from mu.config import MEBIBYTE
from mu.deployer import Deployer, ReadyStack
from mu.function_log import FunctionLog
from mu.gateway.routing import BadPath, BadQuery, MethodNotAllowed, NotFound, parse_query, split_target
from mu.http.encoder import header_line
from mu.http.errors import InvalidResponse, error_response
from mu.http.message import Request, Response
from mu.runtime.outcome import (
    Failed,
    Finished,
    Garbage,
    Outcome,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Silent,
    Trapped,
)
from mu.runtime.pool import Overloaded, Runtime, RuntimeClosed
from mu.runtime.protocol import ExecuteFunction, FunctionRequest, Header, Log, Method
from projections.routes import Routes
from projections.runner import Runner

RETRY = (("retry-after", "1"),)

_FAILURES: dict[type[Outcome], tuple[int, str]] = {
    Failed: (500, "the function failed"),
    Trapped: (502, "the function broke off"),
    OutOfFuel: (504, "the function used up the instructions that a call may execute"),
    OutOfTime: (504, "the function took longer than a call may"),
    OutOfMemory: (502, "the function ran out of memory"),
    Garbage: (502, "the function wrote an answer that cannot be read"),
    Silent: (502, "the function ended without an answer"),
    OutputTooLarge: (502, "the function wrote more than a call may"),
}


class GatewayHandler:
    """The gateways of every stack that is ready on this node, under `/{stack}/{gateway}/`.

    `on_log` is given each line that a function logs, `on_outcome` how each call of a function ended.
    """

    def __init__(
        self,
        runner: Runner,
        deployer: Deployer,
        runtime: Runtime,
        node: str,
        *,
        on_log: Callable[[FunctionLog], None],
        on_outcome: Callable[[Request, Outcome], None],
    ) -> None:
        self._runner = runner
        self._deployer = deployer
        self._runtime = runtime
        self._node = node
        self._on_log = on_log
        self._on_outcome = on_outcome

    async def __call__(self, request: Request) -> Response:
        """The answer to one request; 404, 405, 400, 503 and the failures of functions included."""
        try:
            target = split_target(request.path)
            if isinstance(target, NotFound):
                return error_response(404, "a path here is /{stack}/{gateway}/{path}", request.request_id)
            stack, gateway, path = target
            ready = self._find_stack(stack, request)
            if isinstance(ready, Response):
                return ready
            router = ready.routers.get(gateway)
            if router is None:
                return error_response(404, "the stack has no such gateway", request.request_id)
            match = router.match(request.method, path)
            if isinstance(match, NotFound):
                return error_response(404, "the gateway has no such path", request.request_id)
            if isinstance(match, MethodNotAllowed):
                allow = ("allow", ", ".join(match.allow))
                return error_response(405, "the path does not take this method", request.request_id, (allow,))
            query = parse_query(request.query)
        except (BadPath, BadQuery) as error:
            return error_response(400, str(error), request.request_id)
        return await self._call(request, stack, ready, match.target, match.path_params, query)

    def _find_stack(self, stack: str, request: Request) -> ReadyStack | Response:
        routes = self._runner.get(Routes).state.stacks.get(stack)
        if routes is None:
            return error_response(404, "no such stack", request.request_id)
        revision = routes.ready.get(self._node)
        ready = self._deployer.ready(stack, revision) if revision is not None else None
        if ready is None:
            return error_response(503, "the stack is not ready", request.request_id, RETRY)
        return ready

    async def _call(
        self,
        request: Request,
        stack: str,
        ready: ReadyStack,
        route: Route,
        path_params: Mapping[str, str],
        query: Mapping[str, str],
    ) -> Response:
        service = ready.services[route.service]
        # a HEAD that a GET answers looks like one to the function; the server leaves the body away
        method = Method[route.method.name]
        headers = tuple(Header(name, value) for name, value in request.headers)
        message = ExecuteFunction(
            route.function, FunctionRequest(method, path_params, query, headers, request.body)
        )

        def on_log(log: Log) -> None:
            self._on_log(FunctionLog(stack, f"{route.service}.{route.function}", request.request_id, log))

        try:
            outcome = await self._runtime.call(
                ready.functions[route.service],
                message,
                memory_limit_bytes=service.memory_limit_mebibytes * MEBIBYTE,
                env=service.env,
                on_log=on_log,
            )
        except (Overloaded, RuntimeClosed) as error:
            return error_response(503, str(error), request.request_id, RETRY)
        except InvalidInput as error:
            return error_response(502, f"the function cannot be called: {error}", request.request_id)
        self._on_outcome(request, outcome)
        return answer(outcome, request.request_id)


def answer(outcome: Outcome, request_id: str) -> Response:
    """The response that an outcome calls for: the function's own, or an error."""
    if not isinstance(outcome, Finished):
        status, reason = _FAILURES[type(outcome)]
        return error_response(status, reason, request_id)
    response = outcome.response
    if not 200 <= response.status <= 599:
        return error_response(502, f"the function answered with the status {response.status}", request_id)
    headers = tuple((header.name, header.value) for header in response.headers)
    try:
        for name, value in headers:
            header_line(name, value)
    except InvalidResponse as error:
        return error_response(502, f"the function answered with a bad header: {error}", request_id)
    return Response(response.status, headers, response.body)
