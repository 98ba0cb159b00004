"""What is checked of a log, record by record: a fold that collects what disagrees. Pure."""

import msgspec

from contract.errors import DecodeError
from events import codec
from events.catalogue import ChainEvent, Finalized, Retracted, kind
from events.codec import Recorded
from events.log import FIRST_POSITION
from events.log_keys import Head
from events.record import ZERO_HASH, Record
from events.upcast import version_of
from events.verification.findings import Disagreement, Findings, RecordAt
from events.verification.nodes import NodesVerification, Signer
from events.verification.scopes import ScopesVerification


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked: the log's head, how many entries, checkpoints and chain events there are, in how many scopes,
    and who signed the checkpoints; and all that disagrees. `position` is how far that went, which is not the head's
    where too much disagreed; `unread` are the first and last positions of what could not be read. `old_scopes` are
    those of an earlier program, with the positions of their first events: their content is believed.
    """

    head: Head
    position: int
    unread: tuple[tuple[int, int], ...]
    entries: int
    checkpoints: int
    signers: tuple[Signer, ...]
    chain_events: int
    scopes: int
    old_scopes: dict[str, int]
    disagreements: tuple[Disagreement, ...]


class _Stream(msgspec.Struct):
    """How far a stream has come, and where in the log."""

    version: int = 0
    position: int = FIRST_POSITION - 1


class Verification:
    """A fold over all records of a log that collects what disagrees. Reads nothing but through `record_at`.

    - Positions have no gap, each record holds the hash of the one before.
    - Each stream's versions count from 1 without a gap; a record is called what its event is, and has the bytes that mu
      writes for it.
    - Each event is in the stream where it belongs (`events.streams`). Chain events come from the chain, all others from
      a node that has joined: its own events from itself.
    - Each scope's chain events have the program's sequence without a gap, and each holds the hash of the one before; a
      `Retracted` takes back the last ones, none of them finalized, and the next follow from what is left.
    - Each chain event hashes to what it says, as the program logged it (but for old versions: another program's, whose
      scopes have no others).
    - Each checkpoint has the hash of the entry that it names, signed with the key with which its node joined. Whether
      the chain knows that key, `Signer` says: a node's joining is its own word.

    Records that cannot be read disagree once; what they may have said is held against none of the others.
    """

    def __init__(self, record_at: RecordAt) -> None:
        self._findings = Findings(record_at)
        self._hash: bytes | None = ZERO_HASH
        """Of the last record; None if that could not be read."""
        self._entries = 0
        self._streams: dict[str, _Stream] = {}
        self._scopes = ScopesVerification(self._findings)
        self._nodes = NodesVerification(self._findings)

    @property
    def position(self) -> int:
        """The last that was checked, or could not be read."""
        return self._findings.position

    def add(self, position: int, record: Record) -> None:
        """Check the next record."""
        findings = self._findings
        if position != findings.position + 1:
            findings.disagree("is missing", findings.position + 1)
        elif self._hash is not None and record.previous_hash != self._hash:
            findings.disagree("does not hold the hash of the entry before it", position)
        findings.position, self._hash = position, record.hash
        self._entries += 1
        self._check_stream(record)
        try:
            recorded = codec.decode(record.state)
        except DecodeError as error:
            findings.disagree(str(error))
            return
        if record.topic != kind(recorded.event):
            findings.disagree(f"a {kind(recorded.event)} is called {record.topic}")
        is_old = self._is_old(record.state, recorded)
        if isinstance(recorded.event, (ChainEvent, Finalized, Retracted)):
            self._scopes.add(recorded.source, recorded.event, is_old=is_old)
        self._nodes.add(record.stream, recorded.source, recorded.event)

    def lose(self, first: int, last: int, problem: str, last_hash: bytes | None = None) -> None:
        """The next records cannot be read; of the last one only the hash may be known."""
        self._findings.disagree(problem, first)
        self._findings.lose(first, last)
        self._hash = last_hash

    def disagree(self, position: int, problem: str) -> None:
        """Something does not fit at a position."""
        self._findings.disagree(problem, position)

    @property
    def is_full(self) -> bool:
        """Whether so much disagrees that no more is told."""
        return self._findings.is_full

    def finish(self, head: Head) -> Verified:
        """The log ends here, and says that `head` is its head."""
        if head.position != self.position:
            self._findings.disagree(
                f"is the last entry, but the head of the log names position {head.position}"
            )
        elif self._hash is not None and head.hash != self._hash:
            self._findings.disagree("does not have the hash that the head of the log names")
        return self.result(head)

    def result(self, head: Head) -> Verified:
        """What has been found so far."""
        signers = self._nodes.signers
        return Verified(
            head=head,
            position=self.position,
            unread=tuple(self._findings.lost),
            entries=self._entries,
            checkpoints=sum(signer.checkpoints for signer in signers),
            signers=signers,
            chain_events=self._scopes.events,
            scopes=self._scopes.count,
            old_scopes=self._scopes.old,
            disagreements=tuple(self._findings.disagreements),
        )

    def _check_stream(self, record: Record) -> None:
        findings = self._findings
        stream = self._streams.setdefault(record.stream, _Stream())
        version, lost = stream.version + 1, findings.has_lost(since=stream.position)
        if record.version != version and not (lost and record.version > version):
            findings.disagree(f"version {record.version} of {record.stream} should be {version}")
        stream.version, stream.position = record.version, findings.position

    def _is_old(self, state: bytes, recorded: Recorded) -> bool:
        """Whether the event was stored in another version than its kind's present one. What is not has one encoding
        only, so that nothing can be hidden in the bytes.
        """
        if codec.encode(recorded) == state:
            return False
        if _stored_version(state) != version_of(str(type(recorded.event).__struct_config__.tag)):
            return True
        self._findings.disagree(f"the bytes of a {kind(recorded.event)} are not those that mu writes for it")
        return False


class _Tag(msgspec.Struct):
    type: str


class _Tagged(msgspec.Struct):
    event: _Tag


_tag = msgspec.msgpack.Decoder(_Tagged)


def _stored_version(state: bytes) -> tuple[str, int] | None:
    return version_of(_tag.decode(state).event.type)
