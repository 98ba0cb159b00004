"""Who takes part in the Marketplace's state machine, how it begins, and how choices are made in it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize
from solders.pubkey import Pubkey

from contract import addresses as derive
from contract.accounts import Account, Escrow, ProviderStatus, Region, RegionStatus, Stack, StackStatus
from contract.terms import Prices, Terms, Usage
from tests.contract.places import complete
from tests.contract.referee import Referee
from tests.contract.rules import Effect

Choice = TypeVar("Choice")

MAX_U64 = 2**64 - 1
MILLION = 10**6
NOTICE_SECONDS = 1_000
FUNDS = 10**9
RICH = 2**62
"""The funds of one client, whose amounts come near 2^64."""

DATA = st.data()
STATE = derive.state_address()[0]
ELSEWHERE = Pubkey(bytes([77] * 32))
"""Where there is nothing."""

AMOUNTS = st.sampled_from([1, 999, MILLION, 3 * MILLION, 20 * MILLION]) | st.integers(1, 10 * MILLION)
ODD_AMOUNTS = [0, 2**61, FUNDS + 1, MAX_U64 - 1, MAX_U64]
BASE_PRICES = st.sampled_from([1_000, 0, 333_333, MILLION, 20 * MILLION])
OTHER_PRICES = st.sampled_from([7] * 9 + [MAX_U64])
PRICES = st.builds(
    lambda base, others: Prices(**{**dict.fromkeys(Prices.__struct_fields__, base), **others}),
    BASE_PRICES,
    st.dictionaries(st.sampled_from(Prices.__struct_fields__), OTHER_PRICES, max_size=2),
)
MINIMA = st.sampled_from([0, 1, 1_000, MILLION, 5 * MILLION] * 2 + [MAX_U64])
TERMS = st.builds(
    Terms,
    minimum_escrow=MINIMA,
    max_instructions_per_call=st.sampled_from([1] * 9 + [0]),
    notice_seconds=st.sampled_from(
        [NOTICE_SECONDS, 2 * NOTICE_SECONDS] * 5 + [NOTICE_SECONDS - 1, 2**32 - 1]
    ),
    prices=PRICES,
)
USED = [10**5, 10**6, 10**9, 10**12, 7 * 10**12 + 1, 10**9 * 2_592_000]
USAGES = st.builds(
    lambda used: Usage(**used),
    st.dictionaries(
        st.sampled_from(Usage.__struct_fields__),
        st.sampled_from(USED * 3 + [MAX_U64]),
        min_size=1,
        max_size=3,
    ),
)
MANIFESTS = st.sampled_from([b"m", b"manifest", b"\0" * 875])
FIRST_TERMS = Terms(
    minimum_escrow=1_000,
    max_instructions_per_call=10**9,
    notice_seconds=NOTICE_SECONDS,
    prices=Prices(**dict.fromkeys(Prices.__struct_fields__, 333_333)),
)


def is_live(region: Region) -> bool:
    return region.status is RegionStatus.LIVE


def is_active(stack: Stack) -> bool:
    return stack.status is StackStatus.ACTIVE


class Parties(RuleBasedStateMachine):
    """What is chosen can mostly succeed, as nothing else reaches deep; one choice in twenty is wrong on purpose."""

    def __init__(self) -> None:
        super().__init__()
        self.referee = Referee()
        self.model = self.referee.model
        cluster = self.referee.cluster
        keys = [cluster.funded(number) for number in range(1, 13)]
        self.keys = {key.pubkey(): key for key in keys}
        parties = list(self.keys)
        self.admin, self.authorizers, self.owners = parties[0], parties[1:3], parties[3:6]
        self.clients, self.signers = parties[6:9], parties[9:11]
        self.wallets = {
            party: self.referee.fund(party, RICH if party == self.clients[0] else FUNDS) for party in parties
        }
        self.minted = RICH + FUNDS * (len(parties) - 1)
        self.mint, self.other_mint = cluster.mint, cluster.new_mint(100)
        self.other_tokens = [
            self.referee.fund(party, FUNDS, self.other_mint) for party in (self.owners[0], self.clients[0])
        ]
        self.begun = False

    @initialize(data=DATA, deposit=AMOUNTS, commission=st.sampled_from([30_000, 0, 1, 333_333, MILLION]))
    def begin(self, data, deposit: int, commission: int) -> None:
        """Two providers with two regions each, one that is not authorized yet, and clients with stacks."""
        do = partial(self.attempt, data)
        do("initialize", admin=self.admin, mint=self.mint, commission_tokens=self.wallets[self.admin],
           deposit=deposit, commission_millionths=commission, notice_seconds=NOTICE_SECONDS)  # fmt: skip
        for authority in self.authorizers:
            do("create_provider_authorizer", admin=self.admin, authority=authority)
        for owner in self.owners:
            do(
                "create_provider",
                owner=owner,
                owner_tokens=self.wallets[owner],
                mint=self.mint,
                name="p",
                max_deposit=MAX_U64,
            )
        for owner in self.owners[:2]:
            provider, _ = derive.provider_address(owner)
            do("authorize_provider", authority=self.authorizers[0], provider=provider)
            for number, signer in enumerate(self.signers):
                region = self.place(provider, number)
                do("create_region", **region, owner=owner, name="r", base_url="u", terms=FIRST_TERMS)
                valid_to = self.model.now + 20 * NOTICE_SECONDS
                do("create_usage_signer", **region, owner=owner, signer=signer, valid_to=valid_to)
            for party in self.clients:
                escrow, _ = derive.escrow_address(provider, party)
                do("create_escrow", client=party, provider=provider, mint=self.mint)
                do("deposit_escrow", depositor=party, escrow=escrow, depositor_tokens=self.wallets[party],
                   amount=10 * MILLION)  # fmt: skip
                do("deploy_stack", **self.place(provider, 0), owner=party, seed=0, manifest=b"first")
        self.begun = True

    # choices

    def mostly(self, data, usual: Choice, odd: Sequence[Choice]) -> Choice:
        """The usual one, or one time in twenty one of the others."""
        if not self.begun or data.draw(st.integers(0, 19)) < 19:
            return usual
        return data.draw(st.sampled_from(odd))

    def all_of(self, kind: type[Account], fits: Callable[[Any], Any] = lambda _: True) -> list[Pubkey]:
        accounts = self.model.accounts.items()
        return [address for address, account in accounts if isinstance(account, kind) and fits(account)]

    def pick(self, data, kind: type[Account], fits: Callable[[Any], Any] = lambda _: True) -> Pubkey:
        """An account of a kind, mostly one that fits."""
        every = self.all_of(kind)
        return self.mostly(data, data.draw(st.sampled_from(self.all_of(kind, fits) or every)), every)

    def amount(self, data, usual: int) -> int:
        return self.mostly(data, usual, ODD_AMOUNTS)

    def tokens_of(self, data, party: Pubkey) -> Pubkey:
        return self.mostly(data, self.wallets[party], list(self.model.tokens))

    def escrow_vaults(self) -> list[Pubkey]:
        return [self.get(escrow).vault for escrow in self.all_of(Escrow)]

    def get(self, address: Pubkey) -> Any:
        return self.model.accounts.get(address)

    def fund_of(self, stack: Stack) -> Pubkey:
        """The escrow that pays for a stack."""
        return derive.escrow_address(self.get(stack.region).provider, stack.owner)[0]

    def missing(self, stack: Stack) -> int:
        """How much less the stack's escrow holds than it locks; negative if it holds more."""
        fund = self.get(self.fund_of(stack))
        return fund.locked - fund.balance

    def can_be_charged(self, stack: Stack) -> bool:
        authorized = self.get(self.get(stack.region).provider).status is ProviderStatus.AUTHORIZED
        return is_active(stack) and authorized and self.get(self.fund_of(stack)).balance > 0

    def fill(self, data, party: Pubkey, escrow: Pubkey, amount: int) -> None:
        tokens = self.tokens_of(data, party)
        self.attempt(
            data, "deposit_escrow", depositor=party, escrow=escrow, depositor_tokens=tokens, amount=amount
        )

    def place(self, provider: Pubkey, number: int) -> dict[str, Any]:
        region, _ = derive.region_address(provider, number)
        return {"provider": provider, "number": number, "region": region}

    def where(self, region: Pubkey) -> dict[str, Any]:
        return self.place(self.get(region).provider, self.get(region).number)

    def seller(self, region: Pubkey) -> Pubkey:
        return self.get(self.get(region).provider).owner

    def wait_until(self, unix_time: int) -> None:
        self.referee.wait(max(0, unix_time - self.model.now))

    def attempt(self, data, name: str, /, **known: Any) -> Effect | str:
        """Mostly as it is; else by another party, or with another account in one place."""
        addresses, arguments = complete(name, known)
        roles = list(addresses)
        signed = name != "sync_escrow"
        if signed:
            addresses[roles[0]] = self.mostly(data, addresses[roles[0]], list(self.keys))
        role = self.mostly(data, None, roles[1:])
        if role is not None:
            addresses[role] = data.draw(self.accounts_like(addresses[role]))
        keys = [self.keys[addresses[roles[0]]]] if signed else []
        outcome = self.referee.attempt(name, addresses, arguments, *keys)
        if self.begun:
            event(f"{name}: {outcome if isinstance(outcome, str) else 'done'}")
        else:
            assert isinstance(outcome, Effect), (name, outcome)
        return outcome

    def accounts_like(self, address: Pubkey) -> st.SearchStrategy[Pubkey]:
        """Accounts of the same kind, or any others."""
        accounts, tokens = self.model.accounts, self.model.tokens
        kind = type(self.get(address))
        alike = list(tokens) if address in tokens else [at for at, it in accounts.items() if type(it) is kind]
        anything = [*accounts, *tokens, *self.keys, ELSEWHERE]
        return st.sampled_from(alike or anything) | st.sampled_from(anything)
