"""Accounts rebuilt from events that are made by hand."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from solders.pubkey import Pubkey

from contract.accounts import (
    Authorizer,
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
from contract.addresses import (
    authorizer_address,
    escrow_address,
    provider_address,
    region_address,
    request_signer_address,
    stack_address,
    state_address,
    usage_report_address,
    usage_signer_address,
    vault_address,
)
from contract.program_event import ProgramEvent
from contract.rebuild import EventMisfit, Rebuilt, parties, regions
from contract.terms import NO_LOCK, NO_TERMS, Lock, Prices, Terms, Usage
from tests.contract.idl_values import EVENTS, snake

ADMIN, OWNER, CLIENT, AUTHORITY, MINT, TOKENS, SIGNER, OTHER = (
    Pubkey([number] * 32) for number in range(1, 9)
)
STATE, PROVIDER = state_address()[0], provider_address(OWNER)[0]
ESCROW = escrow_address(PROVIDER, CLIENT)[0]
REGIONS = [region_address(PROVIDER, number)[0] for number in range(10)]
REGION = REGIONS[0]
STACKS = [stack_address(REGION, CLIENT, seed)[0] for seed in range(4)]
TERMS = Terms(
    minimum_escrow=5, max_instructions_per_call=6, notice_seconds=7, prices=Prices(gateway_gigabyte=8)
)
LATER = msgspec.structs.replace(TERMS, minimum_escrow=9)


class History:
    """Numbers and chains events by hand, and applies them."""

    def __init__(self) -> None:
        self.rebuilt = Rebuilt()
        self._last: dict[Pubkey, tuple[int, bytes]] = {}

    def event(self, name: str, scope: Pubkey, /, **fields: Any) -> ProgramEvent:
        """The scope's next event; keys and structs are put into the form of decoded events."""
        assert set(fields) == {snake(field["name"]) for field in EVENTS[name][3:]}
        plain = {
            field: str(value)
            if isinstance(value, Pubkey)
            else msgspec.to_builtins(value, builtin_types=(bytes,))
            for field, value in fields.items()
        }
        sequence, previous_hash = self._last.get(scope, (0, bytes(32)))
        digest = sha256(repr((name, scope, sequence, plain)).encode()).digest()
        return ProgramEvent(name, scope, sequence + 1, previous_hash, digest, plain)

    def add(self, name: str, scope: Pubkey, /, **fields: Any) -> None:
        event = self.event(name, scope, **fields)
        self.rebuilt.apply(event)
        self._last[scope] = event.sequence, event.hash

    def numbered(self, scope: Pubkey) -> dict[str, Any]:
        sequence, event_hash = self._last[scope]
        return {"sequence": sequence, "event_hash": event_hash}

    def __getitem__(self, address: Pubkey) -> Any:
        return self.rebuilt.accounts[address]

    def __contains__(self, address: Pubkey) -> bool:
        return address in self.rebuilt.accounts

    def initialize(self) -> None:
        self.add("Initialized", STATE, admin=ADMIN, mint=MINT, commission_tokens=TOKENS, deposit=10,
                 commission_millionths=20, notice_seconds=30)  # fmt: skip

    def create_provider(self) -> None:
        self.add(
            "ProviderCreated", PROVIDER, owner=OWNER, vault=vault_address(PROVIDER)[0], deposit=10, name="p"
        )
        self.add("ProviderAuthorized", PROVIDER, authority=AUTHORITY)

    def create_region(self, number: int = 0) -> None:
        self.add("RegionCreated", REGIONS[number], provider=PROVIDER, number=number, name="r", base_url="u",
                 terms=TERMS)  # fmt: skip

    def create_escrow(self) -> None:
        self.add("EscrowCreated", ESCROW, provider=PROVIDER, client=CLIENT, vault=vault_address(ESCROW)[0])
        self.add("EscrowDeposited", ESCROW, depositor=OTHER, amount=100, balance=100)

    def deploy(self, seed: int = 0, number: int = 0, minimum: int = 5) -> None:
        self.add("StackDeployed", REGIONS[number], stack=stack_address(REGIONS[number], CLIENT, seed)[0], owner=CLIENT,
                 escrow=ESCROW, minimum=minimum, seed=seed, revision=1, manifest=b"m")  # fmt: skip

    def delete(self, seed: int = 0, number: int = 0, withdrawal_from: int = 0) -> None:
        self.add("StackDeleted", REGIONS[number], stack=stack_address(REGIONS[number], CLIENT, seed)[0], owner=CLIENT,
                 escrow=ESCROW, withdrawal_from=withdrawal_from, revision=1, deleted_at=70)  # fmt: skip

    def report(self, first: int, last: int) -> None:
        self.add("UsageReported", REGION, stack=STACKS[0], owner=CLIENT, escrow=ESCROW, signer=SIGNER,
                 first_position=first, last_position=last, digest=b"d" * 32, usage=Usage(gateway_requests=1), cost=90,
                 charge=80, commission=8, shortfall=10, balance=20, reported_at=60)  # fmt: skip


