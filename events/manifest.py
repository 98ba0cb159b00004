"""What a stack consists of, as typed data, and what makes it one that can be run."""

import base64
import hashlib
import re
from enum import StrEnum

import msgspec

from contract.errors import InvalidInput
from events.template import compile_template

BINARY_ID_BYTES = 18
MAX_SERVICES = 64
MAX_NAME_CHARACTERS = 64
MAX_MEMORY_LIMIT_MEBIBYTES = 4096

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BINARY_ID = re.compile(r"[A-Za-z0-9_-]{24}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,32}")


class Method(StrEnum):
    """The HTTP methods an endpoint can take; the order is that of their Borsh index."""

    GET = "get"
    HEAD = "head"
    POST = "post"
    PUT = "put"
    PATCH = "patch"
    DELETE = "delete"
    OPTIONS = "options"


class RuntimeName(StrEnum):
    """The runtimes a function can ask for; the order is that of their Borsh index."""

    WASI_1_0 = "wasi1.0"


class Function(msgspec.Struct, frozen=True, tag="Function"):
    """A WASI program. `binary` is its content id (`binary_id`)."""

    name: str
    binary: str
    runtime: RuntimeName
    memory_limit_mebibytes: int
    env: dict[str, str] = {}


class Route(msgspec.Struct, frozen=True):
    """A method of an endpoint, and the function behind it: `service` names a Function of the same manifest."""

    method: Method
    service: str
    function: str


class Endpoint(msgspec.Struct, frozen=True):
    """A path template and what answers there."""

    path: str
    routes: tuple[Route, ...]


class Gateway(msgspec.Struct, frozen=True, tag="Gateway"):
    """A set of HTTP endpoints, reachable under `/{stack}/{gateway}`."""

    name: str
    endpoints: tuple[Endpoint, ...]


class KeyValueTable(msgspec.Struct, frozen=True, tag="KeyValueTable"):
    """A muDB table; with `delete` it is dropped."""

    name: str
    delete: bool = False


class Storage(msgspec.Struct, frozen=True, tag="Storage"):
    """A storage box; with `delete` it is dropped."""

    name: str
    delete: bool = False


Service = Function | Gateway | KeyValueTable | Storage


class Manifest(msgspec.Struct, frozen=True):
    """A stack's name, its version (free text of digits, letters and `.+-`), and its services."""

    name: str
    version: str
    services: tuple[Service, ...]

    def functions(self) -> dict[str, Function]:
        """The Function services, by name."""
        return {service.name: service for service in self.services if isinstance(service, Function)}

    def gateways(self) -> dict[str, Gateway]:
        """The Gateway services, by name."""
        return {service.name: service for service in self.services if isinstance(service, Gateway)}


def binary_id(binary: bytes) -> str:
    """The content id of a function's binary: the first 18 bytes of its SHA-256, in URL-safe base64 (24 characters)."""
    return base64.urlsafe_b64encode(hashlib.sha256(binary).digest()[:BINARY_ID_BYTES]).decode()


def is_binary_id(text: str) -> bool:
    """Whether `text` has the form of a content id."""
    return _BINARY_ID.fullmatch(text) is not None


def check(manifest: Manifest) -> None:
    """Refuse a manifest that cannot be run. Raises `InvalidInput` naming the field, as a path such as
    `services[1].endpoints[/greet/{name}].get.route_to`.
    """
    _check_name(manifest.name)
    if not _VERSION.fullmatch(manifest.version):
        raise InvalidInput("version", "must be 1 to 32 letters, digits, `.`, `+` or `-`")
    if not 1 <= len(manifest.services) <= MAX_SERVICES:
        raise InvalidInput(
            "services", f"must list 1 to {MAX_SERVICES} services, not {len(manifest.services)}"
        )
    names: set[tuple[type[Service], str]] = set()
    functions = manifest.functions()
    for index, service in enumerate(manifest.services):
        try:
            _check_service(service, names, functions)
        except InvalidInput as error:
            raise InvalidInput(f"services[{index}].{error.field}", error.problem) from None


def _check_service(
    service: Service, names: set[tuple[type[Service], str]], functions: dict[str, Function]
) -> None:
    _check_name(service.name)
    if (type(service), service.name) in names:
        raise InvalidInput("name", f"another {type(service).__name__} is named {service.name!r}")
    names.add((type(service), service.name))
    if isinstance(service, Function):
        _check_function(service)
    elif isinstance(service, Gateway):
        _check_gateway(service, functions)


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise InvalidInput(
            "name",
            f"must start with a letter and hold only letters, digits, `_` and `-`, "
            f"at most {MAX_NAME_CHARACTERS} of them, not {name!r}",
        )


def _check_function(function: Function) -> None:
    if not is_binary_id(function.binary):
        raise InvalidInput("binary", f"must be a content id of 24 characters, not {function.binary!r}")
    if not 1 <= function.memory_limit_mebibytes <= MAX_MEMORY_LIMIT_MEBIBYTES:
        raise InvalidInput(
            "memory_limit", f"must be between 1MiB and {MAX_MEMORY_LIMIT_MEBIBYTES // 1024}GiB"
        )
    for name, value in function.env.items():
        if not _ENVIRONMENT_NAME.fullmatch(name):
            raise InvalidInput("env", f"{name!r} is not a name of letters, digits and `_`")
        if "\0" in value:
            raise InvalidInput(f"env.{name}", "must not hold a zero character")


def _check_gateway(gateway: Gateway, functions: dict[str, Function]) -> None:
    shapes: dict[tuple[str | None, ...], str] = {}
    for endpoint in gateway.endpoints:
        try:
            shape = compile_template(endpoint.path).shape
        except InvalidInput as error:
            raise InvalidInput(f"endpoints[{endpoint.path}]", error.problem) from None
        if shape in shapes:
            raise InvalidInput(f"endpoints[{endpoint.path}]", f"matches the same paths as {shapes[shape]}")
        shapes[shape] = endpoint.path
        if not endpoint.routes:
            raise InvalidInput(f"endpoints[{endpoint.path}]", "must list at least one method")
        methods: set[Method] = set()
        for route in endpoint.routes:
            if route.method in methods:
                raise InvalidInput(f"endpoints[{endpoint.path}]", f"lists the method {route.method} twice")
            methods.add(route.method)
            if (problem := _route_problem(route, functions)) is not None:
                raise InvalidInput(f"endpoints[{endpoint.path}].{route.method}.route_to", problem)


def _route_problem(route: Route, functions: dict[str, Function]) -> str | None:
    if route.service not in functions:
        return f"no Function of this manifest is named {route.service!r}"
    if len(route.function) > MAX_NAME_CHARACTERS or not _FUNCTION.fullmatch(route.function):
        return f"{route.function!r} is not a name of a function"
    return None
