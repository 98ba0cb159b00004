"""Rebuilds the Marketplace's accounts from a log, and recomputes every charge on the way. Pure.

A log has some scopes: a node's has its region. What an event says of accounts of other scopes is left out; so is the
rest of a scope one of whose events does not follow from those before.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import msgspec
from solders.pubkey import Pubkey

from contract import addresses
from contract.accounts import (
    Account,
    Authorizer,
    Escrow,
    Provider,
    ProviderStatus,
    Region,
    Scope,
    Stack,
    State,
)
from contract.errors import MuError
from contract.program_event import ProgramEvent
from contract.rebuild import EventMisfit, Rebuilt
from contract.terms import MAX_LOCKS, NO_LOCK
from events.catalogue import (
    ChainEvent,
    ChainSource,
    CommissionUpdated,
    EscrowDeposited,
    EscrowSynced,
    RegionClosed,
    RegionCreated,
    Retracted,
    StackDeleted,
    StackDeployed,
    StackUpdated,
    UsageReported,
    WithdrawalClaimed,
    kind,
)
from events.log import Entry
from events.verification.findings import Disagreement
from mu.audit_charges import wrong_charge, wrong_span

HashAt = Callable[[int], bytes | None]
"""The hash of the log's entry at a position."""


class BalanceParts(MuError):
    """An event's balance does not follow from the one that its escrow had."""


class ChargeParts(MuError):
    """A report's charge does not follow from the terms and the commission that there were."""


class ChainEntry(msgspec.Struct, frozen=True):
    """An event of the chain: its position in the log, and its slot."""

    position: int
    slot: int
    event: ChainEvent


def _in_possible_slots(entries: Iterable[ChainEntry]) -> list[ChainEntry]:
    """A scope's events in order with slots in order: one that has landed again after a fork died may have done so in an
    earlier slot than the log says.
    """
    lowest: dict[str, int] = {}
    found: list[ChainEntry] = []
    for entry in reversed(list(entries)):
        slot = min(entry.slot, lowest.get(entry.event.scope, entry.slot))
        lowest[entry.event.scope] = slot
        found.append(msgspec.structs.replace(entry, slot=slot) if slot < entry.slot else entry)
    return found[::-1]