@pytest.fixture
def history() -> History:
    """A provider, two regions of it, a client's escrow with it."""
    history = History()
    history.initialize()
    history.create_provider()
    for number in range(2):
        history.create_region(number)
    history.create_escrow()
    return history


def test_the_state() -> None:
    history = History()
    history.initialize()
    state = State(
        bump=state_address()[1], admin=ADMIN, mint=MINT, commission_tokens=TOKENS, deposit=10,
        commission_millionths=20, notice_seconds=30, **history.numbered(STATE),
    )  # fmt: skip
    assert history.rebuilt.accounts == {STATE: state}
    history.add("DepositUpdated", STATE, deposit=11)
    history.add("CommissionUpdated", STATE, commission_millionths=21, commission_tokens=OTHER)
    assert history[STATE] == msgspec.structs.replace(
        state, deposit=11, commission_millionths=21, commission_tokens=OTHER, **history.numbered(STATE)
    )
    assert history[STATE].sequence == 3


def test_an_authorizer_comes_and_goes() -> None:
    history = History()
    history.initialize()
    address, bump = authorizer_address(AUTHORITY)
    for _ in range(2):
        history.add("AuthorizerCreated", STATE, authority=AUTHORITY)
        assert history[address] == Authorizer(bump=bump, authority=AUTHORITY)
        history.add("AuthorizerRemoved", STATE, authority=AUTHORITY)
        assert address not in history


def test_a_provider(history: History) -> None:
    provider = Provider(
        bump=provider_address(OWNER)[1], owner=OWNER, vault=vault_address(PROVIDER)[0], deposit=10, region_count=2,
        status=ProviderStatus.AUTHORIZED, name="p", **history.numbered(PROVIDER),
    )  # fmt: skip
    assert history[PROVIDER] == provider
    history.add("ProviderRevoked", PROVIDER, authority=AUTHORITY)
    assert history[PROVIDER].status is ProviderStatus.DISABLED
    for number in range(2):
        history.add("RegionClosed", REGIONS[number], provider=PROVIDER, number=number)
    history.add("ProviderClosed", PROVIDER, owner=OWNER, refund=12)
    assert history[PROVIDER] == msgspec.structs.replace(
        provider, region_count=0, status=ProviderStatus.CLOSED, deposit=0, **history.numbered(PROVIDER)
    )
    assert history[PROVIDER].sequence == 4


def test_a_provider_is_disabled_at_first() -> None:
    history = History()
    history.add("ProviderCreated", PROVIDER, owner=OWNER, vault=OTHER, deposit=0, name="p")
    assert history[PROVIDER].status is ProviderStatus.DISABLED


def test_a_region(history: History) -> None:
    region = Region(
        bump=region_address(PROVIDER, 0)[1], provider=PROVIDER, number=0, stack_count=0, status=RegionStatus.LIVE,
        terms=TERMS, next_from=0, next_terms=NO_TERMS, name="r", base_url="u", **history.numbered(REGION),
    )  # fmt: skip
    assert history[REGION] == region
    history.add("RegionUpdated", REGION, base_url="v", terms=TERMS, next_from=50, next_terms=LATER)
    history.add("RegionClosed", REGION, provider=PROVIDER, number=0)
    assert history[REGION] == msgspec.structs.replace(
        region,
        base_url="v",
        next_from=50,
        next_terms=LATER,
        status=RegionStatus.CLOSED,
        **history.numbered(REGION),
    )
    assert history[PROVIDER].region_count == 1


