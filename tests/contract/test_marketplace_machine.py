"""Whatever anybody tries, in any order, the program does what the model of its accounting does.

Parties with and without a right make valid and invalid attempts. The model (`tests/contract/accounting.py`) says of
each what it changes, or which errors it deserves: exactly one where one rule is broken. After every step the accounts
on chain, those of the model, and those that `contract.rebuild` makes of the events alone are compared, whole, and so
are all tokens.

`MU_TEST_EXAMPLES=2000` makes that many runs in the place of 40, and `MU_TEST_STEPS` that many steps each in the place
of 60; `--hypothesis-show-statistics | cut -c -99` says in how many runs what was reached.
"""

import os

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from solders.pubkey import Pubkey

from contract import addresses as derive
from contract.accounts import (
    Authorizer,
    Escrow,
    Provider,
    ProviderStatus,
    Region,
    Stack,
    StackStatus,
    UsageReport,
    UsageSigner,
)
from contract.terms import Terms, Usage
from tests.contract.parties import (
    AMOUNTS,
    DATA,
    ELSEWHERE,
    FIRST_TERMS,
    MANIFESTS,
    MAX_U64,
    MILLION,
    NOTICE_SECONDS,
    STATE,
    TERMS,
    USAGES,
    Parties,
    is_active,
    is_live,
)
from tests.contract.rules import Effect

EXAMPLES = int(os.environ.get("MU_TEST_EXAMPLES", "40"))
STEPS = int(os.environ.get("MU_TEST_STEPS", "60"))


