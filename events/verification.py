"""What is checked of a log, record by record: a fold that collects what disagrees. Pure."""

from collections.abc import Callable

import msgspec

from contract.errors import DecodeError
from events import codec
from events.catalogue import (
    ChainEvent,
    ChainSource,
    CheckpointSigned,
    Event,
    Finalized,
    NodeJoined,
    NodeSource,
    Retracted,
    Source,
    kind,
)
from events.checkpoints import is_signed
from events.log import FIRST_POSITION
from events.log_keys import Head
from events.program_bytes import event_hash
from events.record import ZERO_HASH, Record
from events.upcast import FIRST_VERSION, UPCASTERS, version_of

RecordAt = Callable[[int], Record | None]
"""The record at a position of the same log."""


class Disagreement(msgspec.Struct, frozen=True):
    """Something in the log that does not fit the rest, and where."""

    position: int
    problem: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked: the log's head, how many entries, checkpoints and chain events there are, in how many scopes;
    and all that disagrees.
    """

    head: Head
    entries: int
    checkpoints: int
    chain_events: int
    scopes: int
    disagreements: tuple[Disagreement, ...]


class _Stream(msgspec.Struct):
    """How far a stream has come, and where in the log."""

    version: int = 0
    position: int = FIRST_POSITION - 1


class _Scope(msgspec.Struct):
    """How far a scope's events have come, where in the log, and up to where they are final."""

    position: int = FIRST_POSITION - 1
    sequence: int = 0
    hash: bytes = ZERO_HASH
    finalized: int = 0
    old_position: int | None = None
    """The first event in an old version of its kind."""
    is_present: bool = False
    """Whether there is one in the present version of a kind that has older ones."""