def test_an_escrow(history: History) -> None:
    escrow = Escrow(
        bump=escrow_address(PROVIDER, CLIENT)[1], provider=PROVIDER, client=CLIENT, vault=vault_address(ESCROW)[0],
        balance=100, withdrawal=0, withdrawal_from=0, locks=(NO_LOCK,) * 8, **history.numbered(ESCROW),
    )  # fmt: skip
    assert history[ESCROW] == escrow
    history.add("EscrowSynced", ESCROW, amount=5, balance=105)
    history.add("WithdrawalRequested", ESCROW, amount=50, claimable_from=40)
    assert history[ESCROW] == msgspec.structs.replace(
        escrow, balance=105, withdrawal=50, withdrawal_from=40, **history.numbered(ESCROW)
    )
    history.add("WithdrawalClaimed", ESCROW, amount=50, balance=55)
    assert history[ESCROW] == msgspec.structs.replace(escrow, balance=55, **history.numbered(ESCROW))


def test_a_stack_lives_and_dies(history: History) -> None:
    history.deploy()
    stack = Stack(
        bump=stack_address(REGION, CLIENT, 0)[1], region=REGION, owner=CLIENT, seed=0, revision=1,
        status=StackStatus.ACTIVE, reported_position=0, deleted_at=0, final_prices=Prices(), manifest=b"m",
    )  # fmt: skip
    assert history[STACKS[0]] == stack
    assert history[REGION].stack_count == 1
    history.add("StackUpdated", REGION, stack=STACKS[0], owner=CLIENT, escrow=ESCROW, minimum=9, revision=2,
                manifest=b"n")  # fmt: skip
    assert history[STACKS[0]] == msgspec.structs.replace(stack, revision=2, manifest=b"n")
    assert history[ESCROW].locks[0] == Lock(region_number=0, stack_count=1, minimum=9)
    history.add("WithdrawalRequested", ESCROW, amount=50, claimable_from=40)
    history.delete(withdrawal_from=100)
    assert history[STACKS[0]] == msgspec.structs.replace(
        stack, status=StackStatus.DELETED, deleted_at=70, final_prices=TERMS.prices, manifest=b""
    )
    assert history[REGION].stack_count == 0
    assert history[ESCROW].withdrawal_from == 100
    assert history[ESCROW].locks == (NO_LOCK,) * 8


def test_locks_keep_their_places(history: History) -> None:
    history.deploy(seed=0, number=1, minimum=3)
    history.deploy(seed=0, number=0, minimum=4)
    history.deploy(seed=1, number=1, minimum=6)
    one = Lock(region_number=1, stack_count=2, minimum=6)
    zero = Lock(region_number=0, stack_count=1, minimum=4)
    assert history[ESCROW].locks == (one, zero, *(NO_LOCK,) * 6)
    history.delete(seed=0, number=1)
    assert history[ESCROW].locks[0] == msgspec.structs.replace(one, stack_count=1)
    history.delete(seed=1, number=1)
    assert history[ESCROW].locks == (NO_LOCK, zero, *(NO_LOCK,) * 6)
    history.deploy(seed=1, number=0, minimum=5)
    assert history[ESCROW].locks[1] == Lock(region_number=0, stack_count=2, minimum=5)
    history.create_region(2)
    history.deploy(seed=0, number=2, minimum=7)
    assert history[ESCROW].locks[0] == Lock(region_number=2, stack_count=1, minimum=7)


def test_a_ninth_region_finds_no_place(history: History) -> None:
    for number in range(2, 9):
        history.create_region(number)
    for number in range(8):
        history.deploy(number=number)
    assert [lock.region_number for lock in history[ESCROW].locks] == list(range(8))
    with pytest.raises(EventMisfit, match="no place"):
        history.deploy(number=8)


def test_signers(history: History) -> None:
    usage_signer, bump = usage_signer_address(REGION)
    for signer in (SIGNER, OTHER):
        history.add("UsageSignerCreated", REGION, signer=signer, valid_from=1, valid_to=2)
        assert history[usage_signer] == UsageSigner(
            bump=bump, region=REGION, signer=signer, valid_from=1, valid_to=2
        )
    history.add("UsageSignerRevoked", REGION, signer=OTHER, revoked_at=1)
    assert usage_signer not in history
    request_signer, bump = request_signer_address(REGION, CLIENT, SIGNER)
    for name, active in (("Created", True), ("Deactivated", False), ("Activated", True)):
        history.add(f"RequestSigner{name}", REGION, client=CLIENT, signer=SIGNER)
        assert history[request_signer] == RequestSigner(
            bump=bump, region=REGION, client=CLIENT, signer=SIGNER, active=active
        )


