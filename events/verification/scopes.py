"""What is checked of the chain's events: that each scope's are those that the program has numbered and hashed. Pure."""

import msgspec

from contract.errors import DecodeError
from events.catalogue import ChainEvent, Finalized, Retracted
from events.log import FIRST_POSITION
from events.program_bytes import event_hash
from events.record import ZERO_HASH
from events.upcast import FIRST_VERSION, UPCASTERS
from events.verification.findings import Findings


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

    def add(self, event: ChainEvent | Finalized | Retracted, *, is_old: bool) -> None:
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
        if not is_old:
            scope.is_present |= (type(event).__name__, FIRST_VERSION) in UPCASTERS
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
        findings = self._findings
        name = f"a retraction of the events {event.first_sequence} to {event.last_sequence} of {event.scope}"
        is_last = event.last_sequence == scope.sequence or findings.has_lost(since=scope.position)
        if not is_last or event.first_sequence > event.last_sequence:
            findings.disagree(f"{name}, the last of which is {scope.sequence}")
        if event.first_sequence <= scope.finalized:
            findings.disagree(f"{name}, which are finalized up to {scope.finalized}")
        if len(event.positions) != event.last_sequence - event.first_sequence + 1:
            findings.disagree(f"{name} names {len(event.positions)} positions")
        for sequence, position in enumerate(event.positions, event.first_sequence):
            is_first = sequence == event.first_sequence
            if findings.is_lost(position):
                if is_first:
                    # what its event followed on is lost too
                    scope.sequence, scope.position = sequence - 1, FIRST_POSITION - 1
                continue
            retracted = findings.chain_event_before(position)
            if retracted is None or (retracted.scope, retracted.sequence) != (event.scope, sequence):
                findings.disagree(f"{name} names position {position}, which is not event {sequence}")
            elif is_first:
                scope.position, scope.sequence = findings.position, sequence - 1
                scope.hash = retracted.previous_hash

    def _finalized(self, scope: _Scope, event: Finalized) -> None:
        is_known = event.sequence <= scope.sequence or self._findings.has_lost(since=scope.position)
        if not (scope.finalized <= event.sequence and is_known):
            self._findings.disagree(
                f"event {event.sequence} of {event.scope} is called finalized, "
                f"after {scope.finalized} was, and {scope.sequence} is the last"
            )
        scope.finalized = max(scope.finalized, event.sequence)
