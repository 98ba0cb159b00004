"""Which event of a region an instruction of the program has made, as far as that follows from what is known. Pure.

Each recipe gives the candidates for the event's fields, in Borsh; which one is true, the hash tells
(`events.chain.recovery`).
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

import msgspec
from solders.pubkey import Pubkey

from contract.accounts import (
    Account,
    Escrow,
    Region,
    RequestSigner,
    Stack,
    StackStatus,
    State,
    UsageReport,
    UsageSigner,
)
from contract.addresses import usage_report_address
from contract.pricing import cost, split_charge
from contract.terms import NO_TERMS, Terms, Usage
from events.catalogue import (
    Event,
    RegionCreated,
    RegionUpdated,
    StackDeployed,
    StackUpdated,
    UsageReported,
    UsageSignerCreated,
)
from events.chain.borsh import DIGEST_BYTES, BorshReader, BorshWriter
from events.chain.reader import Invocation

DISCRIMINATOR_BYTES = 8
MAX_REVISIONS_BACK = 16


class RegionTerms(msgspec.Struct, frozen=True):
    """A region's terms at a time, and those to come (`next_from` 0: none)."""

    terms: Terms
    next_from: int = 0
    next_terms: Terms = NO_TERMS

    def at(self, now: int) -> Terms:
        """The terms in force."""
        return self.next_terms if self.next_from != 0 and now >= self.next_from else self.terms


class Known(msgspec.Struct, frozen=True):
    """What the region's events up to a point tell about what comes next."""

    terms: RegionTerms | None = None
    usage_signer: str | None = None
    revisions: Mapping[str, int] = {}
    reports: tuple[UsageReported, ...] = ()

    def after(self, event: Event) -> "Known":
        """The same with one more event."""
        match event:
            case RegionCreated(terms=terms):
                return msgspec.structs.replace(self, terms=RegionTerms(terms))
            case RegionUpdated() as updated:
                terms = RegionTerms(updated.terms, updated.next_from, updated.next_terms)
                return msgspec.structs.replace(self, terms=terms)
            case UsageSignerCreated(signer=signer):
                return msgspec.structs.replace(self, usage_signer=signer)
            case StackDeployed(stack=stack, revision=revision) | StackUpdated(stack=stack, revision=revision):
                return msgspec.structs.replace(self, revisions={**self.revisions, stack: revision})
            case UsageReported() as report:
                return msgspec.structs.replace(self, reports=(*self.reports, report))
            case _:
                return self


class Situation(msgspec.Struct, frozen=True):
    """What a recipe may look at: the instruction's accounts and arguments (after the discriminator), what earlier
    events tell, present accounts by address, and the chain's clock (seconds since 1970).
    """

    accounts: tuple[str, ...]
    arguments: bytes
    known: Known
    present: Mapping[str, Account]
    region: Region
    now: int

    def terms(self) -> list[RegionTerms]:
        """What the region's terms may have been."""
        if self.known.terms is not None:
            return [self.known.terms]
        return [RegionTerms(self.region.terms, self.region.next_from, self.region.next_terms)]

    def revisions(self, stack: str, *, updated: bool = False) -> list[int]:
        """What a stack's revision may have been, after the instruction."""
        if stack in self.known.revisions:
            return [self.known.revisions[stack] + updated]
        account = self.present.get(stack)
        last = account.revision if isinstance(account, Stack) else 0
        return list(range(last, max(0, last - MAX_REVISIONS_BACK), -1))


Candidates = Iterator[BorshWriter]


class Recipe(msgspec.Struct, frozen=True):
    """How an instruction makes an event: the event's name, the place of the region among the accounts, the places of
    accounts that are worth reading, and the candidates for its fields.
    """

    event: str
    region: int
    clues: tuple[int, ...]
    candidates: Callable[[Situation], Candidates]


def _create_region(at: Situation) -> Candidates:
    arguments = BorshReader(at.arguments)
    arguments.u8()
    number, name, base_url, terms = arguments.u32(), arguments.bytes(), arguments.bytes(), arguments.terms()
    yield BorshWriter().address(at.accounts[2]).u32(number).bytes(name).bytes(base_url).terms(terms)