class AccountsAudit:
    """Takes the entries of a log in order; `finish` then rebuilds and recomputes, and fills the other attributes."""

    def __init__(self) -> None:
        self.disagreements: list[Disagreement] = []
        self.scopes: dict[Pubkey, int] = {}
        """The scopes that are whole, with the position of the last event of each."""
        self.accounts: dict[Pubkey, Account] = {}
        """The accounts of these scopes."""
        self.charges = 0
        self.unknown_commissions = 0
        """How many of the charges were made in a Marketplace of whose commission the log says nothing."""
        self._entries: list[ChainEntry] = []
        self.retracted: set[int] = set()
        """The positions of the events that never happened."""
        self._rebuilt = Rebuilt()
        self._assumed: set[Pubkey] = set()
        self._broken: set[str] = set()
        self._known: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Take the next entry."""
        if isinstance(entry.event, ChainEvent):
            if not isinstance(entry.source, ChainSource):
                self.disagreements.append(
                    Disagreement(entry.position, "an event of the chain has no place there")
                )
                return
            self._entries.append(ChainEntry(entry.position, entry.source.slot, entry.event))
        elif isinstance(entry.event, Retracted):
            self.retracted.update(entry.event.positions)

    def finish(self, hash_at: HashAt) -> None:
        """The log ends here."""
        # each scope is followed by itself, so that the slots of several are mixed in a log
        live = sorted(
            _in_possible_slots(entry for entry in self._entries if entry.position not in self.retracted),
            key=lambda entry: entry.slot,
        )
        self._known = {entry.event.scope for entry in live}
        for _, entries in groupby(live, key=lambda entry: entry.slot):
            self._add_slot(entries, hash_at)
        for entry in live:
            if entry.event.scope not in self._broken:
                scope = Pubkey.from_string(entry.event.scope)
                self.scopes[scope] = max(self.scopes.get(scope, 0), entry.position)
        self.accounts = {
            address: account
            for address, account in self._rebuilt.accounts.items()
            if address not in self._assumed and scope_of(address, account) in self.scopes
        }
        self.disagreements.sort(key=lambda disagreement: disagreement.position)

    def _add_slot(self, entries: Iterable[ChainEntry], hash_at: HashAt) -> None:
        """The log does not tell the order of events in a slot that are of several scopes: find one that fits."""
        waiting = list(entries)
        while waiting:
            # a change of the commission fits anywhere, and what was charged before it does not fit after it
            for held_back in (CommissionUpdated, ()):
                left = [
                    entry
                    for entry in waiting
                    if isinstance(entry.event, held_back) or not self._fits(entry, hash_at)
                ]
                if len(left) < len(waiting):
                    break
            else:
                for entry in waiting:
                    if not self._fits(entry, hash_at):
                        self._add_misfit(entry, hash_at)
                return
            waiting = left

    def _fits(self, entry: ChainEntry, hash_at: HashAt) -> bool:
        try:
            self._add(entry, hash_at, strictly=True)
        except (EventMisfit, BalanceParts, ChargeParts):
            return False
        return True

    def _add_misfit(self, entry: ChainEntry, hash_at: HashAt) -> None:
        try:
            self._check_balance(entry.event)
        except BalanceParts as error:
            self._disagree(entry, str(error))
        try:
            self._add(entry, hash_at, strictly=False)
        except EventMisfit as error:
            self._disagree(entry, str(error))
            self._broken.add(entry.event.scope)

    def _add(self, entry: ChainEntry, hash_at: HashAt, *, strictly: bool) -> None:
        """Raises `EventMisfit`; `strictly`, also `BalanceParts` and `ChargeParts`: it may belong after another."""
        event = entry.event
        if event.scope in self._broken:
            return
        if strictly:
            self._check_balance(event)
        program_event = _program_event(event)
        self._assume(event)
        problems = list(self._wrong_charge(event))
        if strictly and problems:
            raise ChargeParts(problems[0])
        problems += self._wrong_span(entry, hash_at)
        try:
            self._rebuilt.apply(program_event)
        except (ValueError, OverflowError, msgspec.ValidationError) as error:
            raise EventMisfit(program_event, str(error)) from error
        for problem in problems:
            self._disagree(entry, problem)
        if isinstance(event, UsageReported):
            self.charges += 1
            self.unknown_commissions += self._commission_millionths() is None

    def _wrong_charge(self, event: ChainEvent) -> Iterator[str]:
        if isinstance(event, UsageReported):
            region, stack = self._account(event.scope), self._account(event.stack)
            if isinstance(region, Region) and isinstance(stack, Stack):
                yield from wrong_charge(event, region, stack, self._commission_millionths())

    def _wrong_span(self, entry: ChainEntry, hash_at: HashAt) -> Iterator[str]:
        event = entry.event
        if isinstance(event, UsageReported):
            stack = self._account(event.stack)
            if isinstance(self._account(event.scope), Region) and isinstance(stack, Stack):
                yield from wrong_span(event, stack, entry.position, hash_at(event.last_position))

    def _commission_millionths(self) -> int | None:
        state = self._rebuilt.accounts.get(addresses.state_address()[0])
        return state.commission_millionths if isinstance(state, State) else None

    def _check_balance(self, event: ChainEvent) -> None:
        """Raises `BalanceParts`."""
        match event:
            case EscrowDeposited() | EscrowSynced():
                address, before = event.scope, event.balance - event.amount
            case WithdrawalClaimed():
                address, before = event.scope, event.balance + event.amount
            case UsageReported():
                address, before = event.escrow, event.balance + event.charge
            case _:
                return
        escrow = self._account(address)
        known = address in self._known and address not in self._broken
        if isinstance(escrow, Escrow) and known and escrow.balance != before:
            raise BalanceParts(
                f"{kind(event)}: the escrow {address} had {escrow.balance}, not {before}; if the provider has other "
                "regions, their charges are missing here"
            )

    def _assume(self, event: ChainEvent) -> None:
        """Accounts that the event changes, of scopes that the log does not have."""
        match event:
            case RegionCreated(provider=provider) | RegionClosed(provider=provider):
                self._put(provider, _SOME_PROVIDER)
            case StackDeployed() | StackUpdated() | StackDeleted() | UsageReported():
                self._put(event.escrow, _SOME_ESCROW)
            case _:
                pass

    def _put(self, text: str, account: Account) -> None:
        address = _key(text)
        if address is None or text in self._known or address in self._rebuilt.accounts:
            return
        self._assumed.add(address)
        self._rebuilt.accounts[address] = account

    def _account(self, text: str) -> Account | None:
        address = _key(text)
        return None if address is None else self._rebuilt.accounts.get(address)

    def _disagree(self, entry: ChainEntry, problem: str) -> None:
        self.disagreements.append(Disagreement(entry.position, problem))


def scope_of(address: Pubkey, account: Account) -> Pubkey:
    """The scope whose events change an account."""
    if isinstance(account, Scope):
        return address
    return addresses.state_address()[0] if isinstance(account, Authorizer) else account.region


def _program_event(event: ChainEvent) -> ProgramEvent:
    """Raises `EventMisfit`."""
    fields = msgspec.to_builtins(event, builtin_types=(bytes,))
    own = {
        name: value for name, value in fields.items() if name not in ("type", *ChainEvent.__struct_fields__)
    }
    scope = _key(event.scope)
    found = ProgramEvent(
        type(event).__name__,
        Pubkey.default() if scope is None else scope,
        event.sequence,
        event.previous_hash,
        event.event_hash,
        own,
    )
    if scope is None:
        raise EventMisfit(found, f"{event.scope} is no address")
    return found


def _key(text: str) -> Pubkey | None:
    try:
        return Pubkey.from_string(text)
    except ValueError:
        return None


_SOME_PROVIDER = Provider(
    bump=0,
    sequence=0,
    event_hash=bytes(32),
    owner=Pubkey.default(),
    vault=Pubkey.default(),
    deposit=0,
    region_count=0,
    status=ProviderStatus.AUTHORIZED,
    name="",
)
_SOME_ESCROW = Escrow(
    bump=0,
    sequence=0,
    event_hash=bytes(32),
    provider=Pubkey.default(),
    client=Pubkey.default(),
    vault=Pubkey.default(),
    balance=0,
    withdrawal=0,
    withdrawal_from=0,
    locks=(NO_LOCK,) * MAX_LOCKS,
)
