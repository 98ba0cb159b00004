"""Replays a log from its first entry, and says in what it agrees with itself and with the chain, and where not."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from contract.errors import DecodeError
from events.engine.memory import MemoryEngine
from events.export import Progress, no_progress
from events.log import FIRST_POSITION, READ_BATCH_ENTRIES, Entry, Log
from events.record import Record
from events.recorder import EngineProcessRecorder
from events.verification import Verified
from events.verification.findings import Disagreement
from events.verify import examine
from mu.audit_accounts import AccountsAudit
from mu.audit_chain import ChainComparison, Compared
from mu.audit_transactions import TransactionsCompared
from mu.marketplace import Marketplace
from projections.runner import Runner, RunnerLimits


class Checksum(msgspec.Struct, frozen=True):
    """A projection's state at the end of the log, or where it stopped."""

    name: str
    position: int
    checksum: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was replayed and checked. `position` is the last that could be read; `compared` how many accounts were
    compared with the chain's, and `transactions` which of the log's transactions; None if none were to be.
    `disagreements` are by position.
    """

    verified: Verified
    position: int
    checksums: tuple[Checksum, ...]
    scopes: int
    accounts: dict[str, int]
    charges: int
    unknown_commissions: int
    compared: int | None
    transactions: TransactionsCompared | None
    disagreements: tuple[Disagreement, ...]


class Replay:
    """One replay of a log. `run` does what needs the log alone, `compare` goes on with the chain."""

    def __init__(self, recorder: EngineProcessRecorder) -> None:
        self._recorder = recorder
        self._accounts = AccountsAudit()
        self._compared: Compared | None = None

    def run(self, progress: Progress = no_progress, *, verifying: Progress = no_progress) -> None:
        """Verify the log, fold it into all projections, rebuild the accounts, and recompute the charges."""
        self._verified = examine(self._recorder, progress=verifying)
        # with an engine of its own, so that no checkpoint of a node's is trusted
        self._runner = Runner(Log(self._recorder, lambda: 0), MemoryEngine(), RunnerLimits())
        self._position = FIRST_POSITION - 1
        unread = self._verified.unread
        last = unread[0][0] - 1 if unread else self._verified.head.position
        for entry in _readable(Log(self._recorder, lambda: 0), last):
            self._runner.feed([entry])
            self._accounts.add(entry)
            self._position = entry.position
            if entry.position % READ_BATCH_ENTRIES == 0:
                progress(entry.position)
        self._accounts.finish(self._hash_at)

    async def compare(self, marketplace: Marketplace, progress: Progress = no_progress) -> None:
        """Compare the accounts with the chain's, and ask it for the transactions. Raises `ChainUnavailable`."""
        comparison = ChainComparison(marketplace)
        comparison.programs(self._verified.old_scopes)
        await comparison.accounts(self._accounts)
        entries = _readable(Log(self._recorder, lambda: 0), self._position)
        await comparison.transactions(entries, self._accounts.retracted, progress)
        self._compared = comparison.result

    def report(self) -> Report:
        """What was found."""
        stopped = [
            Disagreement(
                progress.parked.position,
                f"the projection {name} stops here: {_reason(progress.parked.traceback)}",
            )
            for name, progress in self._runner.progress.items()
            if progress.parked is not None
        ]
        found = [*self._verified.disagreements, *stopped, *self._accounts.disagreements]
        if self._compared is not None:
            found += self._compared.disagreements
        return Report(
            verified=self._verified,
            position=self._position,
            checksums=tuple(
                Checksum(one.name, self._runner.progress[one.name].position, one.checksum())
                for one in self._runner.projections
            ),
            scopes=len(self._accounts.scopes),
            accounts=dict(
                sorted(
                    Counter(type(account).__name__ for account in self._accounts.accounts.values()).items()
                )
            ),
            charges=self._accounts.charges,
            unknown_commissions=self._accounts.unknown_commissions,
            compared=None if self._compared is None else self._compared.accounts,
            transactions=None if self._compared is None else self._compared.transactions,
            disagreements=tuple(sorted(found, key=lambda one: one.position)),
        )

    def _hash_at(self, position: int) -> bytes | None:
        found = self._recorder.record(position) if position <= self._position else None
        return None if found is None else found.hash


class Parting(msgspec.Struct, frozen=True):
    """The first position at which two logs have not the same record; None is the end of a log."""

    position: int
    first: Record | None
    second: Record | None


def part(
    first: EngineProcessRecorder, second: EngineProcessRecorder, progress: Progress = no_progress
) -> Parting | None:
    """Where two logs part; None if they are the same.

    Reads every record, as an altered one need not show in a later hash.
    """
    position = FIRST_POSITION
    while True:
        ours = dict(first.records(position, READ_BATCH_ENTRIES))
        theirs = dict(second.records(position, READ_BATCH_ENTRIES))
        for place in range(position, position + READ_BATCH_ENTRIES):
            if ours.get(place) != theirs.get(place):
                return Parting(place, ours.get(place), theirs.get(place))
        if not ours:
            return None
        position += READ_BATCH_ENTRIES
        progress(position - 1)


def _readable(log: Log, last: int) -> Iterator[Entry]:
    """The entries up to the position `last`, or the first that cannot be read, which verification has named."""
    position = FIRST_POSITION
    while position <= last:
        try:
            entries = log.read(position)
        except DecodeError:
            entries = _singly(log, position)
        for entry in entries:
            if entry.position != position or position > last:
                return
            yield entry
            position += 1
        if not entries:
            return


def _singly(log: Log, position: int) -> list[Entry]:
    try:
        return log.read(position, 1)
    except DecodeError:
        return []


def _reason(traceback: str) -> str:
    return traceback.strip().rpartition("\n")[2]
