from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.accounts import MAX_MANIFEST_BYTES
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
    Storage,
    binary_id,
)
from events.manifest_codec import decode
from mu.manifest import ManifestError, functions_to_upload, parse_manifest, to_chain, with_binaries

GREETING = """\
name: GreetingApp
version: 0.1
services:
  - type: Function
    name: greeter_function
    binary: 8MdU7CQGkZaZPjPgXDwMoIkV
    runtime: wasi1.0
    memory_limit: 256MiB
    env: {}
  - type: Gateway
    name: greeting
    endpoints:
      /greet/{name}:
        - method: get
          route_to: greeter_function.greet_user
"""


ROUTE = "services[1].endpoints[/greet/{{name}}].{}route_to"


def test_the_manifest_of_the_litepaper():
    assert parse_manifest(GREETING) == Manifest(
        "GreetingApp",
        "0.1",
        (
            Function("greeter_function", "8MdU7CQGkZaZPjPgXDwMoIkV", RuntimeName.WASI_1_0, 256, {}),
            Gateway(
                "greeting",
                (Endpoint("/greet/{name}", (Route(Method.GET, "greeter_function", "greet_user"),)),),
            ),
        ),
    )


def test_tables_and_boxes():
    text = GREETING + (
        "  - {type: KeyValueTable, name: people}\n"
        "  - {type: KeyValueTable, name: old_people, delete: true}\n"
        "  - {type: Storage, name: pictures, delete: false}\n"
    )
    assert parse_manifest(text).services[2:] == (
        KeyValueTable("people"),
        KeyValueTable("old_people", delete=True),
        Storage("pictures"),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ("name: GreetingApp\n", "", 1, "name", "is missing"),
        ("name: GreetingApp", "name: Greeting App", 1, "name", "letter"),
        ("version: 0.1", "version: []", 2, "version", "single value"),
        ("version: 0.1", "version: 0.1\ncolour: red", 3, "colour", "not a field here"),
        ("version: 0.1", "version: 0.1\nversion: 0.2", 3, "version", "twice"),
        ("type: Function", "type: Fnction", 4, "services[0].type", "must be one of Function, Gateway"),
        ("- type: Function\n   ", "-", 4, "services[0].type", "is missing"),
        ("8MdU7CQGkZaZPjPgXDwMoIkV", "8MdU", 6, "services[0].binary", "content id"),
        ("wasi1.0", "wasi2.0", 7, "services[0].runtime", "wasi1.0"),
        ("256MiB", "256MB", 8, "services[0].memory_limit", "256MiB or 1GiB, not '256MB'"),
        ("256MiB", "9GiB", 8, "services[0].memory_limit", "between"),
        ("env: {}", "env: {1A: x}", 9, "services[0].env", "1A"),
        ("env: {}", "env: {A: [x]}", 9, "services[0].env.A", "single value"),
        ("env: {}", "envv: {}", 9, "services[0].envv", "not a field here"),
        ("/greet/{name}", "greet/{name}", 13, "services[1].endpoints[greet/{name}]", "start with `/`"),
        ("/greet/{name}", "/greet/x{name}", 13, "services[1].endpoints[/greet/x{name}]", "wholly"),
        ("method: get", "method: fetch", 14, "services[1].endpoints[/greet/{name}].method", "get, head"),
        ("greeter_function.greet_user", "greeter.greet", 15, ROUTE.format("get."), "no Function"),
        ("greeter_function.greet_user", "greet_user", 15, ROUTE.format(""), "service.function"),
        ("name: greeting", "name: [x", 11, "manifest", "is not YAML"),
    ],
)  # fmt: skip
def test_errors_name_the_line_and_the_field(old: str, new: str, line: int, field: str, problem: str):
    assert old in GREETING
    with pytest.raises(ManifestError) as caught:
        parse_manifest(GREETING.replace(old, new, 1))
    if "YAML" not in problem:
        assert (caught.value.line, caught.value.field) == (line, field)
    assert problem in caught.value.problem
    assert str(caught.value).startswith(f"line {caught.value.line}: {field}: ")


@pytest.mark.parametrize(
    "text", ["", "[]", "a", "a: &x 1\nb: *x", "\0", "- - - -", "{" * 5000, "name: x\n" * 20_000]
)
def test_what_is_not_a_manifest(text: str):
    with pytest.raises(ManifestError):
        parse_manifest(text)


@given(st.integers(0, len(GREETING)), st.integers(0, len(GREETING)), st.text(max_size=5))
def test_altered_text_gives_a_manifest_or_its_error(start: int, end: int, inserted: str):
    with suppress(ManifestError):
        assert parse_manifest(GREETING[:start] + inserted + GREETING[end:]).services


def test_a_path_stands_for_a_binary_until_it_is_uploaded():
    manifest = parse_manifest(GREETING.replace("8MdU7CQGkZaZPjPgXDwMoIkV", "build/greeter.wasm"))
    assert functions_to_upload(manifest) == {"greeter_function": "build/greeter.wasm"}
    identifier = binary_id(b"wasm")
    uploaded = with_binaries(manifest, {"greeter_function": identifier})
    assert functions_to_upload(uploaded) == {}
    assert decode(to_chain(uploaded)).functions()["greeter_function"].binary == identifier


def pairs(count: int) -> Manifest:
    """Functions and gateways like those of the sample."""
    functions = [
        Function(f"greeter_funct_{number:02}", binary_id(b""), RuntimeName.WASI_1_0, 256)
        for number in range(count)
    ]
    gateways = [
        Gateway(
            f"greet_{number:02}",
            (Endpoint("/greet/{name}", (Route(Method.GET, function.name, "greet_user"),)),),
        )
        for number, function in enumerate(functions)
    ]
    return Manifest("GreetingApp", "0.1", (*functions, *gateways))


def test_as_many_services_fit_as_the_documentation_says():
    assert (len(to_chain(pairs(1))), len(to_chain(pairs(8)))) == (129, 843)
    with pytest.raises(InvalidInput, match="takes 945 bytes"):
        to_chain(pairs(9))


def test_what_does_not_fit_a_transaction_is_refused_with_its_size():
    def manifest(count: int) -> Manifest:
        return Manifest(
            "App", "1", tuple(KeyValueTable(f"table_number_{index:02}") for index in range(count))
        )

    fitting = (MAX_MANIFEST_BYTES - len(to_chain(manifest(1)))) // 21 + 1
    assert len(to_chain(manifest(fitting))) <= MAX_MANIFEST_BYTES
    with pytest.raises(
        InvalidInput, match=rf"manifest: takes \d+ bytes on chain, where .* {MAX_MANIFEST_BYTES}"
    ):
        to_chain(manifest(fitting + 1))
