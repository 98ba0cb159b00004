"""A manifest's compact Borsh form, in which it travels on chain.

Layout (integers little-endian, `string` = u32 length + UTF-8, `vec` = u32 count + items):

    u8 format (1), string name, string version, vec service

    service = u8 kind, then
      0 Function       string name, [u8; 18] binary, u8 runtime, u32 memory limit in MiB, vec {string, string} env
      1 Gateway        string name, vec {string path, vec {u8 method, u8 index of the Function, string function}}
      2 KeyValueTable  string name, bool delete
      3 Storage        string name, bool delete
"""

import base64
import binascii
import io
from collections.abc import Iterator
from typing import Any

import borsh_construct as borsh
import construct

from contract.errors import DecodeError, InvalidInput
from events.manifest import (
    BINARY_ID_BYTES,
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

FORMAT = 1


# borsh-construct ships no types for its combinators
_b: Any = borsh
_dropable = _b.CStruct("name" / _b.String, "delete" / _b.U8)
_services: dict[int, Any] = {
    0: _b.CStruct(
        "name" / _b.String,
        "binary" / construct.Bytes(BINARY_ID_BYTES),
        "runtime" / _b.U8,
        "memory_limit_mebibytes" / _b.U32,
        "env" / _b.Vec(_b.CStruct("name" / _b.String, "value" / _b.String)),
    ),
    1: _b.CStruct(
        "name" / _b.String,
        "endpoints"
        / _b.Vec(
            _b.CStruct(
                "path" / _b.String,
                "routes" / _b.Vec(_b.CStruct("method" / _b.U8, "service" / _b.U8, "function" / _b.String)),
            )
        ),
    ),
    2: _dropable,
    3: _dropable,
}
_service: Any = _b.CStruct(
    "kind" / _b.U8, "body" / construct.Switch(construct.this.kind, _services, construct.Error)
)
_manifest: Any = _b.CStruct(
    "format" / construct.Const(FORMAT, _b.U8),
    "name" / _b.String,
    "version" / _b.String,
    "services" / _b.Vec(_service),
)
_KINDS: dict[type[Service], int] = {Function: 0, Gateway: 1, KeyValueTable: 2, Storage: 3}
_BOOLS = (False, True)
_METHODS: tuple[Method, ...] = tuple(Method)
_RUNTIMES: tuple[RuntimeName, ...] = tuple(RuntimeName)


def encode(manifest: Manifest) -> bytes:
    """The compact form of a manifest that passes `check`, which it is put through first."""
    check(manifest)
    functions = [service.name if isinstance(service, Function) else None for service in manifest.services]
    return _manifest.build(
        {
            "format": FORMAT,
            "name": manifest.name,
            "version": manifest.version,
            "services": [
                {"kind": _KINDS[type(service)], "body": _service_body(service, functions)}
                for service in manifest.services
            ],
        }
    )


def _service_body(service: Service, functions: list[str | None]) -> dict[str, Any]:
    match service:
        case Function():
            return {
                "name": service.name,
                "binary": base64.urlsafe_b64decode(service.binary),
                "runtime": _RUNTIMES.index(service.runtime),
                "memory_limit_mebibytes": service.memory_limit_mebibytes,
                "env": [{"name": name, "value": value} for name, value in sorted(service.env.items())],
            }
        case Gateway():
            return {
                "name": service.name,
                "endpoints": [
                    {
                        "path": endpoint.path,
                        "routes": [
                            {
                                "method": _METHODS.index(route.method),
                                "service": functions.index(route.service),
                                "function": route.function,
                            }
                            for route in endpoint.routes
                        ],
                    }
                    for endpoint in service.endpoints
                ],
            }
        case KeyValueTable() | Storage():
            return {"name": service.name, "delete": service.delete}


def decode(data: bytes) -> Manifest:
    """The manifest that `data` holds, checked. Raises `DecodeError` for anything but the whole of one, as `encode`
    writes it.
    """
    try:
        stream = io.BytesIO(data)
        parsed = _manifest.parse_stream(stream)
        if stream.tell() != len(data):
            raise DecodeError(f"manifest: it is followed by {len(data) - stream.tell()} other bytes")
        manifest = Manifest(parsed.name, parsed.version, tuple(_decode_services(parsed.services)))
        check(manifest)
    except InvalidInput as error:
        raise DecodeError(f"manifest: {error}") from None
    except (
        construct.ConstructError,
        ValueError,
        IndexError,
        binascii.Error,
        MemoryError,
        OverflowError,
    ) as error:
        raise DecodeError(f"manifest: not the bytes of one ({type(error).__name__})") from None
    return manifest


def _decode_services(services: Any) -> Iterator[Service]:
    for service in services:
        body = service.body
        match service.kind:
            case 0:
                env = {pair.name: pair.value for pair in body.env}
                if [pair.name for pair in body.env] != sorted(env):
                    raise ValueError("env is not sorted by name, or has one twice")
                binary = base64.urlsafe_b64encode(body.binary).decode()
                yield Function(
                    body.name, binary, _RUNTIMES[int(body.runtime)], body.memory_limit_mebibytes, env
                )
            case 1:
                yield Gateway(
                    body.name,
                    tuple(
                        Endpoint(
                            endpoint.path,
                            tuple(
                                Route(
                                    _METHODS[int(route.method)],
                                    _function_name(services[route.service]),
                                    route.function,
                                )
                                for route in endpoint.routes
                            ),
                        )
                        for endpoint in body.endpoints
                    ),
                )
            case 2:
                yield KeyValueTable(body.name, _BOOLS[int(body.delete)])
            case _:
                yield Storage(body.name, _BOOLS[int(body.delete)])


def _function_name(service: Any) -> str:
    if service.kind != _KINDS[Function]:
        raise ValueError("a route leads to a service that is not a Function")
    return service.body.name
