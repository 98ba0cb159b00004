"""The manifest a developer writes: YAML parsed into typed data, with errors that name the line and the field.

A Function's `binary` is a content id, or a path of a `.wasm` file relative to the manifest; `functions_to_upload` and
`with_binaries` turn the second into the first.
"""

import re
from collections.abc import Mapping

import yaml

from contract.client import MAX_MANIFEST_BYTES
from contract.errors import InvalidInput
from events.manifest import (
    Endpoint,
    Function,
    Gateway,
    KeyValueTable,
    Manifest,
    Method,
    Route,
    RuntimeName,
    Service,
    Storage,
    check,
)
from events.manifest_codec import encode
from mu.yaml_text import YamlError, YamlReader

MAX_MANIFEST_TEXT_BYTES = 64 * 1024
_SIZE = re.compile(r"([0-9]{1,9})(MiB|GiB)")
_PATH_PLACEHOLDER = "A" * 24


class ManifestError(YamlError):
    """A manifest that cannot be used."""


def parse_manifest(text: str) -> Manifest:
    """Parse and check a manifest. Raises `ManifestError`."""
    reader = YamlReader("manifest", ManifestError)
    manifest = _manifest(reader, reader.compose(text, MAX_MANIFEST_TEXT_BYTES))
    try:
        placeholders = dict.fromkeys(functions_to_upload(manifest), _PATH_PLACEHOLDER)
        check(with_binaries(manifest, placeholders))
    except InvalidInput as error:
        raise reader.error(error.field, error.problem) from None
    return manifest


def _manifest(reader: YamlReader, node: yaml.Node) -> Manifest:
    top = reader.fields("", node, ("name", "version", "services"))
    services = [
        _service(reader, f"services[{index}]", item)
        for index, item in enumerate(reader.sequence("services", top.values["services"]))
    ]
    return Manifest(top.text("name"), top.text("version"), tuple(services))


def _service(reader: YamlReader, field: str, node: yaml.Node) -> Service:
    kinds = {"Function": _function, "Gateway": _gateway, "KeyValueTable": _table, "Storage": _storage}
    values = reader.mapping(field, node)
    if "type" not in values:
        raise reader.error(f"{field}.type", f"is missing; it is one of {', '.join(kinds)}", node)
    kind = reader.text(f"{field}.type", values["type"])
    if kind not in kinds:
        raise reader.error(
            f"{field}.type", f"must be one of {', '.join(kinds)}, not {kind!r}", values["type"]
        )
    return kinds[kind](reader, field, node)


def _function(reader: YamlReader, field: str, node: yaml.Node) -> Function:
    fields = reader.fields(field, node, ("type", "name", "binary", "runtime", "memory_limit"), ("env",))
    env: dict[str, str] = {}
    if "env" in fields.values:
        for name, value in reader.mapping(fields.path("env"), fields.values["env"]).items():
            env[name] = reader.text(f"{field}.env.{name}", value)
    return Function(
        name=fields.text("name"),
        binary=fields.text("binary"),
        runtime=fields.parsed("runtime", _runtime, f"must be one of {', '.join(RuntimeName)}"),
        memory_limit_mebibytes=fields.parsed(
            "memory_limit", _mebibytes, "must be a size such as 256MiB or 1GiB"
        ),
        env=env,
    )


def _gateway(reader: YamlReader, field: str, node: yaml.Node) -> Gateway:
    fields = reader.fields(field, node, ("type", "name", "endpoints"))
    endpoints: list[Endpoint] = []
    for path, items in reader.mapping(fields.path("endpoints"), fields.values["endpoints"]).items():
        path_field = f"{fields.path('endpoints')}[{path}]"
        routes: list[Route] = []
        for item in reader.sequence(path_field, items):
            line = reader.fields(path_field, item, ("method", "route_to"))
            method = line.parsed("method", _method, f"must be one of {', '.join(Method)}")
            target = line.parsed(
                "route_to", _target, "must name a service and its function, as `service.function`"
            )
            reader.lines[f"{path_field}.{method}.route_to"] = line.values["route_to"].start_mark.line + 1
            routes.append(Route(method, *target))
        endpoints.append(Endpoint(path, tuple(routes)))
    return Gateway(fields.text("name"), tuple(endpoints))


def _table(reader: YamlReader, field: str, node: yaml.Node) -> KeyValueTable:
    fields = reader.fields(field, node, ("type", "name"), ("delete",))
    return KeyValueTable(fields.text("name"), fields.flag("delete"))


def _storage(reader: YamlReader, field: str, node: yaml.Node) -> Storage:
    fields = reader.fields(field, node, ("type", "name"), ("delete",))
    return Storage(fields.text("name"), fields.flag("delete"))


def _runtime(text: str) -> RuntimeName | None:
    return RuntimeName(text) if text in tuple(RuntimeName) else None


def _method(text: str) -> Method | None:
    return Method(text.lower()) if text.lower() in tuple(Method) else None


def _target(text: str) -> tuple[str, str] | None:
    service, dot, function = text.partition(".")
    return (service, function) if dot and service and function else None


def _mebibytes(text: str) -> int | None:
    size = _SIZE.fullmatch(text)
    return int(size[1]) * (1024 if size[2] == "GiB" else 1) if size else None


def functions_to_upload(manifest: Manifest) -> dict[str, str]:
    """The Functions whose `binary` is a path of a `.wasm` file: path by name of the Function."""
    return {
        name: function.binary
        for name, function in manifest.functions().items()
        if function.binary.endswith(".wasm")
    }


def with_binaries(manifest: Manifest, binaries: Mapping[str, str]) -> Manifest:
    """The manifest with the content ids of `binaries` (by name of the Function) in the place of its paths."""
    services = tuple(
        Function(s.name, binaries.get(s.name, s.binary), s.runtime, s.memory_limit_mebibytes, s.env)
        if isinstance(s, Function)
        else s
        for s in manifest.services
    )
    return Manifest(manifest.name, manifest.version, services)


def to_chain(manifest: Manifest) -> bytes:
    """The manifest as a transaction carries it. Raises `InvalidInput` when it is larger than one can hold."""
    data = encode(manifest)
    if len(data) > MAX_MANIFEST_BYTES:
        raise InvalidInput(
            "manifest",
            f"takes {len(data)} bytes on chain, where a transaction holds {MAX_MANIFEST_BYTES}: "
            "use fewer services, shorter names or less in env, or split the stack in two",
        )
    return data
