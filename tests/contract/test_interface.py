"""`idl.json`, the program's sources and the Python client say the same."""

import json
import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from contract import client

SOURCES = Path(__file__).parents[2] / "contract" / "program" / "src"
IDL = json.loads(files("contract").joinpath("idl.json").read_text("utf-8"))


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def discriminator(namespace: str, name: str) -> str:
    return sha256(f"{namespace}:{name}".encode()).digest()[:8].hex()


@pytest.mark.parametrize("instruction", IDL["instructions"], ids=lambda instruction: instruction["name"])
def test_an_instructions_discriminator(instruction) -> None:
    name = snake(instruction["name"])
    source = (SOURCES / "instructions" / f"{name}.rs").read_text()
    [value] = re.findall(r"DISCRIMINATOR: &\[u8; 8\] = &0x([0-9a-f]{16})_u64", source)
    assert value == discriminator("global", name)


def test_the_instructions_are_those_of_the_program() -> None:
    modules = {path.stem for path in (SOURCES / "instructions").glob("*.rs")} - {"mod"}
    assert {snake(instruction["name"]) for instruction in IDL["instructions"]} == modules


def test_account_discriminators() -> None:
    source = (SOURCES / "state.rs").read_text()
    found = re.findall(
        r"impl Kind for (\w+) \{\s+const DISCRIMINATOR: \[u8; 8\] = 0x([0-9a-f]{16})_u64", source
    )
    names = [account["name"] for account in IDL["accounts"]]
    assert dict(found) == {name: discriminator("account", name) for name in names}


def test_event_discriminators() -> None:
    source = (SOURCES / "events.rs").read_text()
    found = re.findall(r"pub const (\w+): \[u8; 8\] = 0x([0-9a-f]{16})_u64", source)
    names = [event["name"] for event in IDL["events"]]
    assert dict(found) == {snake(name).upper(): discriminator("event", name) for name in names}


def test_error_codes_and_messages() -> None:
    source = (SOURCES / "errors.rs").read_text()
    found = {int(code): name for name, code in re.findall(r"^    (\w+) = (\d+),$", source, re.MULTILINE)}
    assert found == {error["code"]: error["name"] for error in IDL["errors"]}
    assert sorted(found) == list(range(6000, 6000 + len(found)))
    for error in IDL["errors"]:
        assert client.error_named(error["code"]) == (error["name"], error["msg"])


def test_limits() -> None:
    source = (SOURCES / "state.rs").read_text()
    found = dict(re.findall(r"pub const (MAX_\w+_BYTES): usize = (\d+);", source))
    assert found == {
        "MAX_NAME_BYTES": str(client.MAX_NAME_BYTES),
        "MAX_BASE_URL_BYTES": str(client.MAX_BASE_URL_BYTES),
        "MAX_MANIFEST_BYTES": str(client.MAX_MANIFEST_BYTES),
    }
    text = json.dumps(IDL)
    for limit in found.values():
        assert f"1 to {limit} bytes" in text


def test_every_event_begins_with_its_scope_and_its_place_in_the_chain() -> None:
    for event in IDL["events"]:
        assert [field["name"] for field in event["fields"][:3]] == ["scope", "sequence", "previousHash"]


def test_every_account_field_is_documented() -> None:
    for account in IDL["accounts"]:
        for field in account["type"]["fields"]:
            assert field["docs"], (account["name"], field["name"])
