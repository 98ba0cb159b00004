"""A model of the Marketplace's accounting, written from its interface: what an instruction does, or all it breaks.

An instruction is a name, the addresses of its accounts by name, and its arguments. The program stops at the first
rule that is broken; the model does not know its order, and names every one.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from contract import addresses as derive
from contract.accounts import (
    Escrow,
    Provider,
    ProviderStatus,
    Region,
    RegionStatus,
    RequestSigner,
    Stack,
    StackStatus,
    State,
    UsageReport,
    UsageSigner,
)
from contract.terms import NO_LOCK, NO_TERMS, Lock, Prices, Terms, Usage
from tests.contract.parties_accounting import PartiesAccounting
from tests.contract.rules import FIRST, MILLION, Effect, Refused, Rules

GIGABYTE_MONTH = 10**9 * 30 * 24 * 3600
UNITS = (10**12, GIGABYTE_MONTH, MILLION, MILLION, GIGABYTE_MONTH, 10**9, 10**9, MILLION, 10**9)
"""How much of each field of Usage the price in the same place buys."""


def cost_of(usage: Usage, prices: Prices) -> int:
    pairs = zip(msgspec.structs.astuple(usage), msgspec.structs.astuple(prices), UNITS, strict=True)
    return floor(sum(Fraction(used * price, unit) for used, price, unit in pairs))


class Accounting(PartiesAccounting):
    """All of it, with regions, stacks, signers and usage."""

    def attempt(self, name: str, addresses: Mapping[str, Pubkey], arguments: Mapping[str, Any]) -> Effect:
        """Carry out an instruction. Raises `Refused`."""
        try:
            rules = Rules(self.accounts, self.tokens)
            return getattr(self, name)(rules, **addresses, **arguments)
        except Refused as refused:
            if len(set(addresses.values())) == len(addresses):
                raise
            # One wrong account in two places can also be noticed as such.
            raise Refused(refused.errors | {"AccountInUse"}) from None

    def _terms(self, region: Region) -> Terms:
        """The terms in force now."""
        return region.next_terms if region.next_from and self.now >= region.next_from else region.terms

    # regions

    def create_region(
        self, rules, *, owner, state, provider, region, number, name, base_url, terms, **_
    ) -> Effect:
        market, seller = rules.find(State, state), rules.find(Provider, provider)
        derived, bump = derive.region_address(provider, number)
        self._check_terms(rules, market, terms)
        rules.refuse("NotTheOwner", seller and seller.owner != owner)
        rules.refuse("ProviderNotAuthorized", seller and seller.status is not ProviderStatus.AUTHORIZED)
        rules.new(region, derived)
        rules.hold()
        self.accounts[region] = Region(
            bump=bump, provider=provider, number=number, stack_count=0, status=RegionStatus.LIVE, terms=terms,
            next_from=0, next_terms=NO_TERMS, name=name, base_url=base_url, **FIRST,
        )  # fmt: skip
        self._change(provider, region_count=seller.region_count + 1)
        return Effect("RegionCreated", region, {"number": number})

    def update_region(self, rules, *, owner, state, provider, region, base_url, terms) -> Effect:
        market, seller = rules.find(State, state), rules.find(Provider, provider)
        place = rules.find(Region, region)
        self._check_terms(rules, market, terms)
        rules.refuse("NotTheOwner", seller and seller.owner != owner)
        self._check_live(rules, place, provider)
        new: dict[str, Any] = {}
        if place:
            present = self._terms(place)
            new = {"base_url": base_url, "terms": present, "next_from": 0, "next_terms": NO_TERMS}
            if terms != present:
                # The same terms announced again are not put off.
                announced = terms == place.next_terms and place.next_from > self.now
                next_from = place.next_from if announced else self.now + present.notice_seconds
                new |= {"next_from": next_from, "next_terms": terms}
            same = all(new[field] == getattr(place, field) for field in ("base_url", "terms", "next_terms"))
            rules.refuse("NothingChanges", same)
        rules.hold()
        self._change(region, **new)
        return Effect("RegionUpdated", region, {"base_url": base_url, "next_from": new["next_from"]})

    def close_region(self, rules, *, owner, provider, region) -> Effect:
        seller, place = rules.find(Provider, provider), rules.find(Region, region)
        rules.refuse("NotTheOwner", seller and seller.owner != owner)
        self._check_live(rules, place, provider)
        rules.refuse("RegionHasStacks", place and place.stack_count)
        rules.hold()
        self._change(region, status=RegionStatus.CLOSED)
        self._change(provider, region_count=seller.region_count - 1)
        return Effect("RegionClosed", region, {"number": place.number})

    @staticmethod
    def _check_terms(rules: Rules, market: State | None, terms: Terms) -> None:
        least = market.notice_seconds if market else 0
        rules.refuse("TermsInvalid", not least <= terms.notice_seconds <= 31_536_000)
        rules.refuse("TermsInvalid", terms.max_instructions_per_call < 1)

    @staticmethod
    def _check_live(rules: Rules, region: Region | None, provider: Pubkey) -> None:
        rules.refuse("ProviderMismatch", region and region.provider != provider)
        rules.refuse("RegionIsClosed", region and region.status is RegionStatus.CLOSED)

    # stacks

    def deploy_stack(self, rules, *, owner, provider, region, escrow, stack, seed, manifest, **_) -> Effect:
        place = rules.find(Region, region)
        locked = self._lock(rules, place, owner, provider, escrow, 1)
        derived, bump = derive.stack_address(region, owner, seed)
        rules.new(stack, derived)
        rules.hold()
        self.accounts[stack] = Stack(
            bump=bump, region=region, owner=owner, seed=seed, revision=1, status=StackStatus.ACTIVE,
            reported_position=0, deleted_at=0, final_prices=Prices(), manifest=manifest,
        )  # fmt: skip
        self._change(region, stack_count=place.stack_count + 1)
        self._change(escrow, locks=locked)
        return Effect("StackDeployed", region, {"revision": 1, "minimum": self._terms(place).minimum_escrow})

    def update_stack(self, rules, *, owner, provider, region, escrow, stack, manifest) -> Effect:
        place, present = rules.find(Region, region), rules.find(Stack, stack)
        self._check_active(rules, present, owner, region)
        locked = self._lock(rules, place, owner, provider, escrow, 0)
        rules.hold()
        self._change(stack, revision=present.revision + 1, manifest=manifest)
        self._change(escrow, locks=locked)
        return Effect("StackUpdated", region, {"minimum": self._terms(place).minimum_escrow})

    def delete_stack(self, rules, *, owner, state, region, escrow, stack) -> Effect:
        return self._delete(rules, owner, state, region, escrow, stack)

    def evict_stack(self, rules, *, provider_owner, provider, state, region, escrow, stack, owner) -> Effect:
        seller, place = rules.find(Provider, provider), rules.find(Region, region)
        fund = rules.find(Escrow, escrow)
        rules.refuse("NotTheOwner", seller and seller.owner != provider_owner)
        rules.refuse("ProviderMismatch", place and place.provider != provider)
        rules.refuse("EscrowSuffices", fund and fund.balance >= sum(lock.minimum for lock in fund.locks))
        return self._delete(rules, owner, state, region, escrow, stack)

    def _delete(self, rules, owner, state, region, escrow, stack) -> Effect:
        market, place = rules.find(State, state), rules.find(Region, region)
        fund, present = rules.find(Escrow, escrow), rules.find(Stack, stack)
        self._check_active(rules, present, owner, region)
        self._check_between(rules, fund, owner, place)
        rules.hold()
        self._change(
            stack,
            status=StackStatus.DELETED,
            deleted_at=self.now,
            final_prices=self._terms(place).prices,
            manifest=b"",
        )
        self._change(region, stack_count=place.stack_count - 1)
        locks = [
            msgspec.structs.replace(lock, stack_count=lock.stack_count - 1)
            if lock.stack_count and lock.region_number == place.number
            else lock
            for lock in fund.locks
        ]
        self._change(escrow, locks=tuple(lock if lock.stack_count else NO_LOCK for lock in locks))
        claimable_from = fund.withdrawal_from
        if fund.withdrawal:
            claimable_from = max(claimable_from, self.now + market.notice_seconds)
            self._change(escrow, withdrawal_from=claimable_from)
        return Effect("StackDeleted", region, {"deleted_at": self.now, "withdrawal_from": claimable_from})

    def _lock(self, rules, place, owner, provider, escrow, added: int) -> tuple[Lock, ...]:
        """The escrow's locks with the region's present minimum."""
        seller, fund = rules.find(Provider, provider), rules.find(Escrow, escrow)
        self._check_live(rules, place, provider)
        rules.refuse("ProviderNotAuthorized", seller and seller.status is not ProviderStatus.AUTHORIZED)
        self._check_between(rules, fund, owner, place)
        if not place or not fund:
            return ()
        locks = list(fund.locks)
        own = [at for at, lock in enumerate(locks) if lock.stack_count and lock.region_number == place.number]
        places = own or [at for at, lock in enumerate(locks) if not lock.stack_count]
        if not places:
            rules.refuse("EscrowRegionsFull", when=True)
            return ()
        count = locks[places[0]].stack_count + added
        minimum = self._terms(place).minimum_escrow
        locks[places[0]] = Lock(region_number=place.number, stack_count=count, minimum=minimum)
        free = max(0, fund.balance - fund.withdrawal)
        rules.refuse("EscrowTooLow", free < sum(lock.minimum for lock in locks))
        return tuple(locks)

    @staticmethod
    def _check_between(rules: Rules, fund: Escrow | None, owner: Pubkey, region: Region | None) -> None:
        rules.refuse("EscrowMismatch", fund and fund.client != owner)
        rules.refuse("EscrowMismatch", fund and region and fund.provider != region.provider)

    @staticmethod
    def _check_active(rules: Rules, stack: Stack | None, owner: Pubkey, region: Pubkey) -> None:
        rules.refuse("NotTheOwner", stack and stack.owner != owner)
        rules.refuse("RegionMismatch", stack and stack.region != region)
        rules.refuse("StackIsDeleted", stack and stack.status is not StackStatus.ACTIVE)

    # signers

    def create_usage_signer(
        self, rules, *, owner, provider, region, usage_signer, signer, valid_to, **_
    ) -> Effect:
        seller, place = rules.find(Provider, provider), rules.find(Region, region)
        derived, bump = derive.usage_signer_address(region)
        rules.refuse("NotTheOwner", seller and seller.owner != owner)
        rules.refuse("ProviderMismatch", place and place.provider != provider)
        rules.refuse("ValidityInvalid", valid_to <= self.now)
        if usage_signer in self.accounts:
            present = rules.find(UsageSigner, usage_signer)
            rules.refuse("RegionMismatch", present and present.region != region)
        else:
            rules.new(usage_signer, derived)
        rules.hold()
        self.accounts[usage_signer] = UsageSigner(
            bump=bump, region=region, signer=signer, valid_from=self.now, valid_to=valid_to
        )
        return Effect("UsageSignerCreated", region, {"valid_from": self.now, "valid_to": valid_to})

    def revoke_usage_signer(self, rules, *, owner, provider, region, usage_signer) -> Effect:
        seller, place = rules.find(Provider, provider), rules.find(Region, region)
        present = rules.find(UsageSigner, usage_signer)
        rules.refuse("NotTheOwner", seller and seller.owner != owner)
        rules.refuse("ProviderMismatch", place and place.provider != provider)
        rules.refuse("RegionMismatch", present and present.region != region)
        rules.hold()
        del self.accounts[usage_signer]
        return Effect("UsageSignerRevoked", region, {"signer": str(present.signer), "revoked_at": self.now})

    def create_request_signer(self, rules, *, client, region, request_signer, signer, **_) -> Effect:
        place = rules.find(Region, region)
        derived, bump = derive.request_signer_address(region, client, signer)
        rules.refuse("RegionIsClosed", place and place.status is RegionStatus.CLOSED)
        rules.new(request_signer, derived)
        rules.hold()
        self.accounts[request_signer] = RequestSigner(
            bump=bump, region=region, client=client, signer=signer, active=True
        )
        return Effect("RequestSignerCreated", region, {"client": str(client), "signer": str(signer)})

    def activate_request_signer(self, rules, **accounts) -> Effect:
        return self._switch(rules, True, "RequestSignerActivated", **accounts)

    def deactivate_request_signer(self, rules, **accounts) -> Effect:
        return self._switch(rules, False, "RequestSignerDeactivated", **accounts)

    def _switch(self, rules, active: bool, event: str, *, client, region, request_signer) -> Effect:
        rules.find(Region, region)
        present = rules.find(RequestSigner, request_signer)
        rules.refuse("NotTheOwner", present and present.client != client)
        rules.refuse("RegionMismatch", present and present.region != region)
        rules.refuse("NothingChanges", present and present.active is active)
        rules.hold()
        self._change(request_signer, active=active)
        return Effect(event, region, {"client": str(client), "signer": str(present.signer)})

    # usage

    def update_usage(self, rules, *, signer, state, provider, region, usage_signer, escrow, vault, stack,
                     usage_report, provider_tokens, commission_tokens, first_position, last_position, digest,
                     usage, **_) -> Effect:  # fmt: skip
        market, seller = rules.find(State, state), rules.find(Provider, provider)
        place, fund = rules.find(Region, region), rules.find(Escrow, escrow)
        right, present = rules.find(UsageSigner, usage_signer), rules.find(Stack, stack)
        rules.refuse("ProviderMismatch", place and place.provider != provider)
        rules.refuse("ProviderNotAuthorized", seller and seller.status is not ProviderStatus.AUTHORIZED)
        rules.refuse("RegionMismatch", right and right.region != region)
        rules.refuse("NotTheUsageSigner", right and right.signer != signer)
        rules.refuse("UsageSignerExpired", right and not right.valid_from <= self.now < right.valid_to)
        if present:
            grace_until = present.deleted_at + (market.notice_seconds if market else 0)
            deleted = present.status is StackStatus.DELETED
            rules.refuse("RegionMismatch", present.region != region)
            rules.refuse("StackIsSettled", present.status is StackStatus.SETTLED)
            rules.refuse("GraceIsOver", deleted and self.now >= grace_until)
            rules.refuse("PositionsInvalid", first_position != present.reported_position + 1)
            self._check_between(rules, fund, present.owner, place)
        rules.refuse("PositionsInvalid", not first_position <= last_position <= 2**64 - 2)
        rules.refuse("VaultMismatch", fund and fund.vault != vault)
        rules.tokens(provider_tokens, self.mint, seller.owner if seller else None)
        rules.refuse("TokenAccountInvalid", market and market.commission_tokens != commission_tokens)
        positions = (position.to_bytes(8, "little") for position in (first_position, last_position))
        seeds = [b"usage_report", bytes(stack), *positions]
        derived, bump = Pubkey.find_program_address(seeds, derive.PROGRAM_ID)
        rules.new(usage_report, derived)
        cost = 0
        if place and present:
            active = present.status is StackStatus.ACTIVE
            cost = cost_of(usage, self._terms(place).prices if active else present.final_prices)
        rules.refuse("CostTooLarge", cost >= 2**64)
        rules.hold()
        charge = min(cost, fund.balance)
        commission = floor(Fraction(charge * market.commission_millionths, MILLION))
        # Such as a provider's vault that was closed since; the Token program refuses the payment.
        rules.refuse("InvalidAccountData", commission and commission_tokens not in self.tokens)
        rules.hold()
        self.transfer(vault, provider_tokens, charge - commission)
        self.transfer(vault, commission_tokens, commission)
        settled = present.status is not StackStatus.ACTIVE
        self._change(
            stack,
            reported_position=last_position,
            status=StackStatus.SETTLED if settled else StackStatus.ACTIVE,
        )
        self._change(escrow, balance=fund.balance - charge)
        self.accounts[usage_report] = UsageReport(
            bump=bump, region=region, stack=stack, first_position=first_position, last_position=last_position,
            payer=signer, reported_at=self.now, digest=digest, cost=cost, charge=charge, commission=commission,
        )  # fmt: skip
        amounts = {"cost": cost, "charge": charge, "commission": commission, "shortfall": cost - charge}
        return Effect("UsageReported", region, {**amounts, "balance": fund.balance - charge})

    def close_usage_report(self, rules, *, payer, state, region, usage_report) -> Effect:
        market, report = rules.find(State, state), rules.find(UsageReport, usage_report)
        rules.find(Region, region)
        rules.refuse("RegionMismatch", report and report.region != region)
        rules.refuse("NotTheOwner", report and report.payer != payer)
        if market and report:
            rules.refuse("NoticeNotOver", self.now < report.reported_at + market.notice_seconds)
        rules.hold()
        del self.accounts[usage_report]
        return Effect("UsageReportClosed", region, {"first_position": report.first_position})
