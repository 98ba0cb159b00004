"""The messages: the protocol's own vectors, `borsh_construct` as the reference, and foreign bytes."""

import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError, InvalidInput
from mu.runtime import borsh
from mu.runtime.protocol import (
    FROM_FUNCTION,
    FROM_HOST,
    ExecuteFunction,
    FatalError,
    FunctionRequest,
    FunctionResponse,
    FunctionResult,
    Header,
    Level,
    Log,
    Method,
    decode_from_function,
    decode_from_host,
    encode,
)

LOG = (Log("hi", Level.INFO), bytes.fromhex("0300 02000000 6869 02"))
EXECUTE = (
    ExecuteFunction("f", FunctionRequest(Method.GET, {}, {"q": "1"}, (), b"")),
    bytes.fromhex("0100 01000000 66 00 00000000 01000000 01000000 71 01000000 31 00000000 00000000"),
)

text = st.text(max_size=20)
headers = st.lists(st.builds(Header, text, text), max_size=4).map(tuple)
params = st.dictionaries(text, text, max_size=4)
body = st.binary(max_size=50)
from_host = st.builds(
    ExecuteFunction,
    text,
    st.builds(FunctionRequest, st.sampled_from(Method), params, params, headers, body),
)
from_function = st.one_of(
    st.builds(FatalError, text),
    st.builds(FunctionResult, st.builds(FunctionResponse, st.integers(0, 0xFFFF), headers, body)),
    st.builds(Log, text, st.sampled_from(Level)),
)


def test_the_vectors_of_the_protocol() -> None:
    for message, data in (LOG, EXECUTE):
        assert encode(message) == data
    assert decode_from_function(LOG[1]) == (LOG[0], len(LOG[1]))
    assert decode_from_host(EXECUTE[1]) == (EXECUTE[0], len(EXECUTE[1]))


@given(from_function, st.binary(max_size=10), st.binary(max_size=10))
def test_a_function_message_comes_back_whole_and_says_where_it_ends(message, before, after) -> None:
    data = encode(message)
    assert decode_from_function(before + data + after, len(before)) == (message, len(before) + len(data))
    assert decode_from_function(bytearray(data)) == (message, len(data))


@given(from_host)
def test_a_host_message_comes_back_whole(message) -> None:
    data = encode(message)
    assert decode_from_host(data) == (message, len(data))


@given(from_host | from_function)
def test_any_part_of_a_message_asks_for_more(message) -> None:
    data = encode(message)
    decode = decode_from_host if isinstance(message, ExecuteFunction) else decode_from_function
    for size in range(len(data)):
        assert decode(data[:size]) is None


def as_reference(value: Any, definition: Any) -> Any:
    """A message in the shapes that its `borsh_construct` definition builds from."""
    if isinstance(value, Method | Level):
        return definition.enum.getitem(value)()
    if isinstance(value, tuple):
        return [{"name": header.name, "value": header.value} for header in value]
    if hasattr(value, "__struct_fields__"):
        subcons = {subcon.name: subcon.subcon for subcon in definition.subcons}
        return {name: as_reference(getattr(value, name), subcons[name]) for name in value.__struct_fields__}
    return value


def without_streams(parsed: Any) -> Any:
    if isinstance(parsed, dict):
        return {name: without_streams(value) for name, value in parsed.items() if name != "_io"}
    return [without_streams(item) for item in parsed] if isinstance(parsed, list) else parsed


@given(from_host | from_function)
def test_the_codec_is_equal_to_its_definition(message) -> None:
    table = FROM_HOST if isinstance(message, ExecuteFunction) else FROM_FUNCTION
    kind, codec = next((kind, codec) for kind, (struct_, codec) in table.items() if struct_ is type(message))
    reference = as_reference(message, codec.definition)
    data = encode(message)
    assert data == struct.pack("<H", kind) + codec.definition.build(reference)
    assert without_streams(codec.definition.parse(data[2:])) == reference


def test_maps_are_written_in_key_order_and_read_in_any() -> None:
    def message(pairs: dict[str, str]) -> ExecuteFunction:
        return ExecuteFunction("f", FunctionRequest(Method.GET, pairs, {}, (), b""))

    ordered = encode(message({"b": "2", "é": "3", "a": "1"}))
    assert ordered == encode(message({"a": "1", "b": "2", "é": "3"}))
    a, b = bytes.fromhex("01000000 61 01000000 31"), bytes.fromhex("01000000 62 01000000 32")
    swapped = encode(message({"a": "1", "b": "2"})).replace(a + b, b + a)
    assert swapped.count(b + a) == 1
    assert decode_from_host(swapped) == (message({"a": "1", "b": "2"}), len(swapped))
    with pytest.raises(DecodeError, match="'a' twice"):
        decode_from_host(swapped.replace(b, a))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("0000", "kind 0"),
        ("0400", "kind 4"),
        ("ea03", "kind 1002"),
        ("0300 00000000 05", "Level has no member 5"),
        ("0100 01000000 ff", "UTF-8"),
        ("0100 03000000 eda080", "UTF-8"),
        ("0100 01000004", "67108865 is above the limit"),
        ("0100 ffffffff", "4294967295 is above the limit"),
        ("0200 c800 01400000", "16385 is above the limit"),
    ],
)
def test_bad_bytes_are_a_decode_error_as_soon_as_they_show(data: str, problem: str) -> None:
    with pytest.raises(DecodeError, match=problem):
        decode_from_function(bytes.fromhex(data))


def test_a_method_out_of_range_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="Method has no member 7"):
        decode_from_host(bytes.fromhex("0100 00000000 07"))


def test_lengths_at_their_limits_are_only_awaited() -> None:
    assert decode_from_function(b"\1\0" + struct.pack("<I", borsh.MAX_BYTES)) is None
    assert decode_from_function(b"\2\0\xc8\0" + struct.pack("<I", borsh.MAX_ITEMS)) is None


@given(st.sampled_from([b"", b"\1\0", b"\2\0", b"\3\0"]), st.binary(max_size=60))
def test_random_bytes_are_a_message_or_incomplete_or_a_decode_error(kind: bytes, data: bytes) -> None:
    for decode in (decode_from_function, decode_from_host):
        try:
            decoded = decode(kind + data)
        except DecodeError:
            continue
        if decoded is not None:
            message, end = decoded
            assert end <= len(kind + data)
            assert decode(encode(message)) == (message, end)


def test_one_byte_changed_anywhere_is_never_an_untyped_error() -> None:
    generator = random.Random(7)
    data = encode(FunctionResult(FunctionResponse(200, (Header("a", "é"), Header("b", "")), b"body")))
    outcomes = set()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= generator.randrange(1, 256)
        try:
            outcomes.add(type(decode_from_function(changed)))
        except DecodeError:
            outcomes.add(DecodeError)
    assert outcomes == {tuple, type(None), DecodeError}


def test_values_that_the_protocol_cannot_carry_are_refused() -> None:
    for message in (FatalError("\ud800"), FunctionResult(FunctionResponse(65536, (), b""))):
        with pytest.raises(InvalidInput):
            encode(message)


def test_fields_in_another_order_than_the_struct_are_refused() -> None:
    with pytest.raises(TypeError):
        borsh.structure(Header, value=borsh.STRING, name=borsh.STRING)
