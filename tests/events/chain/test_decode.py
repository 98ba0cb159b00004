import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.addresses import PROGRAM_ID
from contract.errors import DecodeError
from contract.program_event import ProgramEvent
from events.catalogue import ChainEvent, Finality, RegionCreated, StackDeleted, StackDeployed, StackUpdated
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
    ],
)
def test_lines_that_make_no_sense(logs: list[str]):
    with pytest.raises(DecodeError):
        event_data(logs, OURS)


def test_truncated_logs_are_told_apart():
    with pytest.raises(LogsTruncated):
        event_data([f"Program {OURS} invoke [1]", "Log truncated"], OURS)


@given(
    st.lists(
        st.sampled_from([*invoked(OURS, data_line(b"x")), *invoked(OTHER), "Log truncated"])
        | st.text(max_size=9)
    )
)
def test_any_lines_give_payloads_or_a_decode_error(logs: list[str]):
    with suppress(DecodeError):
        event_data(logs, OURS)


def test_the_programs_events_become_the_catalogues():
    history = make_history(stacks=1)
    found = [
        pair
        for executed in history
        for pair in chain_events(
            executed.logs,
            program=OURS,
            slot=executed.slot,
            signature=executed.signature,
            finality=Finality.CONFIRMED,
        )
    ]
    events = [event for _, event in found]
    assert [type(event) for event in events] == [RegionCreated, StackDeployed, StackUpdated, StackDeleted]
    created, deployed, updated, _ = events
    assert isinstance(created, RegionCreated)
    assert (created.provider, created.number, created.name, created.base_url) == (
        str(PROVIDER), 1, "local", "http://localhost")  # fmt: skip
    assert isinstance(deployed, StackDeployed)
    assert (deployed.owner, deployed.seed, deployed.revision, deployed.manifest) == (
        str(OWNER.pubkey()), 0, 1, b"manifest 0")  # fmt: skip
    assert isinstance(updated, StackUpdated)
    assert (updated.revision, updated.manifest, updated.stack) == (2, b"newer 0", deployed.stack)
    previous = bytes(32)
    for number, (source, event) in enumerate(found, 1):
        assert isinstance(event, ChainEvent)
        assert (event.scope, event.sequence, event.previous_hash) == (str(REGION), number, previous)
        assert (source.signature, source.index) == (history[number - 1].signature, 0)
        previous = event.event_hash


@pytest.mark.parametrize(
    ("name", "fields"),
    [("RegionPainted", {}), ("StackDeleted", {}), ("StackDeleted", {"stack": 1, "owner": "", "revision": 1})],
)
def test_an_event_that_the_catalogue_does_not_have(name: str, fields: dict[str, int | str | bytes]):
    with pytest.raises(DecodeError, match=name):
        catalogue_event(ProgramEvent(name, REGION, 1, bytes(32), bytes(32), fields))