class Marketplace(Parties):
    """The rules: each an instruction, with a way there where there is none yet."""

    # time and tokens

    @rule(
        seconds=st.sampled_from(
            [1, NOTICE_SECONDS // 2, NOTICE_SECONDS - 1, NOTICE_SECONDS, 3 * NOTICE_SECONDS]
        )
    )
    def wait(self, seconds: int) -> None:
        self.referee.wait(seconds)

    @rule(data=DATA, amount=AMOUNTS)
    def give(self, data, amount: int) -> None:
        """A plain transfer to a vault."""
        accounts = [
            account for account in self.model.accounts.values() if isinstance(account, Provider | Escrow)
        ]
        vaults = [account.vault for account in accounts if account.vault in self.model.tokens]
        party, vault = data.draw(st.sampled_from(list(self.keys))), data.draw(st.sampled_from(vaults))
        source = self.wallets[party]
        amount = min(amount, self.model.tokens[source].amount)
        self.referee.transfer(source, self.keys[party], vault, amount)

    # the Marketplace

    @rule(data=DATA, amount=AMOUNTS, commission=st.sampled_from([30_000, 0, 500_000, MILLION, MILLION + 1]))
    def set_what_is_due(self, data, amount: int, commission: int) -> None:
        wallets = st.sampled_from([*self.wallets.values(), *self.escrow_vaults()])
        if data.draw(st.booleans()):
            self.attempt(data, "update_deposit", admin=self.admin, deposit=self.amount(data, amount))
            return
        tokens = self.mostly(data, data.draw(wallets), [ELSEWHERE, *self.other_tokens])
        self.attempt(
            data,
            "update_commission",
            admin=self.admin,
            commission_millionths=commission,
            commission_tokens=tokens,
        )

    @rule(data=DATA)
    def found_it_again(self, data) -> None:
        self.attempt(data, "initialize", admin=data.draw(st.sampled_from(list(self.keys))), mint=self.mint,
                     commission_tokens=self.wallets[self.admin], deposit=0, commission_millionths=0,
                     notice_seconds=data.draw(st.sampled_from([1, 0, 2_592_001])))  # fmt: skip

    @rule(data=DATA)
    def change_authorizers(self, data) -> None:
        authority = data.draw(st.sampled_from(self.authorizers))
        present = derive.authorizer_address(authority)[0] in self.model.accounts
        names = ["remove_provider_authorizer", "create_provider_authorizer"]
        name = self.mostly(data, names[not present], names)
        self.attempt(data, name, admin=self.admin, authority=authority)

    # providers

    @rule(data=DATA)
    def become_provider(self, data) -> None:
        new = [party for party in self.keys if derive.provider_address(party)[0] not in self.model.accounts]
        owner = self.mostly(data, data.draw(st.sampled_from(new or self.owners)), self.owners)
        tokens, mint = self.tokens_of(data, owner), self.mostly(data, self.mint, [self.other_mint])
        name = self.mostly(data, "p", ["", "p" * 33])
        deposit = self.get(STATE).deposit
        most = data.draw(st.sampled_from([deposit, MAX_U64, max(0, deposit - 1)]))
        self.attempt(
            data, "create_provider", owner=owner, owner_tokens=tokens, mint=mint, max_deposit=most, name=name
        )

    @rule(data=DATA, authorizes=st.sampled_from([True, True, False]))
    def set_status(self, data, authorizes: bool) -> None:
        old = ProviderStatus.DISABLED if authorizes else ProviderStatus.AUTHORIZED
        provider = self.pick(data, Provider, lambda provider: provider.status is old)
        rights = [self.get(address).authority for address in self.all_of(Authorizer)]
        authority = data.draw(st.sampled_from(rights or self.authorizers))
        name = "authorize_provider" if authorizes else "revoke_provider"
        self.attempt(data, name, authority=authority, provider=provider)

    @rule(data=DATA)
    def close_provider(self, data) -> None:
        provider = self.pick(
            data, Provider, lambda it: it.region_count == 0 and it.status is not ProviderStatus.CLOSED
        )
        owner = self.get(provider).owner
        self.attempt(data, "close_provider", owner=owner, owner_tokens=self.tokens_of(data, owner))

    # regions

    @rule(data=DATA, terms=TERMS, number=st.integers(0, 9))
    def open_region(self, data, terms: Terms, number: int) -> None:
        provider = self.pick(data, Provider, lambda it: it.status is ProviderStatus.AUTHORIZED)
        owner = self.get(provider).owner
        self.attempt(
            data,
            "create_region",
            **self.place(provider, number),
            owner=owner,
            name="r",
            base_url="u",
            terms=terms,
        )

    @rule(data=DATA, terms=TERMS)
    def update_region(self, data, terms: Terms) -> None:
        region = self.pick(data, Region, lambda it: is_live(it) and it.stack_count)
        present = self.get(region)
        announced = [present.next_terms] * 3 if present.next_from > self.model.now else []
        near = [present.terms, *announced, terms, terms, terms]
        self.attempt(data, "update_region", **self.where(region), owner=self.seller(region),
                     base_url=data.draw(st.sampled_from([present.base_url, "v", "u" * 128])),
                     terms=data.draw(st.sampled_from(near)))  # fmt: skip

    @rule(data=DATA)
    def close_region(self, data) -> None:
        region = self.pick(data, Region, lambda it: is_live(it) and it.stack_count == 0)
        self.attempt(data, "close_region", **self.where(region), owner=self.seller(region))

    @rule(data=DATA, notices=st.sampled_from([30, 5, 1, 0]))
    def name_signer(self, data, notices: int) -> None:
        region = self.pick(data, Region, is_live)
        signer = data.draw(st.sampled_from(self.signers))
        valid_to = self.model.now + notices * NOTICE_SECONDS
        accounts = {**self.where(region), "owner": self.seller(region)}
        self.attempt(data, "create_usage_signer", **accounts, signer=signer, valid_to=valid_to)

    @rule(data=DATA)
    def revoke_signer(self, data) -> None:
        region = self.get(self.pick(data, UsageSigner)).region if self.all_of(UsageSigner) else ELSEWHERE
        if region != ELSEWHERE:
            self.attempt(data, "revoke_usage_signer", **self.where(region), owner=self.seller(region))

    # escrows

    @rule(data=DATA)
    def open_escrow(self, data) -> None:
        provider = self.pick(data, Provider, lambda it: it.status is ProviderStatus.AUTHORIZED)
        party = data.draw(st.sampled_from([*self.clients, *self.owners]))
        mint = self.mostly(data, self.mint, [self.other_mint])
        self.attempt(data, "create_escrow", client=party, provider=provider, mint=mint)

    @rule(data=DATA, amount=AMOUNTS)
    def fill_escrow(self, data, amount: int) -> None:
        escrow = self.pick(data, Escrow)
        party = data.draw(st.sampled_from(list(self.keys)))
        self.fill(data, party, escrow, self.amount(data, amount))

    @rule(data=DATA, amount=AMOUNTS, way=st.integers(0, 5))
    def ask_for_withdrawal(self, data, amount: int, way: int) -> None:
        escrow = self.pick(data, Escrow, lambda it: it.balance)
        fund = self.get(escrow)
        spare = max(0, fund.balance - fund.locked)
        amount = [amount, fund.balance, spare, spare + 1, 0, fund.balance + 1][way]
        self.attempt(
            data, "withdraw_escrow", client=fund.client, escrow=escrow, amount=self.amount(data, amount)
        )

    @rule(data=DATA, early_seconds=st.sampled_from([0, 0, 0, 1, NOTICE_SECONDS]))
    def claim(self, data, early_seconds: int) -> None:
        """Asks first where nobody has, and waits until the notice is over, or nearly so."""
        if not self.all_of(Escrow, lambda it: it.withdrawal):
            self.ask_for_withdrawal(data, MILLION, 0)
        escrow = self.pick(data, Escrow, lambda it: it.withdrawal)
        fund = self.get(escrow)
        self.wait_until(fund.withdrawal_from - early_seconds)
        tokens = self.tokens_of(data, fund.client)
        self.attempt(data, "claim_withdrawal", client=fund.client, escrow=escrow, client_tokens=tokens)

    @rule(data=DATA)
    def sync_escrow(self, data) -> None:
        self.give(data, MILLION)
        tokens = self.model.tokens
        escrow = self.pick(data, Escrow, lambda it: tokens[it.vault].amount > it.balance)
        self.attempt(data, "sync_escrow", escrow=escrow)

    # stacks

    @rule(data=DATA, seed=st.integers(0, 3), manifest=MANIFESTS)
    def deploy_stack(self, data, seed: int, manifest: bytes) -> None:
        region = self.pick(data, Region, is_live)
        party = data.draw(st.sampled_from(self.clients))
        self.attempt(data, "deploy_stack", **self.where(region), owner=party, seed=seed, manifest=manifest)

    @rule(data=DATA)
    def deploy_everywhere(self, data) -> None:
        """A client has a stack in every live region of a provider, opened where there are none."""
        provider = self.pick(data, Provider, lambda it: it.status is ProviderStatus.AUTHORIZED)
        party, seller = data.draw(st.sampled_from(self.clients)), self.get(provider)
        for number in range(9):
            place = self.place(provider, number)
            if place["region"] not in self.model.accounts:
                self.attempt(
                    data,
                    "create_region",
                    **place,
                    owner=seller.owner,
                    name="r",
                    base_url="u",
                    terms=FIRST_TERMS,
                )
            if derive.stack_address(place["region"], party, 7)[0] not in self.model.accounts:
                self.attempt(data, "deploy_stack", **place, owner=party, seed=7, manifest=b"m")

    @rule(data=DATA, manifest=MANIFESTS)
    def update_stack(self, data, manifest: bytes) -> None:
        stack = self.pick(data, Stack, is_active)
        present = self.get(stack)
        accounts = {**self.where(present.region), "owner": present.owner, "stack": stack}
        self.attempt(data, "update_stack", **accounts, manifest=manifest)

    @rule(data=DATA)
    def delete_stack(self, data) -> None:
        stack = self.pick(data, Stack, is_active)
        present = self.get(stack)
        self.attempt(data, "delete_stack", **self.where(present.region), owner=present.owner, stack=stack)

    @rule(data=DATA, pays_up=st.sampled_from([False, False, True]))
    def evict_stack(self, data, pays_up: bool) -> None:
        stack = self.pick(data, Stack, lambda it: is_active(it) and self.missing(it) > 0)
        present = self.get(stack)
        if pays_up and (missing := self.missing(present)) > 0:
            self.fill(data, present.owner, self.fund_of(present), missing)
        accounts = {**self.where(present.region), "owner": present.owner, "stack": stack}
        self.attempt(data, "evict_stack", **accounts, provider_owner=self.seller(present.region))

    @rule(data=DATA)
    def switch_request_signer(self, data) -> None:
        region, party = self.pick(data, Region, is_live), data.draw(st.sampled_from(self.clients))
        signer = data.draw(st.sampled_from(self.signers))
        present = self.get(derive.request_signer_address(region, party, signer)[0])
        names = ["create_request_signer", "deactivate_request_signer", "activate_request_signer"]
        usual = names[0] if present is None else names[1 if present.active else 2]
        name = self.mostly(data, usual, names)
        self.attempt(data, name, client=party, region=region, signer=signer)

    # usage

    @rule(data=DATA, usages=st.lists(USAGES, min_size=1, max_size=3), length=st.sampled_from([1, 2, 10]))
    def report_usage(self, data, usages: list[Usage], length: int) -> None:
        for usage in usages:
            self.report(data, self.pick(data, Stack, self.can_be_charged), usage, length)

    @rule(data=DATA, usage=USAGES, terms=TERMS, early_seconds=st.sampled_from([0, 0, 1]))
    def report_usage_at_new_prices(self, data, usage: Usage, terms: Terms, early_seconds: int) -> None:
        """Announces terms first where none are to come, and waits until they are in force, or nearly so."""
        if not self.all_of(Region, lambda it: it.next_from > self.model.now and it.stack_count):
            self.update_region(data, terms)
        region = self.pick(data, Region, lambda it: it.next_from > self.model.now and it.stack_count)
        self.wait_until(self.get(region).next_from - early_seconds)
        self.report(data, self.pick(data, Stack, lambda it: it.region == region and is_active(it)), usage, 1)

    @rule(data=DATA, usage=USAGES, early_seconds=st.sampled_from([0, 1]))
    def report_usage_at_the_end_of_a_validity(self, data, usage: Usage, early_seconds: int) -> None:
        stack = self.pick(data, Stack, self.can_be_charged)
        right = self.get(derive.usage_signer_address(self.get(stack).region)[0])
        if right is not None and right.valid_to > self.model.now:
            self.wait_until(right.valid_to - early_seconds)
            self.report(data, stack, usage, 1, replace_signer=False)

    @rule(data=DATA, usage=USAGES, late_seconds=st.sampled_from([-1, 0, 0, 1]))
    def report_last_usage(self, data, usage: Usage, late_seconds: int) -> None:
        """Deletes a stack first where none is within its grace, and waits until that is over, or nearly so."""

        def in_grace(stack: Stack) -> bool:
            deleted = stack.status is StackStatus.DELETED
            return deleted and stack.deleted_at + NOTICE_SECONDS > self.model.now

        if not self.all_of(Stack, in_grace):
            self.delete_stack(data)
        stack = self.pick(data, Stack, in_grace)
        if data.draw(st.booleans()):
            self.wait_until(self.get(stack).deleted_at + NOTICE_SECONDS + late_seconds)
        self.report(data, stack, usage, 1)

    @rule(data=DATA, usage=USAGES, terms=TERMS, later=TERMS)
    def report_last_usage_after_new_prices(self, data, usage: Usage, terms: Terms, later: Terms) -> None:
        """The stack is deleted just before they come; an update then lets the region forget the old ones."""
        region = self.get(self.pick(data, Stack, is_active)).region
        seller = self.seller(region)
        place = {**self.where(region), "base_url": "w"}
        self.attempt(data, "update_region", **place, owner=seller, terms=terms)
        comes = self.get(region).next_from
        self.wait_until(comes - 1)
        for stack in self.all_of(Stack, lambda it: is_active(it) and it.region == region)[:1]:
            owner, name = self.get(stack).owner, data.draw(st.sampled_from(["delete_stack", "evict_stack"]))
            self.attempt(data, name, **self.where(region), owner=owner, stack=stack, provider_owner=seller)
            self.wait_until(comes)
            self.attempt(data, "update_region", **place, owner=seller, terms=later)
            self.report(data, stack, usage, 1)

    def report(self, data, stack: Pubkey, usage: Usage, length: int, *, replace_signer: bool = True) -> None:
        present = self.get(stack)
        region = present.region
        right = self.get(derive.usage_signer_address(region)[0])
        if right is None or (replace_signer and right.valid_to <= self.model.now):
            valid_to = self.model.now + 20 * NOTICE_SECONDS
            accounts = {**self.where(region), "owner": self.seller(region)}
            self.attempt(data, "create_usage_signer", **accounts, signer=self.signers[0], valid_to=valid_to)
            right = self.get(derive.usage_signer_address(region)[0])
        first = present.reported_position + 1
        first = self.mostly(data, first, [first - 1, first + 1])
        usual = first + length - 1
        last = data.draw(st.sampled_from([usual] * 9 + [first - 1, MAX_U64 - 1, MAX_U64]))
        state = self.get(STATE)
        outcome = self.attempt(
            data, "update_usage", **self.where(region), owner=present.owner, stack=stack,
            signer=right.signer if right else self.signers[0], first_position=first % 2**64,
            last_position=max(last, 0) % 2**64, digest=bytes(range(32)), usage=usage,
            provider_tokens=self.tokens_of(data, self.seller(region)), commission_tokens=state.commission_tokens,
        )  # fmt: skip
        if isinstance(outcome, Effect):
            event("a charge" if outcome.fields["charge"] else "a report without a charge")
            if outcome.fields["shortfall"]:
                event("a shortfall")
            if self.get(stack).status is StackStatus.SETTLED:
                event("a settlement")

    @rule(data=DATA, early_seconds=st.sampled_from([0, 0, 1]))
    def close_report(self, data, early_seconds: int) -> None:
        """Waits first until the notice is over, or nearly so."""
        if not self.all_of(UsageReport):
            self.report_usage(data, [Usage(gateway_requests=MILLION)], 1)
        if reports := self.all_of(UsageReport):
            address = data.draw(st.sampled_from(reports))
            report = self.get(address)
            self.wait_until(report.reported_at + NOTICE_SECONDS - early_seconds)
            self.attempt(
                data, "close_usage_report", payer=report.payer, region=report.region, usage_report=address
            )

    @invariant()
    def all_agree(self) -> None:
        self.referee.compare()
        assert self.referee.total() == self.minted


Marketplace.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
test_the_program_its_model_and_its_events_agree = Marketplace.TestCase