class Verification:
    """A fold over all records of a log that collects what disagrees. Reads nothing but through `record_at`.

    - Positions have no gap, each record holds the hash of the one before.
    - Each stream's versions count from 1 without a gap; a record is called what its event is.
    - Each scope's chain events have the program's sequence without a gap, and each holds the hash of the one before; a
      `Retracted` takes back the last ones, none of them finalized, and the next follow from what is left.
    - Each chain event hashes to what it says, as the program logged it (but for old versions: another program's, whose
      scopes have no others).
    - Each checkpoint has the hash of the entry that it names, signed with the key with which its node joined. That the
      key is a node's of the region, the log alone does not tell.

    Records that cannot be read disagree once; what they may have said is held against none of the others.
    """

    def __init__(self, record_at: RecordAt) -> None:
        self.disagreements: list[Disagreement] = []
        self.position = FIRST_POSITION - 1
        self.hash: bytes | None = ZERO_HASH
        """Of the last record; None if that could not be read."""
        self.entries = 0
        self.checkpoints = 0
        self.chain_events = 0
        self.scopes: dict[str, _Scope] = {}
        self._record_at = record_at
        self._streams: dict[str, _Stream] = {}
        self._keys: dict[str, str] = {}
        self._lost: list[tuple[int, int]] = []
        """The first and last positions of what could not be read, in order."""

    def add(self, position: int, record: Record) -> None:
        """Check the next record."""
        if position != self.position + 1:
            self.disagree(self.position + 1, "is missing")
        elif self.hash is not None and record.previous_hash != self.hash:
            self.disagree(position, "does not hold the hash of the entry before it")
        self.position, self.hash = position, record.hash
        self.entries += 1
        self._check_stream(record)
        try:
            recorded = codec.decode(record.state)
        except DecodeError as error:
            self.disagree(position, str(error))
            return
        if record.topic != kind(recorded.event):
            self.disagree(position, f"a {kind(recorded.event)} is called {record.topic}")
        self._check(recorded.source, recorded.event)
        if isinstance(recorded.event, ChainEvent):
            if not isinstance(recorded.source, ChainSource):
                self.disagree(position, f"a {record.topic} does not come from the chain")
            self._check_version(recorded.event, is_old=_is_old(record.state, recorded.event))

    def lose(self, first: int, last: int, problem: str, last_hash: bytes | None = None) -> None:
        """The next records cannot be read; of the last one only the hash may be known."""
        self.disagree(first, problem)
        self._lost.append((first, last))
        self.position, self.hash = last, last_hash

    def finish(self, head: Head) -> Verified:
        """The log ends here, and says that `head` is its head."""
        if head.position != self.position:
            self.disagree(
                self.position, f"is the last entry, but the head of the log names position {head.position}"
            )
        elif self.hash is not None and head.hash != self.hash:
            self.disagree(self.position, "does not have the hash that the head of the log names")
        return self.result(head)

    def result(self, head: Head) -> Verified:
        """What has been found so far."""
        return Verified(
            head=head,
            entries=self.entries,
            checkpoints=self.checkpoints,
            chain_events=self.chain_events,
            scopes=len(self.scopes),
            disagreements=tuple(self.disagreements),
        )

    def _is_lost_since(self, position: int) -> bool:
        """Whether something after a position could not be read."""
        return bool(self._lost) and self._lost[-1][1] > position

    def _is_lost(self, position: int) -> bool:
        return any(first <= position <= last for first, last in self._lost)

    def _check_stream(self, record: Record) -> None:
        stream = self._streams.setdefault(record.stream, _Stream())
        version, lost = stream.version + 1, self._is_lost_since(stream.position)
        if record.version != version and not (lost and record.version > version):
            self.disagree(self.position, f"version {record.version} of {record.stream} should be {version}")
        stream.version, stream.position = record.version, self.position

    def _check(self, source: Source, event: Event) -> None:
        match event:
            case ChainEvent():
                self._check_chain_event(event)
            case Retracted():
                self._check_retracted(event)
            case Finalized():
                self._check_finalized(event)
            case NodeJoined():
                if self._keys.setdefault(event.node, event.public_key) != event.public_key:
                    self.disagree(self.position, f"{event.node} has joined before, with another key")
            case CheckpointSigned():
                self._check_checkpoint(source, event)
            case _:
                pass

    def _check_chain_event(self, event: ChainEvent) -> None:
        scope = self.scopes.setdefault(event.scope, _Scope())
        name = f"event {event.sequence} of {event.scope}"
        if self._is_lost_since(scope.position):
            pass
        elif event.sequence != scope.sequence + 1:
            self.disagree(self.position, f"{name} comes after event {scope.sequence}")
        elif event.previous_hash != scope.hash:
            self.disagree(self.position, f"{name} does not hold the hash of the event before it")
        scope.position, scope.sequence, scope.hash = self.position, event.sequence, event.event_hash
        self.chain_events += 1

    def _check_version(self, event: ChainEvent, *, is_old: bool) -> None:
        """What another program logged cannot be checked; but a scope is of one program."""
        scope = self.scopes[event.scope]
        if is_old and scope.old_position is None:
            scope.old_position = self.position
        if not is_old:
            scope.is_present |= (type(event).__name__, FIRST_VERSION) in UPCASTERS
            self._check_content(event)
        if scope.is_present and scope.old_position is not None:
            self.disagree(
                scope.old_position,
                f"an old version of its event, in a scope of the present program's: {event.scope}",
            )
            scope.old_position = None

    def _check_content(self, event: ChainEvent) -> None:
        try:
            agrees = event_hash(event) == event.event_hash
        except DecodeError as error:
            self.disagree(self.position, str(error))
            return
        if not agrees:
            self.disagree(
                self.position, f"event {event.sequence} of {event.scope} does not have the hash that it says"
            )

    def _check_retracted(self, event: Retracted) -> None:
        scope = self.scopes.setdefault(event.scope, _Scope())
        name = f"a retraction of the events {event.first_sequence} to {event.last_sequence} of {event.scope}"
        is_last = event.last_sequence == scope.sequence or self._is_lost_since(scope.position)
        if not is_last or event.first_sequence > event.last_sequence:
            self.disagree(self.position, f"{name}, the last of which is {scope.sequence}")
        if event.first_sequence <= scope.finalized:
            self.disagree(self.position, f"{name}, which are finalized up to {scope.finalized}")
        if len(event.positions) != event.last_sequence - event.first_sequence + 1:
            self.disagree(self.position, f"{name} names {len(event.positions)} positions")
        for sequence, position in enumerate(event.positions, event.first_sequence):
            if self._is_lost(position):
                if sequence == event.first_sequence:
                    # what its event followed on is lost too
                    scope.sequence, scope.position = sequence - 1, FIRST_POSITION - 1
                continue
            retracted = self._chain_event_at(position)
            if retracted is None or (retracted.scope, retracted.sequence) != (event.scope, sequence):
                self.disagree(
                    self.position, f"{name} names position {position}, which is not event {sequence}"
                )
            elif sequence == event.first_sequence:
                scope.sequence, scope.hash = sequence - 1, retracted.previous_hash
                scope.position = self.position

    def _check_finalized(self, event: Finalized) -> None:
        scope = self.scopes.setdefault(event.scope, _Scope())
        is_known = event.sequence <= scope.sequence or self._is_lost_since(scope.position)
        if not (scope.finalized <= event.sequence and is_known):
            self.disagree(
                self.position,
                f"event {event.sequence} of {event.scope} is called finalized, "
                f"after {scope.finalized} was, and {scope.sequence} is the last",
            )
        scope.finalized = max(scope.finalized, event.sequence)

    def _check_checkpoint(self, source: Source, event: CheckpointSigned) -> None:
        self.checkpoints += 1
        if not is_signed(event):
            self.disagree(self.position, f"the checkpoint of {event.node} is not signed by its key")
        joined = self._keys.get(event.node)
        if joined != event.public_key and not (joined is None and self._lost):
            self.disagree(
                self.position, f"the checkpoint's key is not the one with which {event.node} joined"
            )
        if not isinstance(source, NodeSource) or source.node != event.node:
            self.disagree(self.position, f"the checkpoint of {event.node} was recorded by another")
        record = self._record_at(event.position) if event.position < self.position else None
        if (record is None or record.hash != event.hash) and not self._is_lost(event.position):
            self.disagree(
                self.position, f"the checkpoint is of another log: it differs at position {event.position}"
            )

    def _chain_event_at(self, position: int) -> ChainEvent | None:
        record = self._record_at(position) if position < self.position else None
        if record is None:
            return None
        try:
            event = codec.decode(record.state).event
        except DecodeError:
            return None
        return event if isinstance(event, ChainEvent) else None

    def disagree(self, position: int, problem: str) -> None:
        """Something does not fit at a position."""
        self.disagreements.append(Disagreement(position, problem))


class _Tag(msgspec.Struct):
    type: str


class _Tagged(msgspec.Struct):
    event: _Tag


_tag = msgspec.msgpack.Decoder(_Tagged)


def _is_old(state: bytes, event: Event) -> bool:
    """Whether the event was stored in another version than its kind's present one."""
    return version_of(_tag.decode(state).event.type) != version_of(str(type(event).__struct_config__.tag))
