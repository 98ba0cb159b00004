"""Log lines true, forged, nested and broken, and the events of transactions that the program has executed."""

import base64
import random
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.addresses import PROGRAM_ID, stack_address, state_address
from contract.errors import DecodeError
from contract.program_event import ProgramEvent
from events.catalogue import (
    ChainEvent,
    ChainSource,
    Event,
    Finality,
    Initialized,
    ProviderCreated,
    RegionCreated,
    StackDeleted,
    StackDeployed,
    StackUpdated,
)
from events.chain.decode import LogsTruncated, catalogue_event, chain_events, event_data
from tests.events.chain.histories import OWNER, PROVIDER, REGION, make_history

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


def test_each_kind_of_the_programs_events_becomes_the_catalogues():
    owner, (state, _) = str(OWNER.pubkey()), state_address()
    stack = str(stack_address(REGION, OWNER.pubkey(), 0)[0])
    history = make_history(stacks=1)
    found = [pair for executed in history for pair in decoded(executed.logs)]
    assert [source.index for source, _ in found] == [0, 1, 2, 0, 0, 0]
    chained = [event for _, event in found if isinstance(event, ChainEvent)]
    hashes = [event.event_hash for event in chained]
    data = [payload for executed in history for payload in event_data(executed.logs, OURS)]
    assert hashes == [sha256(payload).digest() for payload in data]

    def chain(number: int) -> dict[str, Any]:
        return {"scope": str(REGION), "sequence": number, "event_hash": hashes[number + 1],
                "previous_hash": hashes[number] if number > 1 else bytes(32)}  # fmt: skip

    first = {"sequence": 1, "previous_hash": bytes(32)}
    assert chained == [
        Initialized(scope=str(state), event_hash=hashes[0], admin=owner, **first),
        ProviderCreated(scope=str(PROVIDER), event_hash=hashes[1], owner=owner, name="local", **first),
        RegionCreated(
            provider=str(PROVIDER), number=1, name="local", base_url="http://localhost", **chain(1)
        ),
        StackDeployed(stack=stack, owner=owner, seed=0, revision=1, manifest=b"manifest 0", **chain(2)),
        StackUpdated(stack=stack, owner=owner, revision=2, manifest=b"newer 0", **chain(3)),
        StackDeleted(stack=stack, owner=owner, revision=2, **chain(4)),
    ]


def test_an_event_cut_short_or_altered_is_a_decode_error_or_another_event():
    payloads = [payload for executed in make_history(stacks=1) for payload in event_data(executed.logs, OURS)]
    randomness = random.Random(0)
    for payload in payloads:
        assert decoded(invoked(OURS, data_line(payload)))
        for size in range(len(payload)):
            with pytest.raises(DecodeError):
                decoded(invoked(OURS, data_line(payload[:size])))
        with pytest.raises(DecodeError):
            decoded(invoked(OURS, data_line(payload + b"x")))
        for place in range(len(payload)):
            altered = bytearray(payload)
            altered[place] ^= randomness.randrange(1, 256)
            with suppress(DecodeError):
                assert decoded(invoked(OURS, data_line(bytes(altered)))) != decoded(
                    invoked(OURS, data_line(payload))
                )


@given(st.binary(max_size=300))
def test_any_payload_is_an_event_or_a_decode_error(payload: bytes):
    with suppress(DecodeError):
        decoded(invoked(OURS, data_line(payload)))


@pytest.mark.parametrize(
    ("name", "fields"),
    [("RegionPainted", {}), ("StackDeleted", {}), ("StackDeleted", {"stack": 1, "owner": "", "revision": 1})],
)
def test_an_event_that_the_catalogue_does_not_have(name: str, fields: dict[str, int | str | bytes]):
    with pytest.raises(DecodeError, match=name):
        catalogue_event(ProgramEvent(name, REGION, 1, bytes(32), bytes(32), fields))
