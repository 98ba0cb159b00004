"""Zstandard frames, read back by the decoder inside solders."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.rpc.responses import GetAccountInfoResp

from mu.localnet import zstandard


def decoded(frame: bytes) -> bytes:
    account = {
        "data": [base64.b64encode(frame).decode(), "base64+zstd"],
        "executable": False,
        "lamports": 1,
        "owner": "1" * 32,
        "rentEpoch": 0,
        "space": 0,
    }
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"context": {"slot": 1}, "value": account}}
    response = GetAccountInfoResp.from_json(json.dumps(answer))
    assert isinstance(response, GetAccountInfoResp)
    assert response.value is not None
    return bytes(response.value.data)


@given(st.binary(max_size=2_000))
def test_a_decoder_gives_the_data_back(data: bytes) -> None:
    assert decoded(zstandard.encode(data)) == data


@pytest.mark.parametrize("size", [0, 1, 2, 131_071, 131_072, 131_073, 300_000])
def test_block_limits_and_runs(size: int) -> None:
    varied = bytes(index * 31 % 251 for index in range(size))
    assert decoded(zstandard.encode(varied)) == varied
    assert decoded(zstandard.encode(bytes(size))) == bytes(size)


def test_spare_room_costs_next_to_nothing() -> None:
    assert len(zstandard.encode(bytes(1_000_000))) < 60
