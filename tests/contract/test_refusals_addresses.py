"""Accounts are created at canonical addresses only, each vault for its own Provider or Escrow."""

from hashlib import sha256

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction_status import InstructionErrorFieldless, TransactionErrorInstructionError

from contract import client
from contract.addresses import PROGRAM_ID, provider_address, vault_address
from tests.contract.attacks import PLACES, Target
from tests.contract.world import DEPOSIT, World

BUMP_AT = 8
CREATED = {
    "initialize": [("state", BUMP_AT)],
    "create_provider_authorizer": [("authorizer", BUMP_AT)],
    "create_provider": [("provider", BUMP_AT), ("vault", BUMP_AT + 1)],
    "create_region": [("region", BUMP_AT)],
    "create_escrow": [("escrow", BUMP_AT), ("vault", BUMP_AT + 1)],
    "deploy_stack": [("stack", BUMP_AT)],
    "create_usage_signer": [("usage_signer", BUMP_AT)],
    "create_request_signer": [("request_signer", BUMP_AT)],
    "update_usage": [("usage_report", BUMP_AT)],
}
"""What each instruction creates, and where its data has the bump."""

CASES = [(name, place, at) for name, created in CREATED.items() for place, at in created]


def seeds_of(target: Target, place: str) -> list[bytes]:
    """The seeds of what a target creates, by the instruction's own accounts and arguments."""
    data = target.instruction.data
    of = {known.name: bytes(target.address(known.name)) for known in PLACES[target.name]}
    match place:
        case "state":
            return [b"state"]
        case "authorizer":
            return [b"authorizer", data[9:41]]
        case "provider":
            return [b"provider", of["owner"]]
        case "vault":
            return [b"vault", of["escrow"] if "escrow" in of else of["provider"]]
        case "region":
            return [b"region", of["provider"], data[9:13]]
        case "escrow":
            return [b"escrow", of["provider"], of["client"]]
        case "stack":
            return [b"stack", of["region"], of["owner"], data[9:17]]
        case "usage_signer":
            return [b"usage_signer", of["region"]]
        case "request_signer":
            return [b"request_signer", of["region"], of["client"], data[9:41]]
        case _:
            return [b"usage_report", of["stack"], data[9:17], data[17:25]]


def with_bump(target: Target, place: str, bump_at: int, bump: int, address: Pubkey) -> Instruction:
    [found] = [known for known in PLACES[target.name] if known.name == place]
    data = bytearray(target.instruction.data)
    data[bump_at] = bump
    metas = list(target.instruction.accounts)
    metas[found.index] = AccountMeta(address, False, True)
    return Instruction(PROGRAM_ID, bytes(data), metas)


def raw_derivation(seeds: list[bytes], bump: int) -> Pubkey:
    """What program-derived addresses are made of, on the curve or not."""
    parts = [*seeds, bytes([bump]), bytes(PROGRAM_ID), b"ProgramDerivedAddress"]
    return Pubkey(sha256(b"".join(parts)).digest())


@pytest.mark.parametrize(("name", "place", "bump_at"), CASES)
def test_every_other_bump_with_the_canonical_address(
    unchanged_targets, name: str, place: str, bump_at: int
) -> None:
    target = unchanged_targets[name]
    canonical = target.instruction.data[bump_at]
    address, bump = Pubkey.find_program_address(seeds_of(target, place), PROGRAM_ID)
    assert (address, bump) == (target.address(place), canonical)
    for other in set(range(256)) - {canonical}:
        assert target.refusal(with_bump(target, place, bump_at, other, address)) == "AddressInvalid"


@pytest.mark.parametrize(("name", "place", "bump_at"), CASES)
def test_every_lower_bump_with_its_own_address(
    unchanged_targets, name: str, place: str, bump_at: int
) -> None:
    target = unchanged_targets[name]
    seeds, canonical = seeds_of(target, place), target.instruction.data[bump_at]
    valid = 0
    for bump in range(canonical):
        address = raw_derivation(seeds, bump)
        valid += not address.is_on_curve()
        assert target.refusal(with_bump(target, place, bump_at, bump, address)) == "AddressInvalid"
    assert valid > 50