def test_usage_reports(history: History) -> None:
    history.deploy()
    history.report(1, 5)
    address, bump = usage_report_address(STACKS[0], 1, 5)
    assert history[address] == UsageReport(
        bump=bump, region=REGION, stack=STACKS[0], first_position=1, last_position=5, payer=SIGNER, reported_at=60,
        digest=b"d" * 32, cost=90, charge=80, commission=8,
    )  # fmt: skip
    assert history[STACKS[0]].reported_position == 5
    assert history[STACKS[0]].status is StackStatus.ACTIVE
    assert history[ESCROW].balance == 20
    history.delete()
    history.report(6, 6)
    assert (history[STACKS[0]].status, history[STACKS[0]].reported_position) == (StackStatus.SETTLED, 6)
    history.add("UsageReportClosed", REGION, stack=STACKS[0], first_position=1, last_position=5, payer=SIGNER)
    assert address not in history
    assert usage_report_address(STACKS[0], 6, 6)[0] in history


def test_only_the_events_scope_is_numbered_anew(history: History) -> None:
    before = {address: history[address].sequence for address in (STATE, PROVIDER, REGION, REGIONS[1], ESCROW)}
    history.deploy()
    after = {address: history[address].sequence for address in before}
    assert after == {**before, REGION: before[REGION] + 1}


def misfits(history: History) -> dict[str, ProgramEvent]:
    """Events that cannot come next."""
    due = history.event("DepositUpdated", STATE, deposit=1)
    again = msgspec.structs.replace(due, sequence=due.sequence - 1)
    skipped = msgspec.structs.replace(due, sequence=due.sequence + 1)
    forged = msgspec.structs.replace(due, previous_hash=b"x" * 32)
    stack = {"stack": STACKS[0], "owner": CLIENT, "escrow": ESCROW, "revision": 2}
    deployed = {**stack, "minimum": 1, "seed": 0, "manifest": b"m"}
    foreign = stack_address(REGIONS[1], CLIENT, 0)[0]
    signer = {"client": CLIENT, "signer": SIGNER}
    report = {"stack": STACKS[0], "first_position": 5, "last_position": 4, "payer": SIGNER}
    event = history.event
    return {
        "repeated": again,
        "one is missing": skipped,
        "another chain": forged,
        "unknown": msgspec.structs.replace(due, name="RegionPainted"),
        "scope of no account": event("DepositUpdated", OTHER, deposit=1),
        "scope of another kind": event("DepositUpdated", REGION, deposit=1),
        "made twice": event("ProviderCreated", PROVIDER, owner=OWNER, vault=OTHER, deposit=0, name="p"),
        "at a false address": event("ProviderCreated", OTHER, owner=OWNER, vault=OTHER, deposit=0, name="p"),
        "no provider": event("RegionCreated", region_address(OTHER, 1)[0], provider=OTHER, number=1, name="r",
                             base_url="u", terms=TERMS),
        "no authorizer": event("AuthorizerRemoved", STATE, authority=AUTHORITY),
        "no stack": event("StackDeleted", REGION, **stack, withdrawal_from=0, deleted_at=1),
        "no escrow": event("StackDeployed", REGION, **{**deployed, "escrow": OTHER}),
        "a stack's false address": event("StackDeployed", REGION, **{**deployed, "seed": 1}),
        "a stack of another region": event("StackUpdated", REGION, **{**stack, "stack": foreign}, minimum=1,
                                           manifest=b"m"),
        "no usage signer": event("UsageSignerRevoked", REGION, signer=SIGNER, revoked_at=1),
        "no request signer": event("RequestSignerActivated", REGION, **signer),
        "no report": event("UsageReportClosed", REGION, **{**report, "first_position": 1}),
        "positions": event("UsageReportClosed", REGION, **report),
    }  # fmt: skip


@pytest.mark.parametrize("case", list(misfits(History())))
def test_an_event_that_does_not_follow_changes_nothing(history: History, case: str) -> None:
    history.deploy(seed=0, number=1)
    before = dict(history.rebuilt.accounts)
    event = misfits(history)[case]
    with pytest.raises(EventMisfit, match=event.name) as caught:
        history.rebuilt.apply(event)
    assert caught.value.event is event
    assert history.rebuilt.accounts == before


def test_every_event_has_its_change() -> None:
    assert sorted([*parties.CHANGES, *regions.CHANGES]) == sorted(EVENTS)
