"""The Marketplace's whole story in one log, for the tests of audits: in it, everything agrees."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.signature import Signature

from contract import client
from events.catalogue import ChainSource, Event, Finality, Source, UsageReported
from events.chain.decode import catalogue_event
from events.engine import Engine
from events.engine.memory import MemoryEngine
from events.log import Entry, Log
from events.recorder import EngineProcessRecorder
from tests.contract.cluster import Cluster
from tests.contract.world import World

RECORDED_AT = 1_700_000_000_000
UPDATE_USAGE = sha256(b"global:update_usage").digest()[:8]
"""Its data goes on with the bump (u8), the first and the last position (u64), and the digest (32 bytes)."""


@dataclass
class LoggedWorld(World):
    """A world each of whose events is appended to a log; its usage reports have that log's digests."""

    engine: Engine = field(default_factory=MemoryEngine)
    events_per_slot: int = 1

    def __post_init__(self) -> None:
        self.log = log_on(self.engine)
        super().__post_init__()

    def do(self, instruction: Instruction, *keys: Keypair | None) -> client.ProgramEvent:
        event = super().do(self._of_this_log(instruction), *keys)
        number = len(self.events)
        source = ChainSource(number // self.events_per_slot, signature(number), 0, Finality.FINALIZED)
        append(self.log, str(event.scope), (source, catalogue_event(event)))
        return event

    def reports(self) -> list[UsageReported]:
        return [entry.event for entry in self.log.replay() if isinstance(entry.event, UsageReported)]

    def _of_this_log(self, instruction: Instruction) -> Instruction:
        """A report gets the hash of the entry at its last position as its digest."""
        data = bytes(instruction.data)
        if not data.startswith(UPDATE_USAGE):
            return instruction
        [entry] = self.log.read(int.from_bytes(data[17:25], "little"), 1)
        return Instruction(instruction.program_id, data[:25] + entry.hash + data[57:], instruction.accounts)


def world(engine: Engine | None = None, events_per_slot: int = 1) -> LoggedWorld:
    """After its story and every call, each of them logged."""
    found = LoggedWorld(Cluster(), engine=engine or MemoryEngine(), events_per_slot=events_per_slot)
    found.do(*found.update_usage())
    found.do(*found.deposit(found.carol, found.escrow, 1_000_000))
    for name in ("update_stack", "create_request_signer", "update_region", "delete_stack"):
        found.do(*found.calls()[name]())
    return found


def signature(number: int) -> str:
    """Of the transaction with this number, from 1."""
    return str(Signature(number.to_bytes(64, "big")))


def log_on(engine: Engine) -> Log:
    return Log(EngineProcessRecorder(engine), lambda: RECORDED_AT)


def append(log: Log, stream: str, event: tuple[Source, Event]) -> None:
    log.append(stream, log.version(stream), [event])


def altered(log: Log, change: Callable[[Entry], tuple[Source, Event] | None]) -> MemoryEngine:
    """The engine of a log in which each entry is as `change` makes it, or left out."""
    engine = MemoryEngine()
    copy = log_on(engine)
    for entry in log.replay():
        changed = change(entry)
        if changed is not None:
            append(copy, entry.stream, changed)
    return engine
