"""Every instruction, with another account, other flags or other contents in each of its places, is refused."""

from hashlib import sha256

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.sysvar import CLOCK, INSTRUCTIONS, RENT

from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from tests.contract.attacks import FALSE_PROGRAM_ID, NAMES, PLACES
from tests.contract.idl_values import ACCOUNT_BYTES, discriminator

OWNERS_OF_TOKENS = ("admin", "authority", "alice", "bob", "carol", "dave", "erin", "signer", "gina", "frank")
TOKENS = {f"{name}_tokens" for name in OWNERS_OF_TOKENS} | {"alice_second_tokens", "carol_second_tokens"}
VAULTS = {f"{name}_vault" for name in ("provider", "other_provider", "erin_provider")} | {
    f"{name}_vault" for name in ("escrow", "dave_escrow", "other_escrow", "poor_escrow")
}

LEGITIMATE: dict[tuple[str, str], set[str]] = {
    # Whoever is first may be anybody.
    ("initialize", "admin"): {"authority", "alice", "bob", "carol", "dave", "erin", "signer", "gina"},
    # The admin sends commissions where they like.
    ("initialize", "commission_tokens"): TOKENS - {"admin_tokens", "frank_tokens"},
    ("update_commission", "commission_tokens"): (TOKENS | VAULTS) - {"admin_tokens"},
    # One's own money may go to any token account of the mint but the vault that it comes from.
    ("close_provider", "owner_tokens"): (TOKENS | VAULTS) - {"erin_tokens", "erin_provider_vault"},
    ("claim_withdrawal", "client_tokens"): (TOKENS | VAULTS) - {"carol_tokens", "escrow_vault"},
    # One's own money may come from, and earnings may go to, any token account of one's own.
    ("deposit_escrow", "depositor_tokens"): {"carol_second_tokens"},
    ("update_usage", "provider_tokens"): {"alice_second_tokens"},
    # What the same key may do to more than one account.
    ("remove_provider_authorizer", "authorizer"): {"erin_authorizer"},
    ("revoke_provider", "provider"): {"other_provider"},
    ("update_region", "region"): {"empty_region"},
    ("withdraw_escrow", "escrow"): {"other_escrow"},
    ("update_stack", "stack"): {"second_stack"},
    ("delete_stack", "stack"): {"second_stack"},
    ("close_usage_report", "usage_report"): {"dave_report", "poor_report"},
}
"""Where another account does just as well, by instruction and place."""

SIGNED = [name for name in NAMES if any(place.signs for place in PLACES[name])]
CALLING = [name for name in NAMES if any(place.name.endswith("_program") for place in PLACES[name])]
CREATING = [name for name in NAMES if PLACES[name][-1].name == "system_program" and name != "update_stack"]
OPENED = [name for name in NAMES if name != "initialize"]


