"""`idl.json`, the program's sources and the Python client say the same."""

import json
import re
from pathlib import Path

import pytest

from contract import arguments, client
from contract.pricing import UNITS
from contract.terms import MAX_LOCKS, Lock, Prices, Terms, Usage
from tests.contract.idl_values import ACCOUNTS, EVENTS, IDL, TYPES, discriminator, snake

SOURCES = Path(__file__).parents[2] / "contract" / "program" / "src"
STATE_SOURCES = "\n".join(path.read_text() for path in sorted((SOURCES / "state").glob("*.rs")))


@pytest.mark.parametrize("instruction", IDL["instructions"], ids=lambda instruction: instruction["name"])
def test_an_instructions_discriminator(instruction) -> None:
    name = snake(instruction["name"])
    source = (SOURCES / "instructions" / f"{name}.rs").read_text()
    [value] = re.findall(r"DISCRIMINATOR: &\[u8; 8\] = &0x([0-9a-f]{16})_u64", source)
    assert value == discriminator("global", name).hex()


def test_the_instructions_are_those_of_the_program() -> None:
    modules = {path.stem for path in (SOURCES / "instructions").glob("*.rs")} - {"mod"}
    assert {snake(instruction["name"]) for instruction in IDL["instructions"]} == modules


def test_account_discriminators() -> None:
    found = re.findall(
        r"impl Kind for (\w+) \{\s+const DISCRIMINATOR: \[u8; 8\] = 0x([0-9a-f]{16})_u64", STATE_SOURCES
    )
    assert dict(found) == {name: discriminator("account", name).hex() for name in ACCOUNTS}


def test_event_discriminators() -> None:
    source = (SOURCES / "events.rs").read_text()
    found = re.findall(r"pub const (\w+): \[u8; 8\] = 0x([0-9a-f]{16})_u64", source)
    assert dict(found) == {snake(name).upper(): discriminator("event", name).hex() for name in EVENTS}


def test_error_codes() -> None:
    source = (SOURCES / "errors.rs").read_text()
    found = {int(code): name for name, code in re.findall(r"^    (\w+) = (\d+),$", source, re.MULTILINE)}
    assert found == {error["code"]: error["name"] for error in IDL["errors"]}


def test_limits() -> None:
    found = dict(re.findall(r"const (MAX_\w+): \w+ = ([\d_]+);", STATE_SOURCES))
    assert {name: int(number) for name, number in found.items()} == {
        "MAX_NAME_BYTES": client.MAX_NAME_BYTES,
        "MAX_BASE_URL_BYTES": client.MAX_BASE_URL_BYTES,
        "MAX_MANIFEST_BYTES": client.MAX_MANIFEST_BYTES,
        "MAX_COMMISSION_MILLIONTHS": arguments.MAX_COMMISSION_MILLIONTHS,
        "MAX_NOTICE_SECONDS": arguments.MAX_NOTICE_SECONDS,
        "MAX_TERMS_NOTICE_SECONDS": arguments.MAX_TERMS_NOTICE_SECONDS,
        "MAX_REGIONS": MAX_LOCKS,
    }


def test_the_limits_that_the_idl_tells_people() -> None:
    text = json.dumps(IDL)
    for limit in (client.MAX_NAME_BYTES, client.MAX_BASE_URL_BYTES, client.MAX_MANIFEST_BYTES):
        assert f"1 to {limit} bytes" in text
    assert f"0 to {arguments.MAX_COMMISSION_MILLIONTHS} millionths" in text
    assert f"1 to {arguments.MAX_NOTICE_SECONDS} seconds" in text
    assert f"notice to {arguments.MAX_TERMS_NOTICE_SECONDS} (365 days)" in text
    assert {"array": [{"defined": "Lock"}, MAX_LOCKS]} in [field["type"] for field in ACCOUNTS["Escrow"]]


@pytest.mark.parametrize("struct", [Prices, Usage, Terms, Lock])
def test_the_structs_are_those_of_the_idl(struct: type) -> None:
    fields = [snake(field["name"]) for field in TYPES[struct.__name__]["fields"]]
    assert list(struct.__struct_fields__) == fields


@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_accounts_are_those_of_the_idl(name: str) -> None:
    fields = {snake(field["name"]) for field in ACCOUNTS[name]} - {"version"}
    assert set(getattr(client, name).__struct_fields__) == fields


def test_usage_and_prices_are_in_one_order() -> None:
    assert [metered for metered, _, _ in UNITS] == list(Usage.__struct_fields__)
    assert [price for _, price, _ in UNITS] == list(Prices.__struct_fields__)


def test_every_event_begins_with_its_scope_and_its_place_in_the_chain() -> None:
    for name, fields in EVENTS.items():
        assert [field["name"] for field in fields[:3]] == ["scope", "sequence", "previousHash"], name


def test_every_field_of_an_account_or_a_struct_is_documented() -> None:
    for described in (*IDL["accounts"], *IDL["types"]):
        for field in described["type"].get("fields", ()):
            assert field["docs"], (described["name"], field["name"])
