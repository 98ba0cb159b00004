import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from events.catalogue import NodeLeft, StackStarted
from events.manifest import Endpoint, Function, Gateway, Manifest, Method, Route, RuntimeName, binary_id
from events.manifest_codec import encode
from mu.why import Place, parse_place
from tests.cli.folders import run, write_region
from tests.cli.mu_process import mu
from tests.entries import NODES, STACKS, deployed, joined, region_created

STACK = STACKS[0]
NODE = NODES[0][0]
MANIFEST = Manifest(
    name="App",
    version="1",
    services=(
        Function(name="f", binary=binary_id(b""), runtime=RuntimeName.WASI_1_0, memory_limit_mebibytes=1),
        Gateway(
            name="g", endpoints=(Endpoint(path="/greet/{name}", routes=(Route(Method.GET, "f", "greet"),)),)
        ),
    ),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    started = StackStarted(stack=STACK, revision=1, node=NODE)
    return write_region(tmp_path, [region_created(), joined(0), deployed(STACK, encode(MANIFEST)), started])


@pytest.mark.parametrize(
    "subject", [STACK, f"/{STACK}/g/greet/Ada", f"http://127.0.0.1:8080/{STACK}/g/greet/Ada?greeting=x"]
)
def test_a_stack_and_its_routes(folder: Path, subject: str):
    document = json.loads(run("why", subject, "--folder", folder, "--json").output)
    assert [entry["kind"] for entry in document["causes"]] == [
        "RegionCreated",
        "NodeJoined",
        "StackDeployed",
        "StackStarted",
    ]
    now = {line["label"]: line["text"] for line in document["now"]}
    assert now["stack"] == f"{STACK}, revision 1, live"
    assert now["runs on"] == f"{NODE}, generation 1, at 10.0.0.1:7000"
    assert now["ready"] == f"{NODE}, for revision 1"
    if "greet" in subject:
        assert now["route"] == "GET /greet/{name} is answered by f.greet"


def test_a_person_sees_the_transactions_newest_last(folder: Path):
    lines = run("why", STACK, "--folder", folder).output.splitlines()
    place = lines.index("because")
    assert [line.split()[0] for line in lines[place + 1 :]] == [
        "1",
        "transaction",
        "2",
        "3",
        "transaction",
        "4",
    ]


def test_routes_that_nothing_answers(folder: Path):
    for path, text in [
        (f"/{STACK}/g/nothing", "no endpoint of the gateway g has the path /nothing"),
        (f"/{STACK}/other/greet/Ada", "the stack has no gateway other"),
    ]:
        assert text in run("why", path, "--folder", folder).output


def test_a_node_by_hash_and_by_key_there_and_gone(folder: Path):
    for name in (NODE, "key 7000"):
        shown = run("why", name, "--folder", folder).output
        assert f"ready       {STACK}, for revision 1" in shown
    write_region(folder, [NodeLeft(node=NODE, generation=1)])
    document = json.loads(run("why", NODE, "--folder", folder, "--json").output)
    assert document["now"][0] == {"label": "node", "text": f"{NODE}, gone"}
    assert document["causes"][-1]["kind"] == "NodeLeft"


@pytest.mark.parametrize(
    "subject", ["nothing", STACKS[3], "/x", f"/{STACKS[3]}/g/x", "http://127.0.0.1", "/%zz/g/"]
)
def test_what_the_log_does_not_know_is_bad_input(folder: Path, subject: str):
    done = mu("why", subject, "--folder", folder)
    assert done.returncode == 2
    assert done.stderr.startswith("mu: ROUTE|STACK|NODE: ")


@given(st.text(max_size=20))
def test_any_text_is_a_place_or_none_or_refused(text: str):
    try:
        place = parse_place(text)
    except InvalidInput:
        return
    assert place is None or isinstance(place, Place)
