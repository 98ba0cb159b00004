"""Token accounts and mints that will not do, and amounts at the limits of their numbers."""

import pytest
from solders.system_program import ID as SYSTEM_PROGRAM_ID
from solders.transaction_status import (
    InstructionErrorCustom,
    InstructionErrorFieldless,
    TransactionErrorInstructionError,
)

from contract import client
from contract.addresses import TOKEN_PROGRAM_ID, vault_address
from contract.terms import NO_LOCK, Lock
from tests.contract.attacks import NAMES, PLACES, TOKEN_2022_ID, Target, with_fields, with_tokens
from tests.contract.world import DEPOSIT, TOKEN, World

MOST = 2**64 - 1
TOKEN_PLACES = [
    (name, place.name)
    for name in NAMES
    for place in PLACES[name]
    if place.name.endswith("_tokens") or (place.name == "vault" and not name.startswith("create"))
]
BROKEN = {
    "frozen": lambda data, _: (with_tokens(data, state=2), TOKEN_PROGRAM_ID),
    "not initialized": lambda data, _: (with_tokens(data, state=0), TOKEN_PROGRAM_ID),
    "of an unknown state": lambda data, _: (with_tokens(data, state=3), TOKEN_PROGRAM_ID),
    "zeros": lambda data, _: (bytes(165), TOKEN_PROGRAM_ID),
    "closed": lambda data, _: (b"", SYSTEM_PROGRAM_ID),
    "of another mint": lambda data, mint: (with_tokens(data, mint=mint), TOKEN_PROGRAM_ID),
    "of Token-2022": lambda data, _: (data, TOKEN_2022_ID),
    "with extensions, of Token-2022": lambda data, _: (data + b"\2" + bytes(10), TOKEN_2022_ID),
    "with extensions": lambda data, _: (data + b"\2" + bytes(10), TOKEN_PROGRAM_ID),
    "too short": lambda data, _: (data[:164], TOKEN_PROGRAM_ID),
    "a multisignature": lambda data, _: (data + bytes(355 - 165), TOKEN_PROGRAM_ID),
    "a mint": lambda data, _: (data[:82], TOKEN_PROGRAM_ID),
}

LEFT_TO_THE_TOKEN_PROGRAM = {("update_usage", "vault"), ("update_usage", "commission_tokens")}
"""Given by address; nothing else is checked, so that the Token program's own error comes through."""

TOKEN_PROGRAM_ERRORS = {
    "frozen": 17,
    "not initialized": InstructionErrorFieldless.UninitializedAccount,
    "zeros": InstructionErrorFieldless.UninitializedAccount,
    "of another mint": 3,
    "of Token-2022": InstructionErrorFieldless.ExternalAccountDataModified,
}
"""`InvalidAccountData` where it is none of these; numbers are the Token program's own."""


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize(("name", "place"), TOKEN_PLACES)
def test_broken_token_accounts_in_every_place(unchanged_targets, name: str, place: str, broken: str) -> None:
    target: Target = unchanged_targets[name]
    address = target.address(place)
    present = target.cluster.svm.get_account(address)
    assert present is not None
    data, owner = BROKEN[broken](present.data, target.others["other_mint"])
    with target.planted(address, data, owner):
        if (name, place) in LEFT_TO_THE_TOKEN_PROGRAM:
            before = target.snapshot(target.instruction)
            error = target.cluster.failure(target.instruction, *target.keys)
            assert target.snapshot(target.instruction) == before
            assert isinstance(error, TransactionErrorInstructionError)
            found = error.err.code if isinstance(error.err, InstructionErrorCustom) else error.err
            expected = TOKEN_PROGRAM_ERRORS.get(broken, InstructionErrorFieldless.InvalidAccountData)
            assert found == expected
        elif name == "sync_escrow" and broken == "frozen":
            # Nothing moves, so it can be recorded.
            assert target.accepts(target.instruction) is not None
        elif name == "sync_escrow" and broken == "of another mint":
            # What cannot be: no vault changes its mint. Its amount counts whatever the mint.
            assert target.accepts(target.instruction) is not None
        else:
            expected = "TokenAccountFrozen" if broken == "frozen" else "TokenAccountInvalid"
            assert target.refusal(target.instruction) == expected


