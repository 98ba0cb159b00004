"""Values of the IDL's types and a Borsh writer of the tests' own, to check the client against.

A value is what the client makes of it: a Pubkey, text, bytes, a number, a struct as a dict, a variant by name.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any

from hypothesis import strategies as st
from solders.pubkey import Pubkey

IDL = json.loads(files("contract").joinpath("idl.json").read_text("utf-8"))
TYPES = {defined["name"]: defined["type"] for defined in IDL["types"]}
ACCOUNTS = {account["name"]: account["type"]["fields"] for account in IDL["accounts"]}
EVENTS = {event["name"]: event["fields"] for event in IDL["events"]}

BITS = {"u8": 8, "u32": 32, "u64": 64}
ACCOUNT_BYTES = {"State": 226, "Authorizer": 106, "Provider": 227, "Region": 515, "Escrow": 362, "Stack": 243,
                 "UsageSigner": 154, "RequestSigner": 171, "UsageReport": 250}  # fmt: skip
"""Of a Stack without its manifest."""


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def discriminator(namespace: str, name: str) -> bytes:
    return sha256(f"{namespace}:{name}".encode()).digest()[:8]


def values_of(kind: Any, field: str = "") -> st.SearchStrategy[Any]:
    """Any value of a type; text as short as the account's field of that name allows."""
    match kind:
        case "publicKey":
            return st.binary(min_size=32, max_size=32).map(Pubkey)
        case "string":
            return st.text(st.characters(codec="utf-8"), min_size=1, max_size=8 if field == "name" else 32)
        case "bytes":
            return st.binary(max_size=875)
        case "bool":
            return st.booleans()
        case "i64":
            return st.integers(-(2**63), 2**63 - 1)
        case str():
            return st.integers(0, 2 ** BITS[kind] - 1)
        case {"array": ["u8", size]}:
            return st.binary(min_size=size, max_size=size)
        case {"array": [inner, size]}:
            return st.lists(values_of(inner), min_size=size, max_size=size)
    defined = TYPES[kind["defined"]]
    if defined["kind"] == "enum":
        return st.sampled_from([variant["name"] for variant in defined["variants"]])
    return struct_values(defined["fields"])


def struct_values(fields: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = {field["name"]: snake(field["name"]) for field in fields}
    return st.fixed_dictionaries(
        {names[field["name"]]: values_of(field["type"], field["name"]) for field in fields}
    )


def account_values(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return struct_values(ACCOUNTS[name]).map(lambda values: {**values, "version": 1})


def write(kind: Any, value: Any) -> bytes:
    """A value in Borsh."""
    match kind:
        case "publicKey":
            return bytes(value)
        case "string":
            return write("bytes", value.encode())
        case "bytes":
            return len(value).to_bytes(4, "little") + value
        case "bool":
            return bytes([value])
        case "i64":
            return value.to_bytes(8, "little", signed=True)
        case str():
            return value.to_bytes(BITS[kind] // 8, "little")
        case {"array": ["u8", _]}:
            return bytes(value)
        case {"array": [inner, _]}:
            return b"".join(write(inner, one) for one in value)
    defined = TYPES[kind["defined"]]
    if defined["kind"] == "enum":
        return bytes([[variant["name"] for variant in defined["variants"]].index(value)])
    return write_struct(defined["fields"], value)


def write_struct(fields: list[dict[str, Any]], values: Mapping[str, Any]) -> bytes:
    return b"".join(write(field["type"], values[snake(field["name"])]) for field in fields)


def account_data(name: str, values: Mapping[str, Any]) -> bytes:
    """An account's whole data: discriminator, fields, room up to its size."""
    written = discriminator("account", name) + write_struct(ACCOUNTS[name], values)
    return written.ljust(ACCOUNT_BYTES[name] + len(values.get("manifest", b"")), b"\0")


def event_data(name: str, values: Mapping[str, Any]) -> bytes:
    return discriminator("event", name) + write_struct(EVENTS[name], values)


def sample(kind: Any, number: int = 1) -> Any:
    """One value of a type, another for another number; small enough for every limit."""
    match kind:
        case "publicKey":
            return Pubkey([number] * 32)
        case "string":
            return f"text {number}"
        case "bytes":
            return b"bytes %d" % number
        case "bool":
            return True
        case str():
            return number
        case {"array": ["u8", size]}:
            return bytes([number]) * size
        case {"array": [inner, size]}:
            return [sample(inner, number + place) for place in range(size)]
    defined = TYPES[kind["defined"]]
    if defined["kind"] == "enum":
        return defined["variants"][-1]["name"]
    return struct_sample(defined["fields"], number)


def struct_sample(fields: list[dict[str, Any]], number: int = 1) -> dict[str, Any]:
    return {snake(field["name"]): sample(field["type"], number + place) for place, field in enumerate(fields)}


def account_sample(name: str) -> dict[str, Any]:
    return {**struct_sample(ACCOUNTS[name]), "version": 1}