@pytest.mark.parametrize(("name", "place", "bump_at"), CASES)
def test_the_address_of_other_seeds(unchanged_targets, name: str, place: str, bump_at: int) -> None:
    target = unchanged_targets[name]
    seeds = seeds_of(target, place)
    others = [[b"vaults", *seeds[1:]], [*seeds, b"\0"], [seeds[0] + b"\0", *seeds[1:]]]
    others += [[b"vault", *seeds[1:]]] if place != "vault" else [[b"provider", *seeds[1:]]]
    others += [[*seeds[:-1], bytes(len(seeds[-1]))], [*seeds[:-1], seeds[-1][:-1]]]
    for other in others:
        address, bump = Pubkey.find_program_address(other, PROGRAM_ID)
        assert target.refusal(with_bump(target, place, bump_at, bump, address)) == "AddressInvalid"


@pytest.mark.parametrize("prefunded_lamports", [0, 10**8])
@pytest.mark.parametrize("place", ["provider", "vault"])
def test_higher_bumps_give_points_on_the_curve_for_which_nobody_signs(
    world: World, place: str, prefunded_lamports: int
) -> None:
    """All higher ones are on the curve too, so the runtime has the last word."""
    cluster = world.cluster

    def bump_of(key: Keypair) -> int:
        provider, bump = provider_address(key.pubkey())
        return bump if place == "provider" else vault_address(provider)[1]

    owner = next(key for key in map(cluster.key, range(100, 200)) if bump_of(key) < 254)
    cluster.svm.airdrop(owner.pubkey(), 10**10)
    tokens = cluster.token_account(owner.pubkey(), 10**9)
    instruction = client.create_provider(
        owner.pubkey(), "p", mint=world.mint, owner_tokens=tokens, max_deposit=DEPOSIT
    )
    target = Target("create_provider", world, instruction, {})
    seeds = seeds_of(target, place)
    [bump_at] = [at for known, at in CREATED["create_provider"] if known == place]
    for bump in range(bump_of(owner) + 1, 256):
        address = raw_derivation(seeds, bump)
        if prefunded_lamports:
            cluster.svm.airdrop(address, prefunded_lamports)
        error = cluster.failure(with_bump(target, place, bump_at, bump, address), owner)
        assert isinstance(error, TransactionErrorInstructionError)
        assert error.err in (
            InstructionErrorFieldless.InvalidSeeds,
            InstructionErrorFieldless.ProgramFailedToComplete,
        )
        assert cluster.balance(address) == prefunded_lamports
    cluster.event(instruction, owner)


VAULTS = [
    "provider",
    "other_provider",
    "erin_provider",
    "escrow",
    "dave_escrow",
    "other_escrow",
    "poor_escrow",
]
USING = {
    "close_provider": "erin_provider",
    "deposit_escrow": "escrow",
    "claim_withdrawal": "escrow",
    "sync_escrow": "dave_escrow",
    "update_usage": "escrow",
}


@pytest.mark.parametrize("name", USING)
def test_the_vault_of_another_provider_or_escrow(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    [place] = [known for known in PLACES[name] if known.name == "vault"]
    assert target.address("vault") == target.others[f"{USING[name]}_vault"]
    for account in VAULTS:
        if account != USING[name]:
            replaced = target.with_account(place, target.others[f"{account}_vault"])
            assert target.refusal(replaced) == "VaultMismatch"


@pytest.mark.parametrize("name", ["create_provider", "create_escrow"])
def test_a_vault_that_is_there_is_not_taken_over(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    [place] = [known for known in PLACES[name] if known.name == "vault"]
    for account in VAULTS:
        replaced = target.with_account(place, target.others[f"{account}_vault"])
        assert target.refusal(replaced) == "AccountExists"