@pytest.mark.parametrize("broken", ["zeros", "too short", "of Token-2022", "closed", "a token account"])
def test_mints_that_are_none(unchanged_targets, broken: str) -> None:
    target: Target = unchanged_targets["initialize"]
    data = target.cluster.svm.get_account(target.world.mint).data
    contents, owner = {
        "zeros": (bytes(82), TOKEN_PROGRAM_ID),
        "too short": (data[:81], TOKEN_PROGRAM_ID),
        "of Token-2022": (data, TOKEN_2022_ID),
        "closed": (b"", SYSTEM_PROGRAM_ID),
        "a token account": (data.ljust(165, b"\1"), TOKEN_PROGRAM_ID),
    }[broken]
    with target.planted(target.world.mint, contents, owner):
        assert target.refusal(target.instruction) == "MintInvalid"


def test_a_mint_of_another_kind(unchanged_targets) -> None:
    for name, refusal in (
        ("initialize", "TokenAccountInvalid"),
        ("create_provider", "MintInvalid"),
        ("create_escrow", "MintInvalid"),
    ):
        target: Target = unchanged_targets[name]
        [place] = [known for known in PLACES[name] if known.name == "mint"]
        other = target.with_account(place, target.others["other_mint"])
        assert target.refusal(other) == refusal


@pytest.mark.parametrize(
    ("name", "place", "needed"),
    [("create_provider", "owner_tokens", DEPOSIT), ("deposit_escrow", "depositor_tokens", TOKEN)],
)
def test_one_base_unit_too_few(unchanged_targets, name: str, place: str, needed: int) -> None:
    target: Target = unchanged_targets[name]
    address = target.address(place)
    data = target.cluster.svm.get_account(address).data
    for amount in (0, needed - 1):
        with target.planted(address, with_tokens(data, amount=amount), TOKEN_PROGRAM_ID):
            assert target.refusal(target.instruction) == "TokensInsufficient"
    with target.planted(address, with_tokens(data, amount=needed), TOKEN_PROGRAM_ID):
        assert target.accepts(target.instruction) is not None


def test_tokens_that_are_only_delegated(unchanged_targets) -> None:
    """A delegate of somebody's tokens cannot deposit them: only the owner can."""
    target: Target = unchanged_targets["deposit_escrow"]
    address = target.others["alice_tokens"]
    data = target.cluster.svm.get_account(address).data
    delegated = data[:72] + (1).to_bytes(4, "little") + bytes(target.others["carol"]) + data[108:121]
    delegated += MOST.to_bytes(8, "little") + data[129:]
    [place] = [known for known in PLACES["deposit_escrow"] if known.name == "depositor_tokens"]
    with target.planted(address, delegated, TOKEN_PROGRAM_ID):
        assert target.refusal(target.with_account(place, address)) == "TokenAccountInvalid"


def fill(world: World, balance: int, **fields: object) -> None:
    """Lets carol's escrow with alice hold and record an amount."""
    cluster, vault = world.cluster, vault_address(world.escrow)[0]
    tokens = with_tokens(cluster.svm.get_account(vault).data, amount=balance)
    cluster.plant(vault, tokens, TOKEN_PROGRAM_ID)
    cluster.plant(world.escrow, with_fields(cluster.data(world.escrow), balance=balance, **fields))


def test_a_balance_near_the_greatest_number(world) -> None:
    fill(world, MOST - 1)
    event = world.do(*world.deposit(world.carol, world.escrow, 1))
    assert event.fields["balance"] == MOST
    instruction, signer = world.deposit(world.carol, world.escrow, 1)
    error = world.cluster.failure(instruction, signer)
    # The Token program's Overflow comes before ours.
    assert isinstance(error, TransactionErrorInstructionError)
    assert error.err == InstructionErrorCustom(14)
    carol = world.carol.pubkey()
    world.do(client.withdraw_escrow(carol, world.provider, MOST), world.carol)
    assert world.cluster.account(world.escrow).withdrawal == MOST


