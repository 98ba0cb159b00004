"""Compares what a log says with the chain: the accounts that follow from it, and the transactions that it names."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import trio
from solders.pubkey import Pubkey
from solders.signature import Signature

from contract.accounts import Account, Escrow, Provider, Region, Scope
from contract.errors import DecodeError
from events.chain.reader import ChainUnavailable
from events.log import FIRST_POSITION, Entry
from events.verification.findings import Disagreement
from mu.audit_accounts import AccountsAudit, scope_of
from mu.audit_transactions import Named, TransactionsCompared, questions
from mu.marketplace import Marketplace, WrongAccount
from projections.differences import differences

REGION_FIELDS = {Provider: ("region_count",), Escrow: ("balance", "withdrawal_from", "locks")}
"""What the events of regions change of accounts in other scopes."""

MAX_ATTEMPTS = 6
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0

T = TypeVar("T")


class Compared(msgspec.Struct, frozen=True):
    """How many accounts were compared with the chain's, which transactions, and what differs."""

    accounts: int
    transactions: TransactionsCompared
    disagreements: tuple[Disagreement, ...]


class ChainComparison:
    """One comparison, through `marketplace`; a question that is not answered is repeated for a while."""

    def __init__(self, marketplace: Marketplace) -> None:
        self._marketplace = marketplace
        self._accounts = 0
        self._transactions = TransactionsCompared()
        self._differing: list[Disagreement] = []

    @property
    def result(self) -> Compared:
        """What has been found so far."""
        return Compared(self._accounts, self._transactions, tuple(self._differing))

    def programs(self, old_scopes: Mapping[str, int]) -> None:
        """Those of an earlier program are not the chain's: their events have no hash that could be compared."""
        for scope, position in old_scopes.items():
            self._differ(position, f"the events of {scope} are not in a form that the chain's program logs")

    async def accounts(self, audited: AccountsAudit) -> None:
        """Compare the rebuilt accounts. Raises `ChainUnavailable`."""
        listed = await _patiently(lambda: self._marketplace.accounts(Region))
        regions = {address: region.provider for address, region in listed}
        if not audited.scopes:
            self._differ(FIRST_POSITION, "the log has nothing to compare with the chain")
        ahead: set[Pubkey] = set()
        for scope, position in audited.scopes.items():
            here, there = audited.accounts.get(scope), await self._on_chain(scope, Scope)
            if isinstance(here, Scope) and isinstance(there, Scope) and here.sequence != there.sequence:
                ahead.add(scope)
                self._differ(
                    position,
                    f"event {here.sequence} is the last of {scope}; the chain is at {there.sequence}",
                )
        others = {provider for region, provider in regions.items() if region not in audited.scopes}
        for address, account in audited.accounts.items():
            scope = scope_of(address, account)
            if scope in ahead:
                continue
            self._accounts += 1
            partial = _provider_of(address, account) in others
            for problem in await self._differences(address, account, partial=partial):
                self._differ(audited.scopes[scope], problem)

    async def transactions(
        self, entries: Iterator[Entry], retracted: set[int], progress: Callable[[int], None]
    ) -> None:
        """Compare the transactions of a log, which is read in a thread. Raises `ChainUnavailable`."""
        asked = questions(entries, retracted)
        while (batch := await trio.to_thread.run_sync(next, asked, None)) is not None:
            await self._ask_of(batch)
            progress(batch[-1].position)

    async def _ask_of(self, batch: Sequence[Named]) -> None:
        asked: list[tuple[Named, Signature]] = []
        for named in batch:
            try:
                asked.append((named, Signature.from_string(named.signature)))
            except ValueError:
                self._differ(named.position, f"{named.signature!r} is no transaction's signature")
        statuses = await _patiently(lambda: self._marketplace.statuses([one for _, one in asked]))
        for (named, _), status in zip(asked, statuses, strict=True):
            self._differing += self._transactions.add(named, status)

    async def _on_chain(self, address: Pubkey, kind: type[Any]) -> Account | str | None:
        """The account on chain, or what is wrong with it. Raises `ChainUnavailable`."""
        try:
            return await _patiently(lambda: self._marketplace.account(address, kind))
        except (WrongAccount, DecodeError) as error:
            return str(error)

    async def _differences(self, address: Pubkey, account: Account, *, partial: bool) -> list[str]:
        """How an account differs from the chain's; `partial` leaves out what other regions' events may have changed."""
        name = f"{type(account).__name__} {address}"
        found = await self._on_chain(address, type(account))
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

    def _differ(self, position: int, problem: str) -> None:
        self._differing.append(Disagreement(position, problem))


async def _patiently(question: Callable[[], Awaitable[T]]) -> T:
    """The answer to a question of many: public nodes answer so many a minute. Raises `ChainUnavailable`."""
    retry_seconds = FIRST_RETRY_SECONDS
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return await question()
        except ChainUnavailable as error:
            wanted_seconds = max(retry_seconds, error.retry_after_seconds or 0.0)
            await trio.sleep(min(wanted_seconds, LONGEST_RETRY_SECONDS))
            retry_seconds *= 2
    return await question()


def _provider_of(address: Pubkey, account: Account) -> Pubkey | None:
    return (
        address
        if isinstance(account, Provider)
        else account.provider
        if isinstance(account, Escrow)
        else None
    )
