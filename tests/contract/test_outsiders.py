"""Instructions with accounts of the right kinds mixed at random: nobody loses what only they may give."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.account import Account as ChainAccount
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from contract import client, tokens
from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from tests.contract.attacks import NAMES, PLACES, Target

BY_ANYBODY = {"deposit_escrow", "sync_escrow", "create_request_signer", "create_escrow", "create_provider"}
"""What somebody without any role can do to the Marketplace, with their own money."""


def kind(target: Target, address: Pubkey) -> tuple[Pubkey, bytes] | None:
    """Who owns an account and what it begins with or how long it is; None where there is none."""
    account = target.cluster.svm.get_account(address)
    if account is None or account.lamports == 0:
        return None
    return account.owner, account.data[:8] if account.owner == PROGRAM_ID else bytes(
        [len(account.data) % 256]
    )


def alike(target: Target) -> list[list[Pubkey]]:
    """For each place, the accounts of the world that look like the one in it."""
    kinds = {address: kind(target, address) for address in target.others.values()}
    return [
        [meta.pubkey, *(other for other, its in kinds.items() if its == kind(target, meta.pubkey))]
        for meta in target.instruction.accounts
    ]


def amounts(accounts: Mapping[Pubkey, ChainAccount]) -> dict[Pubkey, tokens.TokenAccount]:
    return {
        address: tokens.decode_token_account(account.data)
        for address, account in accounts.items()
        if account.owner == TOKEN_PROGRAM_ID and len(account.data) == tokens.TOKEN_ACCOUNT_BYTES
    }


def escrows(accounts: Mapping[Pubkey, ChainAccount]) -> dict[Pubkey, client.Escrow]:
    found = {
        address: client.decode_account(account.data)
        for address, account in accounts.items()
        if account.owner == PROGRAM_ID and any(account.data)
    }
    return {address: account for address, account in found.items() if isinstance(account, client.Escrow)}


def present(target: Target, addresses: Mapping[Pubkey, object]) -> dict[Pubkey, ChainAccount]:
    accounts = {address: target.cluster.svm.get_account(address) for address in addresses}
    return {address: account for address, account in accounts.items() if account is not None}


def check_money(
    before: Mapping[Pubkey, ChainAccount],
    after: Mapping[Pubkey, ChainAccount],
    signer: Pubkey,
    *,
    charging: bool = False,
) -> None:
    """No tokens come or go, a vault holds what its escrow says, and only owners' accounts are drawn on."""
    held_before, held = amounts(before), amounts(after)
    total = sum(account.amount for account in held.values())
    assert total == sum(account.amount for account in held_before.values())
    escrow_before, escrow_after = escrows(before), escrows(after)
    for address, escrow in escrow_after.items():
        if escrow.vault in held:
            assert held[escrow.vault].amount >= escrow.balance
        if address in escrow_before:
            fixed = ("provider", "client", "vault", "bump")
            assert all(getattr(escrow, name) == getattr(escrow_before[address], name) for name in fixed)
    for address, account in held_before.items():
        if address in held and held[address].amount < account.amount:
            assert account.owner == signer or _may_pay(before[account.owner], signer, charging=charging)


def _may_pay(authority: ChainAccount, signer: Pubkey, *, charging: bool) -> bool:
    """Whether a signer may draw on the vault of a Provider or an Escrow."""
    account = client.decode_account(authority.data)
    if isinstance(account, client.Escrow):
        return charging or account.client == signer
    return isinstance(account, client.Provider) and account.owner == signer


@settings(max_examples=600, deadline=None)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_those_with_a_role_and_mixed_accounts(unchanged_targets, data: st.DataObject, name: str) -> None:
    target: Target = unchanged_targets[name]
    keys = {key.pubkey() for key in target.keys}
    metas = list(target.instruction.accounts)
    for place, candidates in zip(PLACES[name], alike(target), strict=True):
        allowed = [one for one in candidates if one in keys] if place.signs else candidates
        chosen = data.draw(st.sampled_from(allowed), label=place.name)
        metas[place.index] = AccountMeta(chosen, place.signs, place.writable)
    instruction = Instruction(PROGRAM_ID, target.instruction.data, metas)
    after = target.accepts(instruction)
    if after is None:
        target.refusal(instruction)
    else:
        charging = name == "update_usage"
        check_money(present(target, after), after, metas[0].pubkey, charging=charging)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "initialize"])
def test_somebody_without_a_role(unchanged_targets, name: str) -> None:
    """Frank, whose provider is closed, signs in the place of each who must, with each account alike beside him."""
    target: Target = unchanged_targets[name]
    frank = target.keys[-1].pubkey()
    metas = [
        AccountMeta(frank, True, place.writable) if place.signs else meta
        for place, meta in zip(PLACES[name], target.instruction.accounts, strict=True)
    ]
    accepted = 0
    for place, candidates in zip(PLACES[name], alike(target), strict=True):
        for candidate in candidates:
            if place.signs:
                continue
            tried = list(metas)
            tried[place.index] = AccountMeta(candidate, False, place.writable)
            instruction = Instruction(PROGRAM_ID, target.instruction.data, tried)
            after = target.accepts(instruction)
            if after is None:
                target.refusal(instruction)
                continue
            accepted += 1
            before = present(target, after)
            check_money(before, after, frank)
            for address, escrow in escrows(after).items():
                assert escrow.balance >= escrows(before)[address].balance
    assert not accepted or name in BY_ANYBODY
