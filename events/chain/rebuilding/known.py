"""What a scope's events up to a point tell about the one that comes next. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from contract.terms import NO_TERMS, Terms
from events.catalogue import (
    AuthorizerCreated,
    EscrowCreated,
    EscrowDeposited,
    EscrowSynced,
    Event,
    RegionCreated,
    RegionUpdated,
    StackDeployed,
    StackUpdated,
    UsageReported,
    UsageSignerCreated,
    WithdrawalClaimed,
)
from events.chain.rebuilding.effects import change_since_told
from events.chain.rebuilding.steps import Step

MAX_REMEMBERED_REPORTS = 1000

BalanceEvent = EscrowCreated | EscrowDeposited | EscrowSynced | WithdrawalClaimed | UsageReported
"""Those that tell what an escrow is left with."""


class RegionTerms(msgspec.Struct, frozen=True):
    """A region's terms at a time, and those to come (`next_from` 0: none)."""

    terms: Terms
    next_from: int = 0
    next_terms: Terms = NO_TERMS

    def at(self, now: int) -> Terms:
        """The terms in force."""
        return self.next_terms if self.next_from != 0 and now >= self.next_from else self.terms


class Known(msgspec.Struct, frozen=True):
    """A region's terms, its usage signer, the revisions of its stacks, and its latest usage reports; what escrows were
    left with; and the keys that became authorizers.
    """

    terms: RegionTerms | None = None
    usage_signer: str | None = None
    revisions: Mapping[str, int] = {}
    reports: tuple[UsageReported, ...] = ()
    balances: Mapping[str, int] = {}
    authorities: tuple[str, ...] = ()

    def after(self, events: Iterable[Event]) -> "Known":
        """The same with more events, in order."""
        terms, usage_signer = self.terms, self.usage_signer
        revisions, reports = dict(self.revisions), list(self.reports)
        balances, authorities = dict(self.balances), list(self.authorities)
        for event in events:
            match event:
                case RegionCreated():
                    terms = RegionTerms(event.terms)
                case RegionUpdated():
                    terms = RegionTerms(event.terms, event.next_from, event.next_terms)
                case UsageSignerCreated():
                    usage_signer = event.signer
                case StackDeployed() | StackUpdated():
                    revisions[event.stack] = event.revision
                case AuthorizerCreated():
                    authorities.append(event.authority)
                case _:
                    pass
            if isinstance(event, UsageReported):
                reports.append(event)
            if isinstance(event, BalanceEvent):
                balances[escrow_of(event)] = balance_after(event)
        return Known(
            terms,
            usage_signer,
            revisions,
            tuple(reports[-MAX_REMEMBERED_REPORTS:]),
            balances,
            tuple(authorities),
        )

    def past(self, steps: Sequence[Step], scope: str) -> "Known":
        """The same after the rest of a transaction, which no event of the scope tells the effect of."""
        named = {address for step in steps for address in step.invocation.accounts}
        changes = {
            escrow: balance + change_since_told(steps, scope, escrow)
            for escrow, balance in self.balances.items()
            if escrow in named
        }
        return msgspec.structs.replace(self, balances={**self.balances, **changes})

    def then(self, later: "Known") -> "Known":
        """The same with what later events tell."""
        return Known(
            later.terms or self.terms,
            later.usage_signer or self.usage_signer,
            {**self.revisions, **later.revisions},
            (*self.reports, *later.reports)[-MAX_REMEMBERED_REPORTS:],
            {**self.balances, **later.balances},
            (*self.authorities, *later.authorities),
        )


def escrow_of(event: BalanceEvent) -> str:
    """The escrow whose balance an event tells."""
    return event.escrow if isinstance(event, UsageReported) else event.scope


def balance_before(event: BalanceEvent) -> int:
    """What the escrow had before."""
    match event:
        case UsageReported():
            return event.balance + event.charge
        case WithdrawalClaimed():
            return event.balance + event.amount
        case EscrowCreated():
            return 0
        case _:
            return event.balance - event.amount


def balance_after(event: BalanceEvent) -> int:
    """What the escrow was left with."""
    return 0 if isinstance(event, EscrowCreated) else event.balance
