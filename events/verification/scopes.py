"""What is checked of the chain's events: that each scope's are those that the program has numbered and hashed. Pure."""

import msgspec

from contract.errors import DecodeError
from events.catalogue import ChainEvent, ChainSource, Finality, Finalized, Retracted, Source
from events.log import FIRST_POSITION
from events.program_bytes import event_hash
from events.record import ZERO_HASH
from events.verification.findings import Findings


class _Scope(msgspec.Struct):
    """How far a scope's events have come, where in the log, and up to where they are final."""

    position: int = FIRST_POSITION - 1
    sequence: int = 0
    hash: bytes = ZERO_HASH
    finalized: int = 0
    pending: dict[int, int] = msgspec.field(default_factory=dict[int, int])
    """The positions of the events that are not final, by their sequences."""
    old_position: int | None = None
    """The first event in an old version of its kind."""
    is_present: bool = False
    """Whether there is one in the present version of its kind: the first program had none of those."""


class ScopesVerification:
    """A fold over the events of a log's scopes."""

    def __init__(self, findings: Findings) -> None:
        self.events = 0
        self._findings = findings
        self._scopes: dict[str, _Scope] = {}

    @property
    def count(self) -> int:
        """How many scopes there are."""
        return len(self._scopes)

    @property
    def old(self) -> dict[str, int]:
        """The scopes of another program, whose events have no hash that could be checked; with the first of each."""
        return {
            address: scope.old_position
            for address, scope in self._scopes.items()
            if scope.old_position is not None
        }

    def add(self, source: Source, event: ChainEvent | Finalized | Retracted, *, is_old: bool) -> None:
        """Check the event at the present position; `is_old`: it was stored in an old version of its kind."""
        scope = self._scopes.setdefault(event.scope, _Scope())
        match event:
            case Retracted():
                self._retracted(scope, event)
            case Finalized():
                self._finalized(scope, event)
            case _:
                self.events += 1
                self._sequence(scope, event)
                if isinstance(source, ChainSource) and source.finality is Finality.FINALIZED:
                    _finalize(scope, event.sequence)
                else:
                    scope.pending[event.sequence] = self._findings.position
                self._version(scope, event, is_old=is_old)
                if not is_old:
                    self._content(event)

    def _sequence(self, scope: _Scope, event: ChainEvent) -> None:
        name = f"event {event.sequence} of {event.scope}"
        if self._findings.has_lost(since=scope.position):
            pass
        elif event.sequence != scope.sequence + 1:
            self._findings.disagree(f"{name} comes after event {scope.sequence}")
        elif event.previous_hash != scope.hash:
            self._findings.disagree(f"{name} does not hold the hash of the event before it")
        scope.position, scope.sequence, scope.hash = (
            self._findings.position,
            event.sequence,
            event.event_hash,
        )

    def _version(self, scope: _Scope, event: ChainEvent, *, is_old: bool) -> None:
        """What another program logged cannot be checked; but a scope is of one program."""
        if is_old and scope.old_position is None:
            scope.old_position = self._findings.position
        scope.is_present |= not is_old
        if scope.is_present and scope.old_position is not None:
            self._findings.disagree(
                f"an old version of its event, in a scope of the present program's: {event.scope}",
                scope.old_position,
            )
            scope.old_position = None

    def _content(self, event: ChainEvent) -> None:
        try:
            agrees = event_hash(event) == event.event_hash
        except DecodeError as error:
            self._findings.disagree(str(error))
            return
        if not agrees:
            self._findings.disagree(
                f"event {event.sequence} of {event.scope} does not have the hash that it says"
            )

    def _retracted(self, scope: _Scope, event: Retracted) -> None:
        """No more than the first thing that is wrong is told."""
        findings = self._findings
        first, last = event.first_sequence, event.last_sequence
        name = f"a retraction of the events {first} to {last} of {event.scope}"
        is_last = last == scope.sequence or findings.has_lost(since=scope.position)
        if not is_last or not 1 <= first <= last:
            findings.disagree(f"{name}, the last of which is {scope.sequence}")
            return
        if first <= scope.finalized:
            findings.disagree(f"{name}, which are finalized up to {scope.finalized}")
            return
        if len(event.positions) != last - first + 1:
            findings.disagree(f"{name} names {len(event.positions)} positions")
            return
        for sequence, position in enumerate(event.positions, first):
            if scope.pending.get(sequence) != position and not findings.is_lost(position):
                findings.disagree(f"{name} names position {position}, which is not event {sequence}")
                return
        before = findings.chain_event_before(event.positions[0])
        if before is None:
            # what its event followed on is lost too
            scope.position = FIRST_POSITION - 1
        else:
            scope.position, scope.hash = findings.position, before.previous_hash
        scope.sequence = first - 1
        for sequence in range(first, last + 1):
            scope.pending.pop(sequence, None)

    def _finalized(self, scope: _Scope, event: Finalized) -> None:
        is_known = event.sequence <= scope.sequence or self._findings.has_lost(since=scope.position)
        if not (scope.finalized <= event.sequence and is_known):
            self._findings.disagree(
                f"event {event.sequence} of {event.scope} is called finalized, "
                f"after {scope.finalized} was, and {scope.sequence} is the last"
            )
            return
        _finalize(scope, event.sequence)


def _finalize(scope: _Scope, sequence: int) -> None:
    scope.finalized = max(scope.finalized, sequence)
    scope.pending = {pending: at for pending, at in scope.pending.items() if pending > sequence}
