"""Logs for the tests of what works on whole logs."""

from collections.abc import Iterable, Iterator

import msgspec
from solders.keypair import Keypair

from events.catalogue import NodeJoined, NodeSource, RegionCreated, StackFailed
from events.engine import Engine
from events.log import Log
from events.log_file import Frame, Header, LogFileDecoder, LogFileEncoder, Trailer
from events.node import node_hash
from events.program_bytes import event_hash
from events.record import ZERO_HASH, Record
from events.recorder import EngineProcessRecorder
from events.streams import node_stream
from tests import entries
from tests.entries import SCOPE, STACKS, open_log, source_of

NODE_KEY, OTHER_KEY = (Keypair.from_seed(bytes([number] * 32)) for number in (5, 6))
NODE, OTHER = (node_hash("10.0.0.1", port, 1) for port in (7000, 7001))
STREAM, OTHER_STREAM = (node_stream(str(key.pubkey())) for key in (NODE_KEY, OTHER_KEY))
REGION = SCOPE


def region_created() -> RegionCreated:
    created = entries.region_created()
    return msgspec.structs.replace(created, event_hash=event_hash(created))


def joined() -> NodeJoined:
    return NodeJoined(
        node=NODE, address="10.0.0.1", port=7000, generation=1, public_key=str(NODE_KEY.pubkey())
    )


def other_joined() -> NodeJoined:
    return NodeJoined(
        node=OTHER, address="10.0.0.1", port=7001, generation=1, public_key=str(OTHER_KEY.pubkey())
    )


def failed(number: int, reason_characters: int = 3, node: str = NODE) -> StackFailed:
    reason = "".join(chr(97 + (number * place) % 26) for place in range(1, reason_characters + 1))
    return StackFailed(stack=STACKS[number % 4], revision=number, node=node, reason=reason)


def fill(engine: Engine, count: int, *, reason_characters: int = 3) -> Log:
    """A log of `count` entries in three streams: a region, and two nodes with what fails there."""
    log = open_log(engine)
    if count > 0:
        log.append(SCOPE, 0, [(source_of(region_created()), region_created())])
    if count > 1:
        log.append(STREAM, 0, [(NodeSource(NODE, 1), joined())])
    if count > 2:
        log.append(OTHER_STREAM, 0, [(NodeSource(OTHER, 1), other_joined())])
    append_failures(log, range(3, count), reason_characters)
    return log


def append_failures(log: Log, numbers: Iterable[int], reason_characters: int = 3) -> None:
    """More entries, in two streams by turns."""
    events: dict[str, list[StackFailed]] = {STREAM: [], OTHER_STREAM: []}
    for number in numbers:
        stream, node = (STREAM, NODE) if number % 3 else (OTHER_STREAM, OTHER)
        events[stream].append(failed(number, reason_characters, node))
    for stream, happened in events.items():
        for start in range(0, len(happened), 50):
            batch = happened[start : start + 50]
            log.append(stream, log.version(stream), [(NodeSource(event.node, 1), event) for event in batch])


def log_records(engine: Engine) -> list[bytes]:
    """The bytes of all records."""
    return [record.encode() for _, record in EngineProcessRecorder(engine).records(1, 10**6)]


def chained(states: list[bytes], previous_hash: bytes = ZERO_HASH) -> list[bytes]:
    """Records with these states, each with the hash of the one before."""
    found: list[bytes] = []
    for version, state in enumerate(states, 1):
        record = Record(previous_hash, "stream", version, "topic", state)
        found.append(record.encode())
        previous_hash = record.hash
    return found


def make_file(
    records: list[bytes], *, first: int = 1, previous_hash: bytes = ZERO_HASH, region: str = REGION
) -> bytes:
    """The log file with these records."""
    header = Header(
        region=region,
        first_position=first,
        last_position=first + len(records) - 1,
        previous_hash=previous_hash,
        created_at=1_700_000_000_000,
    )
    encoder = LogFileEncoder(header)
    return b"".join([encoder.start(), *map(encoder.add, records), encoder.finish()])


def items(decoder: LogFileDecoder) -> Iterator[Header | Frame | Trailer]:
    """All that the decoder can give now."""
    while (item := decoder.next_item()) is not None:
        yield item
