import json

from cli.output import entry_json, entry_line, function_log_line, printable
from events.catalogue import StackFailed
from events.engine.memory import MemoryEngine
from mu.function_log import FunctionLog
from mu.runtime.protocol import Level, Log
from tests.entries import NODES, STACKS, append_all, deployed, open_log


def test_what_others_wrote_cannot_steer_the_terminal():
    assert printable("a\nb\x1b[2Jc\x9b\u202edé…") == "a\\nb\\x1b[2Jc\\x9b\\u202edé…"
    line = function_log_line(FunctionLog(STACKS[0], "f.g", "id", Log("one\nerror       forged", Level.INFO)))
    assert line == "info        f.g: one\\nerror       forged"


def test_an_entry_is_one_line_and_its_json_whole():
    log = open_log(MemoryEngine())
    failed = StackFailed(stack=STACKS[0], revision=1, node=NODES[0][0], reason="x\n" * 100)
    append_all(log, [deployed(STACKS[0], b"\x01\x02"), failed])
    first, second = log.read()
    assert "\n" not in entry_line(second)
    assert entry_line(first).split()[1:6] == ["1970-01-01", "00:16:40", "slot", "5", "StackDeployed"]
    document = json.loads(entry_json(second))
    assert (document["kind"], document["event"]["reason"], document["position"]) == (
        "StackFailed",
        "x\n" * 100,
        2,
    )
    assert json.loads(entry_json(first))["event"]["manifest"] == "AQI="