def _update_region(at: Situation) -> Candidates:
    arguments = BorshReader(at.arguments)
    base_url, terms = arguments.bytes(), arguments.terms()
    for before in at.terms():
        present = before.at(at.now)
        next_from, next_terms = (
            (0, NO_TERMS) if terms == present else (at.now + present.notice_seconds, terms)
        )
        yield BorshWriter().bytes(base_url).terms(present).i64(next_from).terms(next_terms)


def _close_region(at: Situation) -> Candidates:
    yield BorshWriter().address(at.accounts[1]).u32(at.region.number)


def _deploy_stack(at: Situation) -> Candidates:
    owner, _, _, escrow, stack, _ = at.accounts
    arguments = BorshReader(at.arguments)
    arguments.u8()
    seed, manifest = arguments.u64(), arguments.bytes()
    for terms in at.terms():
        fields = BorshWriter().address(stack).address(owner).address(escrow)
        yield fields.u64(terms.at(at.now).minimum_escrow).u64(seed).u32(1).bytes(manifest)


def _update_stack(at: Situation) -> Candidates:
    owner, _, _, escrow, stack, _ = at.accounts
    manifest = BorshReader(at.arguments).bytes()
    for terms in at.terms():
        minimum = terms.at(at.now).minimum_escrow
        for revision in at.revisions(stack, updated=True):
            fields = BorshWriter().address(stack).address(owner).address(escrow)
            yield fields.u64(minimum).u32(revision).bytes(manifest)


def _delete_stack(at: Situation) -> Candidates:
    owner, state, _, escrow, stack = at.accounts
    yield from _deleted(at, owner, state, escrow, stack)


def _evict_stack(at: Situation) -> Candidates:
    _, _, state, _, escrow, stack, owner = at.accounts
    yield from _deleted(at, owner, state, escrow, stack)


def _deleted(at: Situation, owner: str, state: str, escrow: str, stack: str) -> Candidates:
    marketplace, account = at.present.get(state), at.present.get(escrow)
    withdrawals = {0}
    if isinstance(marketplace, State):
        withdrawals.add(at.now + marketplace.notice_seconds)
    if isinstance(account, Escrow):
        withdrawals.add(account.withdrawal_from)
    for revision in at.revisions(stack):
        for withdrawal_from in withdrawals:
            fields = BorshWriter().address(stack).address(owner).address(escrow)
            yield fields.i64(withdrawal_from).u32(revision).i64(at.now)


def _create_usage_signer(at: Situation) -> Candidates:
    arguments = BorshReader(at.arguments)
    arguments.u8()
    signer, valid_to = arguments.address(), arguments.i64()
    yield BorshWriter().address(signer).i64(at.now).i64(valid_to)


def _revoke_usage_signer(at: Situation) -> Candidates:
    account = at.present.get(at.accounts[3])
    signers = [at.known.usage_signer] if at.known.usage_signer is not None else []
    if isinstance(account, UsageSigner):
        signers.append(str(account.signer))
    for signer in signers:
        yield BorshWriter().address(signer).i64(at.now)


def _create_request_signer(at: Situation) -> Candidates:
    arguments = BorshReader(at.arguments)
    arguments.u8()
    yield BorshWriter().address(at.accounts[0]).address(arguments.address())


def _switch_request_signer(at: Situation) -> Candidates:
    account = at.present.get(at.accounts[2])
    if isinstance(account, RequestSigner):
        yield BorshWriter().address(at.accounts[0]).address(str(account.signer))


def _update_usage(at: Situation) -> Candidates:
    signer, state, _, _, _, escrow, _, stack, report, *_ = at.accounts
    arguments = BorshReader(at.arguments)
    arguments.u8()
    first, last, digest, usage = (
        arguments.u64(),
        arguments.u64(),
        arguments.fixed(DIGEST_BYTES),
        arguments.usage(),
    )
    account, held = at.present.get(stack), at.present.get(escrow)
    if not isinstance(account, Stack) or not isinstance(held, Escrow):
        return
    for total, charge, commission in _charges(at, usage, account, report, state):
        # the escrow is left with what it has now, or with what later reports have taken since
        for balance in _balances(at, held):
            fields = BorshWriter().address(stack).address(str(account.owner)).address(escrow).address(signer)
            fields.u64(first).u64(last).fixed(digest).usage(usage)
            yield fields.u64(total).u64(charge).u64(commission).u64(total - charge).u64(balance).i64(at.now)


