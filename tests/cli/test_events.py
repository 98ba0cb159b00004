import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.signature import Signature

from cli.entry_filter import EntryFilter, parse_pattern, parse_slots
from contract.errors import InvalidInput
from events.catalogue import ChainSource, Finality, NodeSource, StackStarted
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.log_keys import LogKeys
from mu.region_folder import find_region_folder
from tests.cli.folders import run, write_region
from tests.cli.mu_process import mu
from tests.entries import NODES, STACKS, append_all, deployed, joined, open_log

FIRST, SECOND = (str(Signature(bytes([number] * 64))) for number in (1, 2))
STARTED = StackStarted(stack=STACKS[0], revision=1, node=NODES[0][0])


def chain(slot: int, signature: str = "signature") -> ChainSource:
    return ChainSource(slot, signature, 0, Finality.CONFIRMED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_region(
        tmp_path,
        [
            joined(0),
            (chain(5, FIRST), deployed(STACKS[0], b"")),
            (chain(7, SECOND), deployed(STACKS[1], b"")),
            STARTED,
        ],
    )
    return write_region(tmp_path, [(NodeSource("other", 1), joined(1))], "other")


@pytest.mark.parametrize(
    "command",
    [
        ("events", "tail"),
        ("events", "grep", "x"),
        ("events", "show", "3"),
        ("projections", "show", "stacks", "--at", "5"),
        ("projections", "diff", "stacks", "--from", "1", "--to", "5"),
        ("why", STACKS[0]),
        ("log", "stats"),
        ("log", "export", "-"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(folder: Path, command: tuple[str, ...]):
    engine = LmdbEngine(find_region_folder(folder).log)
    with engine.begin() as transaction:
        transaction.put(LogKeys().entry(3), b"junk")
        transaction.commit()
    engine.close()
    done = mu(*command, "--folder", folder)
    assert done.returncode == 1
    assert done.stderr.startswith("mu: position 3 of the log cannot be read: ")
    assert "`mu log verify`" in done.stderr


def positions(folder: Path, command: str, *options: str) -> list[int]:
    result = run("events", command, *options, "--folder", folder, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line)["position"] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [1, 2, 3, 4, 5]),
        (("-n", "2"), [4, 5]),
        (("-n", "0"), []),
        (("--kind", "NodeJoined"), [1, 5]),
        (("--kind", "NodeJoined", "-n", "1"), [5]),
        (("--kind", "NodeJoined", "--kind", "StackStarted", "--all"), [1, 4, 5]),
        (("--stack", STACKS[0]), [2, 4]),
        (("--stream", "other"), [5]),
        (("--slot", "5"), [2]),
        (("--slot", "6.."), [3]),
        (("--slot", "..6"), [2]),
        (("--slot", "5..7"), [2, 3]),
        (("--signature", SECOND), [3]),
        (("--signature", SECOND, "--stack", STACKS[0]), []),
    ],
)
def test_filters(folder: Path, options: tuple[str, ...], expected: list[int]):
    assert positions(folder, "tail", *options) == expected
    if "-n" not in options and "--all" not in options:
        assert positions(folder, "grep", ".", *options) == expected


def test_grep_looks_into_every_field(folder: Path):
    assert positions(folder, "grep", NODES[0][0][:12]) == [1, 4]
    assert positions(folder, "grep", '"slot":7') == [3]
    assert positions(folder, "grep", "no such thing") == []


def test_that_nothing_matches_is_said_beside_the_output(folder: Path):
    for command in (("tail", "--stack", STACKS[3]), ("tail", "--all", "--stream", "none"), ("grep", "zzz")):
        result = run("events", *command, "--folder", folder)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no entry matches\n")
    for command in (("tail",), ("tail", "-n", "0"), ("grep", ".")):
        assert run("events", *command, "--folder", folder).stderr == ""


def test_show_has_every_field(folder: Path):
    result = run("events", "show", "2", "--folder", folder)
    lines = [line.split(maxsplit=1) for line in result.output.splitlines()]
    assert ["position", "2"] in lines
    assert ["kind", "StackDeployed"] in lines
    assert ["slot", "5"] in lines
    assert ["stack", STACKS[0]] in lines
    document = json.loads(run("events", "show", "2", "--folder", folder, "--json").output)
    assert (document["kind"], document["source"]["signature"]) == ("StackDeployed", FIRST)


def test_bad_input_exits_with_2_and_a_sentence(folder: Path):
    for arguments, sentence in [
        (("events", "show", "6"), "the log ends at position 5"),
        (("events", "grep", "("), "is no regular expression"),
        (("events", "tail", "--slot", "9..5"), "ends before it begins"),
        (("events", "tail", "--kind", "Nothing"), "Nothing"),
        (("events", "tail", "--stack", "mine"), "--stack: 'mine' is not an address"),
        (("events", "grep", ".", "--stack", FIRST), "is not an address"),
        (("events", "tail", "--signature", "second"), "--signature: 'second' is not a signature"),
        (("events", "grep", ".", "--signature", STACKS[0]), "is not a signature"),
        (("projections", "show", "routes", "--at", "six"), "is no position"),
        (("projections", "diff", "routes", "--from", "3", "--to", "77"), "the log ends at position 5"),
    ]:
        done = mu(*arguments, "--folder", folder)
        assert done.returncode == 2, done
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


@given(st.text(max_size=12))
def test_slots_are_a_range_or_refused(text: str):
    try:
        first, last = parse_slots(text)
    except InvalidInput:
        return
    assert (first, last) != (None, None)
    assert first is None or last is None or first <= last


@given(st.text(max_size=12))
def test_a_pattern_works_or_is_refused(text: str):
    log = open_log(MemoryEngine())
    append_all(log, [joined(0)])
    try:
        wanted = EntryFilter(pattern=parse_pattern(text))
    except InvalidInput:
        return
    wanted.matches(log.read()[0])


def test_an_entry_that_is_missing_is_not_another_one(folder: Path):
    engine = LmdbEngine(find_region_folder(folder).log)
    with engine.begin() as transaction:
        transaction.delete(b"log/e" + (2).to_bytes(8, "big"))
        transaction.commit()
    engine.close()
    done = mu("events", "show", "2", "--folder", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "position 2: is missing" in done.stderr
