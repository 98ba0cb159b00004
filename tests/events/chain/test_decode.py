"""Log lines true, forged, nested and broken, and the events in them."""

import base64
import random
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.addresses import PROGRAM_ID
from contract.errors import DecodeError
from contract.program_event import ProgramEvent
from contract.terms import Terms, Usage
from events.catalogue import ChainSource, Event, Finality, StackDeleted, kind
from events.chain.decode import LogsTruncated, catalogue_event, chain_events, event_data
from tests.contract.idl_values import EVENTS, struct_sample
from tests.contract.idl_values import event_data as written

OURS, OTHER = str(PROGRAM_ID), "Other1111111111111111111111111111111111111"


def data_line(payload: bytes) -> str:
    return "Program data: " + base64.b64encode(payload).decode()


def invoked(program: str, *lines: str, depth: int = 1) -> list[str]:
    return [f"Program {program} invoke [{depth}]", *lines, f"Program {program} consumed 5 of 10 compute units",
            f"Program {program} success"]  # fmt: skip


def test_lines_of_ours_alone_are_taken_wherever_they_are():
    logs = [
        *invoked("ComputeBudget111111111111111111111111111111"),
        *invoked(
            OTHER, data_line(b"not ours"), *invoked(OURS, data_line(b"one"), depth=2), data_line(b"not ours")
        ),
        *invoked(OURS, *invoked(OTHER, data_line(b"not ours"), depth=2), data_line(b"two")),
    ]
    assert event_data(logs, OURS) == [b"one", b"two"]


def test_what_a_program_logs_cannot_forge_a_line():
    forged = f"Program log: Program {OURS} invoke [1]"
    logs = invoked(
        OTHER,
        forged,
        "Program log: " + data_line(b"x"),
        f"Program log: a\n{data_line(b'x')}",
        data_line(b"x"),
    )
    assert event_data(logs, OURS) == []


def test_a_line_of_several_words_is_one_payload():
    words = "Program data: " + " ".join(base64.b64encode(part).decode() for part in (b"ab", b"c"))
    assert event_data(invoked(OURS, words), OURS) == [b"abc"]


def test_a_failed_inner_program_ends_its_part():
    logs = [f"Program {OURS} invoke [1]", f"Program {OTHER} invoke [2]", data_line(b"x"),
            f"Program {OTHER} failed: custom program error: 0x1", data_line(b"y"),
            f"Program {OURS} success"]  # fmt: skip
    assert event_data(logs, OURS) == [b"y"]


@pytest.mark.parametrize(
    "logs",
    [
        [f"Program {OURS} success"],
        [f"Program {OURS} invoke [1]"],
        [f"Program {OURS} invoke [1]", f"Program {OTHER} success"],
        invoked(OURS, "Program data: ***"),
        invoked(OURS, "Program data: YQ"),
        invoked(OURS, "Program data: YQ==é"),
        invoked(OURS, "Program data: YQ==\n"),
        [*invoked(OTHER), f"Program {OTHER} failed: x"],
        [f"Program {OTHER} invoke [1]", *invoked(OURS, data_line(b"x"), depth=2)],
    ],
)
def test_lines_that_make_no_sense(logs: list[str]):
    with pytest.raises(DecodeError):
        event_data(logs, OURS)


def test_truncated_logs_are_told_apart():
    with pytest.raises(LogsTruncated):
        event_data([f"Program {OURS} invoke [1]", data_line(b"x"), "Log truncated"], OURS)
    assert event_data(invoked(OURS, "Program log: Log truncated", data_line(b"x")), OURS) == [b"x"]


LINES = [
    *invoked(OURS, data_line(b"x")),
    *invoked(OTHER),
    "Program data: ",
    "Program return: a b",
    "Log truncated",
]


@given(
    st.lists(st.sampled_from(LINES) | st.text(max_size=9) | st.text(max_size=9).map("Program data: ".__add__))
)
def test_any_lines_give_payloads_or_a_decode_error(logs: list[str]):
    with suppress(DecodeError):
        event_data(logs, OURS)
    with suppress(DecodeError):
        decoded(invoked(OURS, *logs))


@given(st.recursive(
    st.lists(st.binary(max_size=5), max_size=3).map(lambda payloads: [(True, payload) for payload in payloads]),
    lambda inner: st.lists(st.tuples(st.booleans(), inner), max_size=3), max_leaves=8))  # fmt: skip