def _charges(
    at: Situation, usage: Usage, stack: Stack, report: str, state: str
) -> Iterator[tuple[int, int, int]]:
    """Cost, charge and commission: from the report's account, or, when that is closed, by the prices."""
    made, marketplace = at.present.get(report), at.present.get(state)
    if isinstance(made, UsageReport):
        yield made.cost, made.charge, made.commission
    elif isinstance(marketplace, State):
        prices = [terms.at(at.now).prices for terms in at.terms()]
        # its last report is charged at the prices of its deletion
        final = [] if stack.status is StackStatus.ACTIVE else [stack.final_prices]
        for one in (*prices, *final):
            total = cost(usage, one)
            charged = split_charge(total, total, marketplace.commission_millionths)
            yield total, charged.charge, charged.commission


def _balances(at: Situation, held: Escrow) -> Iterator[int]:
    """What an escrow may have been left with: what it has now, and that with what the latest reports have taken."""
    balance = held.balance
    yield balance
    stacks = {address: one.owner for address, one in at.present.items() if isinstance(one, Stack)}
    reports = [one for one in at.present.values() if isinstance(one, UsageReport)]
    for one in sorted(reports, key=lambda report: report.last_position, reverse=True):
        if stacks.get(str(one.stack)) == held.client:
            balance += one.charge
            yield balance


def _close_usage_report(at: Situation) -> Candidates:
    payer, report = at.accounts[0], at.accounts[3]
    for one in reversed(at.known.reports):
        address, _ = usage_report_address(
            Pubkey.from_string(one.stack), one.first_position, one.last_position
        )
        if report == str(address):
            yield (
                BorshWriter().address(one.stack).u64(one.first_position).u64(one.last_position).address(payer)
            )


def _discriminator(namespace: str, name: str) -> bytes:
    return sha256(f"{namespace}:{name}".encode()).digest()[:DISCRIMINATOR_BYTES]


_RECIPES: Mapping[str, Recipe] = {
    "create_region": Recipe("RegionCreated", 3, (), _create_region),
    "update_region": Recipe("RegionUpdated", 3, (), _update_region),
    "close_region": Recipe("RegionClosed", 2, (), _close_region),
    "deploy_stack": Recipe("StackDeployed", 2, (), _deploy_stack),
    "update_stack": Recipe("StackUpdated", 2, (4,), _update_stack),
    "delete_stack": Recipe("StackDeleted", 2, (1, 3, 4), _delete_stack),
    "evict_stack": Recipe("StackDeleted", 3, (2, 4, 5), _evict_stack),
    "create_usage_signer": Recipe("UsageSignerCreated", 2, (), _create_usage_signer),
    "revoke_usage_signer": Recipe("UsageSignerRevoked", 2, (3,), _revoke_usage_signer),
    "create_request_signer": Recipe("RequestSignerCreated", 1, (), _create_request_signer),
    "activate_request_signer": Recipe("RequestSignerActivated", 1, (2,), _switch_request_signer),
    "deactivate_request_signer": Recipe("RequestSignerDeactivated", 1, (2,), _switch_request_signer),
    "update_usage": Recipe("UsageReported", 3, (1, 5, 7, 8), _update_usage),
    "close_usage_report": Recipe("UsageReportClosed", 2, (), _close_usage_report),
}
RECIPES: Mapping[bytes, Recipe] = {
    _discriminator("global", instruction): recipe for instruction, recipe in _RECIPES.items()
}
"""By the discriminator of the instruction."""


def recipe_for(call: Invocation, region: str) -> Recipe | None:
    """How an instruction of the program makes an event of this region; None if it makes none."""
    recipe = RECIPES.get(call.data[:DISCRIMINATOR_BYTES])
    if recipe is None or len(call.accounts) <= recipe.region or call.accounts[recipe.region] != region:
        return None
    return recipe


def event_bytes(
    recipe: Recipe, region: str, sequence: int, previous_hash: bytes, fields: BorshWriter
) -> bytes:
    """An event as the program logs it: discriminator, scope, sequence, previous hash, fields."""
    header = BorshWriter().fixed(_discriminator("event", recipe.event)).address(region).u64(sequence)
    return bytes(header.fixed(previous_hash).data + fields.data)
