"""JSON-RPC envelopes: the answers of a real node, and every malformed one."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mu.localnet.jsonrpc import Call, Refusal, RpcError, failure, parse, success

WHOLE = b'{"jsonrpc":"2.0","id":1,"method":"getSlot","params":[{"commitment":"processed"}]}'


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b"1", b'"x"', b"\xff", b'{"jsonrpc":"2.0","id":{},"method":"getSlot"}',
     b'{"jsonrpc":"2.0","id":1.5,"method":"getSlot"}', b'{"jsonrpc":"2.0","id":true,"method":"getSlot"}',
     b'{"jsonrpc":"2.0","id":-1,"method":"getSlot"}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_request_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(RpcError) as caught:
        parse(body, max_calls=10)
    assert caught.value.code == -32700


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{}", -32600, "Invalid request"),
        (b'{"jsonrpc":"2.0","id":1}', -32600, "Invalid request"),
        (b'{"jsonrpc":"1.0","id":1,"method":"getSlot"}', -32600, "Invalid request"),
        (b'{"jsonrpc":"2.0","id":1,"method":"getSlot","extra":1}', -32600, "Invalid request"),
        (b'{"jsonrpc":"2.0","id":1,"method":"getSlot","params":3}', -32600, "Invalid request"),
        (b'{"id":1,"method":"getSlot"}', -32600, "Unsupported JSON-RPC protocol version"),
        (b'{"jsonrpc":"2.0","id":1,"method":"getSlot","params":{}}', -32602, "`params` should be an array"),
    ],
)
def test_malformed_calls_are_refused_as_by_a_node(body: bytes, code: int, message: str) -> None:
    refusal = parse(body, max_calls=10)
    assert isinstance(refusal, Refusal)
    assert (refusal.error.code, str(refusal.error)) == (code, message)


def test_a_whole_call_and_every_truncation() -> None:
    assert parse(WHOLE, max_calls=1) == Call(1, "getSlot", [{"commitment": "processed"}])
    for length in range(len(WHOLE)):
        with pytest.raises(RpcError):
            parse(WHOLE[:length], max_calls=1)


@pytest.mark.parametrize("identifier", ["a", 0, 2**64 - 1, None])
def test_identifiers_come_back(identifier: Any) -> None:
    call = parse(msgspec.json.encode({"jsonrpc": "2.0", "id": identifier, "method": "m"}), max_calls=1)
    assert call == Call(identifier, "m", [])
    assert success(identifier, 1)["id"] == identifier


def test_a_call_without_identifier_is_a_notification() -> None:
    assert parse(b'{"jsonrpc":"2.0","method":"m","params":null}', max_calls=1) == Call(None, "m", [], True)


def test_batches() -> None:
    assert parse(b"[]", max_calls=1) == []
    assert parse(b"[" + WHOLE + b"," + WHOLE + b"]", max_calls=2) == [parse(WHOLE, max_calls=1)] * 2
    with pytest.raises(RpcError, match="2 calls"):
        parse(b"[" + b",".join([WHOLE] * 3) + b"]", max_calls=2)


def test_an_error_has_data_only_where_there_is_some() -> None:
    assert failure(1, RpcError(-1, "x"))["error"] == {"code": -1, "message": "x"}
    assert failure(1, RpcError(-1, "x", {"a": 1}))["error"] == {"code": -1, "message": "x", "data": {"a": 1}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=80) | json_values.map(msgspec.json.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        calls = parse(body, max_calls=2)
    except RpcError as error:
        msgspec.json.encode(failure(None, error))
        return
    for call in calls if isinstance(calls, list) else [calls]:
        msgspec.json.encode(success(call.identifier, 0))
