"""What a person may write to name a cluster, and what is answered to anything else."""

import builtins

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from events.engine.opening import MAX_ENDPOINTS, open_tikv, parse_endpoints


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1:2379", ["10.0.0.1:2379"]),
        (" pd-1:1, pd-2:65535 ", ["pd-1:1", "pd-2:65535"]),
        ("[::1]:2379", ["[::1]:2379"]),
    ],
)
def test_placement_drivers(text, expected):
    assert parse_endpoints(text, "PD") == expected


@pytest.mark.parametrize(
    "text",
    ["", ",", "host", "host:", ":1", "host:0", "host:65536", "host:+1", "host:1 2", "host:٣", "a:1,", "a:1,,b:2",
     "http://host:1", "host:" + "9" * 5000, ",".join(["a:1"] * (MAX_ENDPOINTS + 1))],
)  # fmt: skip
def test_anything_else_is_refused_by_its_field(text):
    with pytest.raises(InvalidInput) as caught:
        parse_endpoints(text, "PD")
    assert caught.value.field == "PD"


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        endpoints = parse_endpoints(text, "PD")
    except InvalidInput:
        return
    assert parse_endpoints(",".join(endpoints), "PD") == endpoints


@pytest.mark.parametrize("prefix", ["\ud800", "p" * 65])
def test_a_prefix_that_does_not_fit_is_refused_by_its_field(prefix):
    pytest.importorskip("tikv_client")
    with pytest.raises(InvalidInput) as caught:
        open_tikv(["127.0.0.1:1"], prefix, "PREFIX")
    assert caught.value.field == "PREFIX"


def test_where_the_client_is_missing_it_is_named(monkeypatch):
    real = builtins.__import__

    def without_client(name, *rest):
        if name == "events.engine.tikv":
            raise ImportError("No module named 'tikv_client'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_client)
    with pytest.raises(InvalidInput, match="tikv-client"):
        open_tikv(["127.0.0.1:1"], "p", "PREFIX")
