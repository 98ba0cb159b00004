"""Replays a log from its first entry, and says in what it agrees with itself and with the chain, and where not."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from contract.accounts import Account, Escrow, Provider, Region, Scope
from contract.errors import DecodeError
from events.engine.memory import MemoryEngine
from events.log import FIRST_POSITION, READ_BATCH_ENTRIES, Entry, Log
from events.record import Record
from events.recorder import EngineProcessRecorder
from events.verification import Disagreement, Verified
from events.verify import examine
from mu.audit_accounts import AccountsAudit, scope_of
from mu.marketplace import Marketplace, WrongAccount
from projections.differences import differences
from projections.runner import Runner, RunnerLimits

REGION_FIELDS = {Provider: ("region_count",), Escrow: ("balance", "withdrawal_from", "locks")}
"""What the events of regions change of accounts in other scopes."""

Progress = Callable[[int], None]


class Checksum(msgspec.Struct, frozen=True):
    """A projection's state at the end of the log, or where it stopped."""

    name: str
    position: int
    checksum: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was replayed and checked. `position` is the last that could be read; `compared` how many accounts were
    compared with the chain's, None if none were to be. `disagreements` are by position.
    """

    verified: Verified
    position: int
    checksums: tuple[Checksum, ...]
    scopes: int
    accounts: dict[str, int]
    charges: int
    unknown_commissions: int
    compared: int | None
    disagreements: tuple[Disagreement, ...]


class Replay:
    """One replay of a log. `run` does what needs the log alone, `compare` goes on with the chain."""

    def __init__(self, recorder: EngineProcessRecorder) -> None:
        self._recorder = recorder
        self._accounts = AccountsAudit()
        self._compared: int | None = None
        self._differing: list[Disagreement] = []

    def run(self, progress: Progress = lambda position: None) -> None:
        """Verify the log, fold it into all projections, rebuild the accounts, and recompute the charges."""
        self._verified = examine(self._recorder)
        # with an engine of its own, so that no checkpoint of a node's is trusted
        self._runner = Runner(Log(self._recorder, lambda: 0), MemoryEngine(), RunnerLimits())
        self._position = FIRST_POSITION - 1
        for entry in _readable(Log(self._recorder, lambda: 0), self._verified.head.position):
            self._runner.feed([entry])
            self._accounts.add(entry)
            self._position = entry.position
            if entry.position % READ_BATCH_ENTRIES == 0:
                progress(entry.position)
        self._accounts.finish(self._hash_at)

    async def compare(self, marketplace: Marketplace) -> None:
        """Compare the accounts with the chain's. Raises `ChainUnavailable`."""
        regions = {address: region.provider for address, region in await marketplace.accounts(Region)}
        self._compared = 0
        if not self._accounts.scopes:
            self._differing.append(
                Disagreement(FIRST_POSITION, "the log has nothing to compare with the chain")
            )
        ahead: set[Pubkey] = set()
        for scope, position in self._accounts.scopes.items():
            here, there = self._accounts.accounts.get(scope), await _on_chain(marketplace, scope, Scope)
            if isinstance(here, Scope) and isinstance(there, Scope) and here.sequence != there.sequence:
                ahead.add(scope)
                problem = f"event {here.sequence} is the last of {scope}; the chain is at {there.sequence}"
                self._differing.append(Disagreement(position, problem))
        for address, account in self._accounts.accounts.items():
            scope = scope_of(address, account)
            if scope in ahead:
                continue
            self._compared += 1
            partial = _provider_of(address, account) in {
                provider for region, provider in regions.items() if region not in self._accounts.scopes
            }
            for problem in await _differing(marketplace, address, account, partial=partial):
                self._differing.append(Disagreement(self._accounts.scopes[scope], problem))

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
        found = [*self._verified.disagreements, *stopped, *self._accounts.disagreements, *self._differing]
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
            compared=self._compared,
            disagreements=tuple(sorted(found, key=lambda one: one.position)),
        )

    def _hash_at(self, position: int) -> bytes | None:
        found = self._recorder.records(position, 1) if FIRST_POSITION <= position <= self._position else []
        return found[0][1].hash if found and found[0][0] == position else None


class Parting(msgspec.Struct, frozen=True):
    """The first position at which two logs have not the same record; None is the end of a log."""

    position: int
    first: Record | None
    second: Record | None


def part(
    first: EngineProcessRecorder, second: EngineProcessRecorder, progress: Progress = lambda position: None
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


async def _on_chain(marketplace: Marketplace, address: Pubkey, kind: type[Any]) -> Account | str | None:
    """The account on chain, or what is wrong with it. Raises `ChainUnavailable`."""
    try:
        return await marketplace.account(address, kind)
    except (WrongAccount, DecodeError) as error:
        return str(error)


async def _differing(
    marketplace: Marketplace, address: Pubkey, account: Account, *, partial: bool
) -> list[str]:
    """How an account differs from the chain's; `partial` leaves out what other regions' events may have changed."""
    name = f"{type(account).__name__} {address}"
    found = await _on_chain(marketplace, address, type(account))
    if found is None:
        return [f"{name} is not on chain"]
    if isinstance(found, str):
        return [found]
    here, there = (msgspec.to_builtins(one, enc_hook=str) for one in (account, found))
    skipped = REGION_FIELDS.get(type(account), ()) if partial else ()
    return [
        f"{name}: {'.'.join(one.path)} is {one.after} on chain, and {one.before} by the log"
        for one in differences(here, there)
        if one.path[0] not in skipped
    ]


def _provider_of(address: Pubkey, account: Account) -> Pubkey | None:
    return (
        address
        if isinstance(account, Provider)
        else account.provider
        if isinstance(account, Escrow)
        else None
    )


def _reason(traceback: str) -> str:
    return traceback.strip().rpartition("\n")[2]