@pytest.mark.parametrize("name", NAMES)
def test_the_instructions_would_succeed(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    assert target.accepts(target.instruction) is not None


@pytest.mark.parametrize("name", SIGNED)
def test_missing_signatures(unchanged_targets, altered, name: str) -> None:
    target = unchanged_targets[name]
    for place in PLACES[name]:
        if place.signs:
            unsigned = altered(target.instruction, place.index, signer=False)
            assert target.refusal(unsigned) == "SignatureMissing"


@pytest.mark.parametrize("name", NAMES)
def test_accounts_that_are_not_writable(unchanged_targets, altered, name: str) -> None:
    target = unchanged_targets[name]
    for place in PLACES[name]:
        if place.writable:
            readonly = altered(target.instruction, place.index, writable=False)
            assert target.refusal(readonly) == "AccountNotWritable", place


@pytest.mark.parametrize("name", NAMES)
def test_flags_that_are_not_needed_do_no_harm(unchanged_targets, altered, name: str) -> None:
    target = unchanged_targets[name]
    for place in PLACES[name]:
        writable = altered(target.instruction, place.index, writable=True)
        assert target.accepts(writable) is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_other_account_in_every_place(unchanged_targets, name: str) -> None:
    """Accounts of each kind, of other owners, providers, regions and stacks; other programs, mints and keys."""
    target = unchanged_targets[name]
    keys = {key.pubkey() for key in target.keys}
    for place in PLACES[name]:
        legitimate = LEGITIMATE.get((name, place.name), set())
        assert legitimate <= target.others.keys()
        for other, address in target.others.items():
            if address == target.address(place.name) or (place.signs and address not in keys):
                continue
            replaced = target.with_account(place, address)
            if other in legitimate:
                assert target.accepts(replaced) is not None, (place, other)
            else:
                target.refusal(replaced)


@pytest.mark.parametrize("name", OPENED)
def test_the_same_bytes_under_another_programs_ownership(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    for place in target.programs_own():
        address = target.address(place.name)
        data = target.cluster.data(address)
        for owner in (Pubkey([81] * 32), TOKEN_PROGRAM_ID, FALSE_PROGRAM_ID):
            with target.planted(address, data, owner):
                assert target.refusal(target.instruction) == "AccountNotOwned", place
        assert target.accepts(target.instruction) is not None


@pytest.mark.parametrize("name", OPENED)
def test_the_same_bytes_as_another_kind_or_version(unchanged_targets, name: str) -> None:
    """At the very address: the discriminator of each other kind, unknown versions, zeros, and cut short."""
    target = unchanged_targets[name]
    for place in target.programs_own():
        address = target.address(place.name)
        data = target.cluster.data(address)
        others = [discriminator("account", kind) for kind in ACCOUNT_BYTES]
        forged = [other + data[8:] for other in others if other != data[:8]]
        assert len(forged) == len(ACCOUNT_BYTES) - 1
        forged += [sha256(b"account:Vault").digest()[:8] + data[8:], bytes(8) + data[8:]]
        forged += [data[:8] + bytes([version]) + data[9:] for version in (0, 2, 255)]
        forged += [bytes(len(data)), b"", data[:8], data[:10], data[:41]]
        for contents in forged:
            with target.planted(address, contents):
                assert target.refusal(target.instruction) == "AccountKindInvalid", (place, contents)
        assert target.accepts(target.instruction) is not None


@pytest.mark.parametrize("name", CREATING)
def test_zeros_of_the_programs_own_where_an_account_is_created(unchanged_targets, name: str) -> None:
    """Nobody can put them there: the address signs for nobody but the program."""
    target = unchanged_targets[name]
    for place in PLACES[name]:
        address = target.address(place.name)
        if place.writable and not target.cluster.exists(address):
            with target.planted(address, bytes(600)):
                expected = "AccountKindInvalid" if name == "create_usage_signer" else "AccountExists"
                assert target.refusal(target.instruction) == expected
            with target.planted(address, bytes(165), TOKEN_PROGRAM_ID):
                assert target.refusal(target.instruction) == "AccountExists"


@pytest.mark.parametrize("name", NAMES)
def test_too_few_and_too_many_accounts(unchanged_targets, name: str) -> None:
    """Surplus ones are not looked at: no sysvar, true or false, can be given where the program asks the runtime."""
    target = unchanged_targets[name]
    data, metas = target.instruction.data, list(target.instruction.accounts)
    for count in range(len(metas)):
        assert target.refusal(Instruction(PROGRAM_ID, data, metas[:count])) == "AccountCountInvalid"
    for surplus in (CLOCK, RENT, INSTRUCTIONS, target.others["zeros"], metas[0].pubkey):
        more = [*metas, AccountMeta(surplus, False, False)]
        assert target.refusal(Instruction(PROGRAM_ID, data, more)) == "AccountCountInvalid"
    for count in (2, 5, 15):
        more = [*metas, *(AccountMeta(Pubkey([150 + index] * 32), False, False) for index in range(count))]
        assert target.refusal(Instruction(PROGRAM_ID, data, more)) == "AccountCountInvalid"


@pytest.mark.parametrize("name", CALLING)
def test_false_programs_are_not_called(unchanged_targets, name: str) -> None:
    """Neither the Token program's own code under another id, nor the Marketplace itself."""
    target = unchanged_targets[name]
    expected = {"token_program": "TokenProgramInvalid", "system_program": "SystemProgramInvalid"}
    for place in PLACES[name]:
        if place.name in expected:
            for false in (FALSE_PROGRAM_ID, PROGRAM_ID):
                assert target.refusal(target.with_account(place, false)) == expected[place.name]