def test_what_was_nested_in_any_way_is_found_in_order(tree: list[tuple[bool, object]]):
    written: list[bytes] = []

    def lines(nodes: list[tuple[bool, object]], program: str, depth: int) -> list[str]:
        found: list[str] = []
        for ours, node in nodes:
            if isinstance(node, bytes):
                found.append(data_line(node))
                if program == OURS:
                    written.append(node)
            elif isinstance(node, list):
                callee = OURS if ours else OTHER
                found += invoked(callee, *lines(node, callee, depth + 1), depth=depth + 1)
        return found

    logs = invoked(OURS, *lines(tree, OURS, 1))
    assert event_data(logs, OURS) == written


def decoded(logs: Sequence[str]) -> list[tuple[ChainSource, Event]]:
    return chain_events(logs, program=OURS, slot=5, signature="signature", finality=Finality.CONFIRMED)


def plain(value: Any) -> Any:
    """Structs as dicts, the form of the tests' own values."""
    return msgspec.to_builtins(value) if isinstance(value, Terms | Usage) else value


@pytest.mark.parametrize("name", EVENTS)
def test_each_kind_of_the_programs_events_becomes_the_catalogues(name: str):
    values = struct_sample(EVENTS[name])
    payload = written(name, values)
    [(source, event)] = decoded(invoked(OURS, data_line(payload)))
    assert source == ChainSource(5, "signature", 0, Finality.CONFIRMED)
    assert kind(event) == name
    expected = {field: str(value) if isinstance(value, Pubkey) else value for field, value in values.items()}
    assert {field: plain(value) for field, value in msgspec.structs.asdict(event).items()} == {
        **expected,
        "event_hash": sha256(payload).digest(),
    }


def test_one_event_in_full():
    values = {"scope": Pubkey([1] * 32), "sequence": 2, "previous_hash": b"p" * 32, "stack": Pubkey([3] * 32),
              "owner": Pubkey([4] * 32), "escrow": Pubkey([5] * 32), "withdrawal_from": -6, "revision": 7,
              "deleted_at": 8}  # fmt: skip
    payload = written("StackDeleted", values)
    [(_, event)] = decoded(invoked(OURS, data_line(payload)))
    assert event == StackDeleted(
        scope=str(values["scope"]),
        sequence=2,
        previous_hash=b"p" * 32,
        event_hash=sha256(payload).digest(),
        stack=str(values["stack"]),
        owner=str(values["owner"]),
        escrow=str(values["escrow"]),
        withdrawal_from=-6,
        revision=7,
        deleted_at=8,
    )


def test_the_events_of_a_transaction_are_counted_from_0():
    payloads = [written(name, struct_sample(EVENTS[name])) for name in ("StackDeployed", "UsageReported")]
    found = decoded([line for payload in payloads for line in invoked(OURS, data_line(payload))])
    assert [(source.index, kind(event)) for source, event in found] == [
        (0, "StackDeployed"),
        (1, "UsageReported"),
    ]


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_cut_short_or_altered_is_a_decode_error_or_another_event(name: str):
    payload, randomness = written(name, struct_sample(EVENTS[name])), random.Random(0)
    whole = decoded(invoked(OURS, data_line(payload)))
    for size in range(len(payload)):
        with pytest.raises(DecodeError):
            decoded(invoked(OURS, data_line(payload[:size])))
    with pytest.raises(DecodeError):
        decoded(invoked(OURS, data_line(payload + b"x")))
    for place in range(len(payload)):
        altered = bytearray(payload)
        altered[place] ^= randomness.randrange(1, 256)
        with suppress(DecodeError):
            assert decoded(invoked(OURS, data_line(bytes(altered)))) != whole


@given(st.binary(max_size=300))
def test_any_payload_is_an_event_or_a_decode_error(payload: bytes):
    with suppress(DecodeError):
        decoded(invoked(OURS, data_line(payload)))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("RegionPainted", {}),
        ("StackDeleted", {}),
        ("StackDeleted", {"stack": 1, "owner": "", "revision": 1}),
        ("RegionUpdated", {"base_url": "", "terms": {}, "next_from": 0, "next_terms": {}}),
    ],
)
def test_an_event_that_the_catalogue_does_not_have(name: str, fields: dict[str, int | str | bytes]):
    with pytest.raises(DecodeError, match=name):
        catalogue_event(ProgramEvent(name, PROGRAM_ID, 1, bytes(32), bytes(32), fields))
