"""Why a route, a stack or a node is as it is: its present state in words, and the entries that led there."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import msgspec

from contract.errors import InvalidInput
from events.log import Entry, Log
from events.manifest import Manifest, Route
from events.template import compile_template
from mu.gateway.routing import BadPath, Match, MethodNotAllowed, NotFound, Router, split_target
from projections.causes import NodeCauses, StackCauses, causes
from projections.deployments import Deployments
from projections.membership import Membership
from projections.retraction import retracted_positions
from projections.routes import Routes, StackRoutes
from projections.runner import Runner
from projections.stacks import Stacks, Status

SUBJECT = "ROUTE|STACK|NODE"
"""What can be asked about, as the command names it."""


class Place(msgspec.Struct, frozen=True):
    """A request's path in a stack: the gateway, and the raw rest."""

    stack: str
    gateway: str
    rest: str


class Line(msgspec.Struct, frozen=True):
    """Something that is so now."""

    label: str
    text: str


class Explanation(msgspec.Struct, frozen=True):
    """What is so, and the entries that it follows from, the newest last."""

    subject: str
    now: tuple[Line, ...]
    causes: tuple[Entry, ...]


def explain(text: str, log: Log, runner: Runner) -> Explanation:
    """Explain the route, stack or node that a person names; `runner` has caught up with `log`.

    Raises `InvalidInput` for what the log does not know.
    """
    place = parse_place(text)
    name = place.stack if place is not None else text
    if place is not None or name in runner.get(Stacks).state.stacks:
        found = _causes(log, lambda: StackCauses(name))
        now = _stack_now(name, place, runner)
    else:
        found = _causes(log, lambda: NodeCauses(name))
        now = _node_now(name, runner)
    if not found:
        raise InvalidInput(SUBJECT, f"{text} is no route, stack or node that this region's log knows")
    return Explanation(text, tuple(now), tuple(found))


def parse_place(text: str) -> Place | None:
    """The path that `text` is, or that is in the URL that it is; None if it is neither. Raises `InvalidInput`."""
    try:
        path = urlsplit(text).path if "://" in text else text.partition("?")[0]
        if not path.startswith("/"):
            if "://" in text:
                raise InvalidInput(SUBJECT, f"{text} has no path")
            return None
        found = split_target(path)
    except (BadPath, ValueError) as error:
        raise InvalidInput(SUBJECT, f"{text} is no path: {error}") from None
    if isinstance(found, NotFound):
        raise InvalidInput(SUBJECT, f"{text} has no gateway: a route is /STACK/GATEWAY/PATH")
    return Place(*found)


def _causes(log: Log, subject: Callable[[], StackCauses | NodeCauses]) -> list[Entry]:
    return causes(log.replay(), retracted_positions(log.replay()), subject())


def _stack_now(name: str, place: Place | None, runner: Runner) -> Iterator[Line]:
    stack = runner.get(Stacks).state.stacks.get(name)
    if stack is None:
        return
    problem = f": {stack.problem}" if stack.problem else ""
    yield Line("stack", f"{name}, revision {stack.revision}, {stack.status}{problem}")
    if stack.status is not Status.LIVE:
        return
    routes = runner.get(Routes).state.stacks.get(name)
    if place is not None and stack.manifest is not None:
        yield from _route_lines(stack.manifest, place)
    deployment = runner.get(Deployments).state.deployments.get(name)
    owners = deployment.owners if deployment is not None else ()
    for role, owner in zip(("runs on", "standby"), owners, strict=False):
        yield Line(role, _node_text(owner, runner))
    if not owners:
        yield Line("runs on", "no node, as none is there")
    if routes is not None:
        yield from _ready_lines(routes)


def _route_lines(manifest: Manifest, place: Place) -> Iterator[Line]:
    gateway = manifest.gateways().get(place.gateway)
    if gateway is None:
        yield Line("route", f"the stack has no gateway {place.gateway}")
        return
    router: Router[tuple[str, Route]] = Router(
        (compile_template(endpoint.path), route.method.upper(), (endpoint.path, route))
        for endpoint in gateway.endpoints
        for route in endpoint.routes
    )
    try:
        known = router.match("", place.rest)
        methods = known.allow if isinstance(known, MethodNotAllowed) else ()
        matches = [(method, router.match(method, place.rest)) for method in methods]
    except BadPath as error:
        yield Line("route", f"{place.rest} is no path: {error}")
        return
    if not methods:
        yield Line("route", f"no endpoint of the gateway {place.gateway} has the path {place.rest}")
    for method, match in matches:
        # a GET answers HEAD too, which need not be said
        if isinstance(match, Match) and match.target[1].method.upper() == method:
            path, route = match.target
            yield Line("route", f"{method} {path} is answered by {route.service}.{route.function}")


def _ready_lines(routes: StackRoutes) -> Iterator[Line]:
    for node, revision in sorted(routes.ready.items()):
        late = "" if revision == routes.revision else f", not yet for {routes.revision}"
        yield Line("ready", f"{node}, for revision {revision}{late}")
    for node, reason in sorted(routes.failures.items()):
        yield Line("failed", f"{node}: {reason}")
    if not routes.ready:
        yield Line("ready", "no node has said so")


def _node_now(name: str, runner: Runner) -> Iterator[Line]:
    members = runner.get(Membership).state.members
    nodes = [node for node, member in members.items() if name in (node, member.public_key)]
    if not nodes:
        yield Line("node", f"{name}, gone")
    for node in nodes:
        yield Line("node", _node_text(node, runner))
        for stack, routes in sorted(runner.get(Routes).state.stacks.items()):
            if node in routes.ready:
                yield Line("ready", f"{stack}, for revision {routes.ready[node]}")
            if node in routes.failures:
                yield Line("failed", f"{stack}: {routes.failures[node]}")


def _node_text(node: str, runner: Runner) -> str:
    member = runner.get(Membership).state.members.get(node)
    if member is None:
        return f"{node}, gone"
    return f"{node}, generation {member.generation}, at {member.address}:{member.port}"
