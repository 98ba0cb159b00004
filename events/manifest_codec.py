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
import struct
from typing import Any

import borsh_construct as borsh
import construct
import msgspec

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
_U32 = struct.Struct("<I")
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

    By hand, as a log's replay is mostly this: construct's parser, which gives the same, takes ten times as long.
    """
    try:
        manifest = _read_manifest(_Reader(data))
        check(manifest)
    except InvalidInput as error:
        raise DecodeError(f"manifest: {error}") from None
    except (ValueError, IndexError, struct.error) as error:
        raise DecodeError(f"manifest: not the bytes of one ({type(error).__name__})") from None
    return manifest


def _read_manifest(reader: "_Reader") -> Manifest:
    if reader.u8() != FORMAT:
        raise ValueError("another format")
    name, version = reader.string(), reader.string()
    services = [_read_service(reader) for _ in range(reader.u32())]
    if reader.left_bytes:
        raise DecodeError(f"manifest: it is followed by {reader.left_bytes} other bytes")
    functions = [service.name if isinstance(service, Function) else None for service in services]
    resolved = (
        _route(service, functions) if isinstance(service, _RawGateway) else service for service in services
    )
    return Manifest(name, version, tuple(resolved))


class _Reader:
    """Takes values off bytes. Raises `struct.error`, `IndexError` and `ValueError` at what is none."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left_bytes(self) -> int:
        return len(self._data) - self._at

    def u8(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def u32(self) -> int:
        (value,) = _U32.unpack_from(self._data, self._at)
        self._at += 4
        return value

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ValueError("truncated")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def string(self) -> str:
        data, start = self._data, self._at + 4
        (count,) = _U32.unpack_from(data, self._at)
        self._at = end = start + count
        if end > len(data):
            raise ValueError("truncated")
        return data[start:end].decode()


class _RawGateway(msgspec.Struct, frozen=True):
    """A Gateway whose routes name their functions by their place in the manifest."""

    name: str
    endpoints: list[tuple[str, list[tuple[Method, int, str]]]]


def _read_service(reader: _Reader) -> Function | _RawGateway | KeyValueTable | Storage:
    kind, name = reader.u8(), reader.string()
    match kind:
        case 0:
            binary = base64.urlsafe_b64encode(reader.take(BINARY_ID_BYTES)).decode()
            runtime, memory_limit_mebibytes = _RUNTIMES[reader.u8()], reader.u32()
            pairs = [(reader.string(), reader.string()) for _ in range(reader.u32())]
            env = dict(pairs)
            if [variable for variable, _ in pairs] != sorted(env):
                raise ValueError("env is not sorted by name, or has one twice")
            return Function(name, binary, runtime, memory_limit_mebibytes, env)
        case 1:
            return _RawGateway(
                name,
                [
                    (
                        reader.string(),
                        [(_METHODS[reader.u8()], reader.u8(), reader.string()) for _ in range(reader.u32())],
                    )
                    for _ in range(reader.u32())
                ],
            )
        case 2:
            return KeyValueTable(name, _BOOLS[reader.u8()])
        case 3:
            return Storage(name, _BOOLS[reader.u8()])
        case _:
            raise ValueError("a service of no known kind")


def _route(gateway: _RawGateway, functions: list[str | None]) -> Gateway:
    return Gateway(
        gateway.name,
        tuple(
            Endpoint(
                path,
                tuple(
                    Route(method, _function_name(functions[index]), function)
                    for method, index, function in routes
                ),
            )
            for path, routes in gateway.endpoints
        ),
    )


def _function_name(service: str | None) -> str:
    if service is None:
        raise ValueError("a route leads to a service that is not a Function")
    return service
