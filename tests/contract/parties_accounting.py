"""The model's part of the Marketplace itself, of providers and of escrows."""

from typing import Any

import msgspec
from solders.pubkey import Pubkey

from contract import addresses as derive
from contract.accounts import Account, Authorizer, Escrow, Provider, ProviderStatus, State
from contract.terms import NO_LOCK
from tests.contract.rules import FIRST, MILLION, Effect, TokenAccount


class PartiesAccounting:
    """Accounts and tokens of one mint's Marketplace at the time `now`; a method for each instruction."""

    def __init__(self, mint: Pubkey, now: int) -> None:
        self.mint, self.now = mint, now
        self.accounts: dict[Pubkey, Account] = {}
        self.tokens: dict[Pubkey, TokenAccount] = {}

    def log(self, scope: Pubkey, event_hash: bytes) -> None:
        """Number the event of the last instruction."""
        sequence = self._get(scope).sequence + 1
        self._change(scope, sequence=sequence, event_hash=event_hash)

    def transfer(self, source: Pubkey, destination: Pubkey, amount: int) -> None:
        """A plain transfer, which the Marketplace has no part in; nothing is looked at to move nothing."""
        if amount == 0:
            return
        self.tokens[source].amount -= amount
        self.tokens[destination].amount += amount

    def _get(self, address: Pubkey) -> Any:
        return self.accounts[address]

    def _change(self, address: Pubkey, **fields: Any) -> None:
        self.accounts[address] = msgspec.structs.replace(self.accounts[address], **fields)

    # the Marketplace

    def initialize(self, rules, *, admin, state, mint, commission_tokens, deposit, commission_millionths,
                   notice_seconds, **_) -> Effect:  # fmt: skip
        derived, bump = derive.state_address()
        rules.new(state, derived)
        rules.refuse("MintInvalid", mint != self.mint)
        rules.tokens(commission_tokens, mint)
        rules.refuse("CommissionInvalid", commission_millionths > MILLION)
        rules.refuse("NoticeInvalid", not 1 <= notice_seconds <= 2_592_000)
        rules.hold()
        self.accounts[state] = State(
            bump=bump, admin=admin, mint=mint, commission_tokens=commission_tokens, deposit=deposit,
            commission_millionths=commission_millionths, notice_seconds=notice_seconds, **FIRST,
        )  # fmt: skip
        return Effect("Initialized", state, {"admin": str(admin), "deposit": deposit})

    def update_deposit(self, rules, *, admin, state, deposit) -> Effect:
        market = rules.find(State, state)
        rules.refuse("NotTheAdmin", market and market.admin != admin)
        rules.refuse("NothingChanges", market and market.deposit == deposit)
        rules.hold()
        self._change(state, deposit=deposit)
        return Effect("DepositUpdated", state, {"deposit": deposit})

    def update_commission(self, rules, *, admin, state, commission_tokens, commission_millionths) -> Effect:
        market = rules.find(State, state)
        rules.refuse("NotTheAdmin", market and market.admin != admin)
        rules.refuse("CommissionInvalid", commission_millionths > MILLION)
        rules.tokens(commission_tokens, self.mint)
        new = commission_millionths, commission_tokens
        rules.refuse(
            "NothingChanges", market and new == (market.commission_millionths, market.commission_tokens)
        )
        rules.hold()
        self._change(state, commission_millionths=commission_millionths, commission_tokens=commission_tokens)
        return Effect("CommissionUpdated", state, {"commission_millionths": commission_millionths})

    def create_provider_authorizer(self, rules, *, admin, state, authorizer, authority, **_) -> Effect:
        market = rules.find(State, state)
        derived, bump = derive.authorizer_address(authority)
        rules.refuse("NotTheAdmin", market and market.admin != admin)
        rules.new(authorizer, derived)
        rules.hold()
        self.accounts[authorizer] = Authorizer(bump=bump, authority=authority)
        return Effect("AuthorizerCreated", state, {"authority": str(authority)})

    def remove_provider_authorizer(self, rules, *, admin, state, authorizer) -> Effect:
        market, present = rules.find(State, state), rules.find(Authorizer, authorizer)
        rules.refuse("NotTheAdmin", market and market.admin != admin)
        rules.hold()
        del self.accounts[authorizer]
        return Effect("AuthorizerRemoved", state, {"authority": str(present.authority)})

    # providers

    def create_provider(
        self, rules, *, owner, state, provider, vault, owner_tokens, mint, max_deposit, name, **_
    ) -> Effect:
        market = rules.find(State, state)
        derived, bump = derive.provider_address(owner)
        rules.new(provider, derived)
        rules.new(vault, derive.vault_address(provider)[0])
        rules.refuse("DepositTooHigh", market and market.deposit > max_deposit)
        rules.refuse("NameInvalid", not 1 <= len(name.encode()) <= 32)
        rules.refuse("MintInvalid", mint != self.mint)
        rules.tokens(owner_tokens, self.mint, owner, market.deposit if market else 0)
        rules.hold()
        self.accounts[provider] = Provider(
            bump=bump, owner=owner, vault=vault, deposit=market.deposit, region_count=0,
            status=ProviderStatus.DISABLED, name=name, **FIRST,
        )  # fmt: skip
        self.tokens[vault] = TokenAccount(mint, provider, 0)
        self.transfer(owner_tokens, vault, market.deposit)
        return Effect("ProviderCreated", provider, {"owner": str(owner), "deposit": market.deposit})

    def authorize_provider(self, rules, **accounts) -> Effect:
        return self._set_status(rules, ProviderStatus.DISABLED, ProviderStatus.AUTHORIZED, **accounts)

    def revoke_provider(self, rules, **accounts) -> Effect:
        return self._set_status(rules, ProviderStatus.AUTHORIZED, ProviderStatus.DISABLED, **accounts)

    def _set_status(self, rules, old, new, *, authority, authorizer, provider) -> Effect:
        right, seller = rules.find(Authorizer, authorizer), rules.find(Provider, provider)
        rules.refuse("NotAnAuthorizer", right and right.authority != authority)
        rules.refuse("ProviderIsClosed", seller and seller.status is ProviderStatus.CLOSED)
        rules.refuse("NothingChanges", seller and seller.status is new)
        rules.hold()
        self._change(provider, status=new)
        event = "ProviderAuthorized" if old is ProviderStatus.DISABLED else "ProviderRevoked"
        return Effect(event, provider, {"authority": str(authority)})

    def close_provider(self, rules, *, owner, provider, vault, owner_tokens) -> Effect:
        seller = rules.find(Provider, provider)
        rules.refuse("NotTheOwner", seller and seller.owner != owner)
        rules.refuse("ProviderIsClosed", seller and seller.status is ProviderStatus.CLOSED)
        rules.refuse("ProviderHasRegions", seller and seller.region_count)
        rules.refuse("VaultMismatch", seller and seller.vault != vault)
        rules.refuse("AccountInUse", owner_tokens == vault)
        rules.tokens(owner_tokens, self.mint)
        rules.hold()
        refund = self.tokens[vault].amount
        self.transfer(vault, owner_tokens, refund)
        del self.tokens[vault]
        self._change(provider, status=ProviderStatus.CLOSED, deposit=0)
        return Effect("ProviderClosed", provider, {"refund": refund})

    # escrows

    def create_escrow(self, rules, *, client, state, provider, escrow, vault, mint, **_) -> Effect:
        rules.find(State, state)
        seller = rules.find(Provider, provider)
        derived, bump = derive.escrow_address(provider, client)
        rules.refuse("ProviderNotAuthorized", seller and seller.status is not ProviderStatus.AUTHORIZED)
        rules.refuse("MintInvalid", mint != self.mint)
        rules.new(escrow, derived)
        rules.new(vault, derive.vault_address(escrow)[0])
        rules.hold()
        self.accounts[escrow] = Escrow(
            bump=bump, provider=provider, client=client, vault=vault, balance=0, withdrawal=0, withdrawal_from=0,
            locks=(NO_LOCK,) * 8, **FIRST,
        )  # fmt: skip
        self.tokens[vault] = TokenAccount(mint, escrow, 0)
        return Effect("EscrowCreated", escrow, {"client": str(client)})

    def deposit_escrow(self, rules, *, depositor, escrow, vault, depositor_tokens, amount) -> Effect:
        fund = rules.find(Escrow, escrow)
        rules.refuse("VaultMismatch", fund and fund.vault != vault)
        rules.refuse("AmountInvalid", amount < 1)
        rules.tokens(depositor_tokens, self.mint, depositor, amount)
        rules.hold()
        self.transfer(depositor_tokens, vault, amount)
        self._receive(escrow, fund, amount)
        return Effect("EscrowDeposited", escrow, {"amount": amount, "balance": fund.balance + amount})

    def _receive(self, escrow, fund, amount) -> None:
        asked = min(fund.withdrawal, fund.balance)
        claimable_from = fund.withdrawal_from if asked else 0
        self._change(escrow, balance=fund.balance + amount, withdrawal=asked, withdrawal_from=claimable_from)

    def withdraw_escrow(self, rules, *, client, state, escrow, amount) -> Effect:
        market, fund = rules.find(State, state), rules.find(Escrow, escrow)
        rules.refuse("NotTheOwner", fund and fund.client != client)
        rules.refuse("NothingChanges", fund and amount == 0 == fund.withdrawal)
        rules.refuse("TokensInsufficient", fund and amount > fund.balance)
        rules.hold()
        claimable_from = self.now + market.notice_seconds if amount else 0
        self._change(escrow, withdrawal=amount, withdrawal_from=claimable_from)
        return Effect("WithdrawalRequested", escrow, {"amount": amount, "claimable_from": claimable_from})

    def claim_withdrawal(self, rules, *, client, escrow, vault, client_tokens) -> Effect:
        fund = rules.find(Escrow, escrow)
        rules.refuse("NotTheOwner", fund and fund.client != client)
        rules.refuse("VaultMismatch", fund and fund.vault != vault)
        rules.refuse("AccountInUse", client_tokens == vault)
        rules.tokens(client_tokens, self.mint)
        amount = 0
        if fund:
            amount = min(fund.withdrawal, fund.balance - sum(lock.minimum for lock in fund.locks))
            rules.refuse("NothingToWithdraw", amount <= 0)
            rules.refuse("NoticeNotOver", self.now < fund.withdrawal_from)
        rules.hold()
        self.transfer(vault, client_tokens, amount)
        self._change(escrow, balance=fund.balance - amount, withdrawal=0, withdrawal_from=0)
        return Effect("WithdrawalClaimed", escrow, {"amount": amount, "balance": fund.balance - amount})

    def sync_escrow(self, rules, *, escrow, vault) -> Effect:
        fund = rules.find(Escrow, escrow)
        rules.refuse("VaultMismatch", fund and fund.vault != vault)
        held = self.tokens[fund.vault].amount if fund else 0
        rules.refuse("NothingChanges", fund and held == fund.balance)
        rules.hold()
        self._receive(escrow, fund, held - fund.balance)
        return Effect("EscrowSynced", escrow, {"amount": held - fund.balance, "balance": held})