def test_a_recorded_balance_that_would_overflow(world) -> None:
    escrow = world.cluster.data(world.escrow)
    world.cluster.plant(world.escrow, with_fields(escrow, balance=MOST))
    instruction, signer = world.deposit(world.carol, world.escrow, 1)
    assert world.cluster.refusal(instruction, signer) == "CounterExhausted"
    sync = client.sync_escrow(world.escrow)
    assert world.cluster.refusal(sync) == "CounterExhausted"


def test_minima_whose_sum_has_no_room(world) -> None:
    """The sum stays at the greatest number, so it is never too low."""
    locks = [*(Lock(region_number=100 + number, stack_count=1, minimum=MOST) for number in range(6))]
    present = world.cluster.account(world.escrow).locks[0]
    places = [
        {"region_number": lock.region_number, "stack_count": lock.stack_count, "minimum": lock.minimum}
        for lock in (present, *locks, NO_LOCK)
    ]
    fill(world, MOST - 1, locks=places)
    carol = world.carol.pubkey()
    deploy = client.deploy_stack(carol, world.provider, world.region, 2, b"m")
    assert world.cluster.refusal(deploy, world.carol) == "EscrowTooLow"
    claim = client.claim_withdrawal(carol, world.provider, world.tokens(world.carol))
    assert world.cluster.refusal(claim, world.carol) == "NothingToWithdraw"


SCOPES = {
    "state": ("initialize", "update_deposit", "update_commission", "create_provider_authorizer",
              "remove_provider_authorizer"),
    "provider": ("create_provider", "authorize_provider", "revoke_provider", "close_provider"),
    "escrow": ("create_escrow", "deposit_escrow", "withdraw_escrow", "claim_withdrawal", "sync_escrow"),
    "region": ("create_region", "update_region", "close_region", "deploy_stack", "update_stack", "delete_stack",
               "evict_stack", "create_usage_signer", "revoke_usage_signer", "create_request_signer",
               "activate_request_signer", "deactivate_request_signer", "update_usage", "close_usage_report"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (scope, name)
        for scope, names in SCOPES.items()
        for name in names
        if name not in ("initialize", "create_provider", "create_escrow", "create_region")
    ],
)
def test_a_scope_without_a_next_number(unchanged_targets, scope: str, name: str) -> None:
    """After 2^64 - 1 events a scope takes no more, rather than begin again."""
    target: Target = unchanged_targets[name]
    address = target.address(scope)
    data = target.cluster.data(address)
    with target.planted(address, with_fields(data, sequence=MOST)):
        assert target.refusal(target.instruction) == "CounterExhausted"
    with target.planted(address, with_fields(data, sequence=MOST - 1)):
        assert target.accepts(target.instruction) is not None


def test_every_instruction_has_one_scope() -> None:
    assert sorted(name for names in SCOPES.values() for name in names) == sorted(NAMES)


@pytest.mark.parametrize(
    ("name", "place", "fields"),
    [
        ("create_region", "provider", {"region_count": 2**32 - 1}),
        ("close_region", "provider", {"region_count": 0}),
        ("deploy_stack", "region", {"stack_count": 2**32 - 1}),
        ("delete_stack", "region", {"stack_count": 0}),
        ("evict_stack", "region", {"stack_count": 0}),
        ("update_stack", "stack", {"revision": 2**32 - 1}),
    ],
)
def test_counters_at_their_limits(unchanged_targets, name: str, place: str, fields: dict[str, int]) -> None:
    target: Target = unchanged_targets[name]
    address = target.address(place)
    with target.planted(address, with_fields(target.cluster.data(address), **fields)):
        assert target.refusal(target.instruction) == "CounterExhausted"


def test_a_lock_that_counts_as_many_stacks_as_it_can(unchanged_targets) -> None:
    target: Target = unchanged_targets["deploy_stack"]
    address = target.address("escrow")
    places = [{"region_number": 7, "stack_count": 2**32 - 1, "minimum": 1}]
    places += [{"region_number": 0, "stack_count": 0, "minimum": 0}] * 7
    with target.planted(address, with_fields(target.cluster.data(address), locks=places)):
        assert target.refusal(target.instruction) == "CounterExhausted"
