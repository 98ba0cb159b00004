"""`mu provider create`, `info` and `close` on a local chain."""

import pytest
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from spl.token import instructions as spl

from contract import client as program
from contract import tokens
from contract.accounts import Provider, ProviderStatus
from contract.addresses import TOKEN_PROGRAM_ID, vault_address
from contract.program_errors import DepositTooHigh
from tests.cli.chain import TOKEN, LocalChain, Person, before_sending
from tests.cli.mu_process import mu


@pytest.fixture(scope="module")
def admin(shared_chain: LocalChain) -> Person:
    return shared_chain.initialize()


def create(chain: LocalChain, by: Person, *options: object, name: str = "north", typed: str | None = None):
    return chain.mu("provider", "create", "--name", name, *options, by=by, typed=typed)


def test_asked_and_told(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.person("owner", whole_tokens=150)
    own_tokens = shared_chain.tokens_of(owner)
    question = f"Pay the deposit of 100 tokens from {own_tokens} to the provider {owner.provider}? [y/N]: "
    refused = create(shared_chain, owner, typed="n\n")
    assert (refused.code, refused.out) == (1, "")
    assert question in refused.err
    assert "mu: nothing was sent" in refused.err
    assert shared_chain.balance(own_tokens) == 150 * TOKEN
    done = create(shared_chain, owner, typed="y\n")
    assert done.code == 0
    assert question in done.err
    chain, following = done.out.splitlines()
    assert chain.startswith("chain       provider north created, 100 tokens deposited: slot ")
    assert following == (
        "next        it is disabled until an authorizer authorizes it: "
        f"`mu admin authorize {owner.provider}`; then: `mu provider region create`"
    )
    assert shared_chain.balance(own_tokens) == 50 * TOKEN
    assert shared_chain.account(owner.provider, Provider).status is ProviderStatus.DISABLED
    again = create(shared_chain, owner, "--yes")
    assert (again.code, again.err) == (1, f"mu: you have a provider already, north: {owner.provider}\n")


def test_as_json(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.person("json", whole_tokens=100)
    shown = create(shared_chain, owner, "--yes", "--json", name="ünder\x1b").json
    assert shown.pop("signature")
    assert shown.pop("slot") > 0
    assert shown == {
        "provider": str(owner.provider), "name": "ünder\x1b", "deposit": "100", "status": "disabled",
    }  # fmt: skip
    assert "provider    ünder\\x1b\n" in shared_chain.mu("provider", "info", by=owner).out


def test_no_more_is_deposited_than_was_shown(local_chain: LocalChain, monkeypatch: pytest.MonkeyPatch):
    admin, owner = local_chain.initialize(), local_chain.person("owner", whole_tokens=500)
    before_sending(
        monkeypatch, lambda: local_chain.send([program.update_deposit(admin.key, 101 * TOKEN)], admin)
    )
    refused = create(local_chain, owner, typed="y\n")
    assert (refused.code, refused.out) == (1, "")
    assert str(DepositTooHigh()) in refused.err
    assert local_chain.balance(local_chain.tokens_of(owner)) == 500 * TOKEN
    before_sending(
        monkeypatch, lambda: local_chain.send([program.update_deposit(admin.key, 90 * TOKEN)], admin)
    )
    done = create(local_chain, owner, "--yes")
    assert done.out.startswith("chain       provider north created, 90 tokens deposited: slot ")
    assert local_chain.balance(local_chain.tokens_of(owner)) == 410 * TOKEN


def test_nobody_to_ask(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.person("unasked", whole_tokens=100)
    done = create(shared_chain, owner)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(
        "mu: --yes: is needed where nobody can be asked: Pay the deposit of 100 tokens"
    )


@pytest.mark.parametrize("name", ["", "x" * 33])
def test_bad_names(shared_chain: LocalChain, admin: Person, name: str):
    done = create(shared_chain, admin, "--yes", name=name)
    assert (done.code, done.err) == (
        2, f"mu: name: it must have 1 to 32 bytes of UTF-8, not {len(name)}\n",
    )  # fmt: skip


def test_too_few_tokens(shared_chain: LocalChain, admin: Person):
    poor = shared_chain.person("poor", whole_tokens=3)
    done = create(shared_chain, poor, "--yes")
    assert done.code == 1
    assert done.err == (
        f"mu: you have 3 tokens, the deposit is 100: get 97 more of the mint {shared_chain.mint} into "
        f"the token account {shared_chain.tokens_of(poor)}\n"
    )
    poorer = shared_chain.person("poorer")
    assert create(shared_chain, poorer, "--yes").err == (
        f"mu: you have 0 tokens, the deposit is 100: get 100 more of the mint {shared_chain.mint} into "
        f"{poorer.key}\n"
    )


def test_too_little_sol(shared_chain: LocalChain, admin: Person):
    poor = shared_chain.person("without-sol", sol=0, whole_tokens=100)
    done = create(shared_chain, poor, "--yes")
    assert (done.code, done.err) == (
        1, f"mu: there is too little SOL for the fee; send some to {poor.key}\n",
    )  # fmt: skip


def test_a_free_marketplace_needs_no_tokens_and_asks_nothing(local_chain: LocalChain):
    local_chain.initialize(deposit=0)
    owner = local_chain.person("owner")
    done = create(local_chain, owner)
    assert done.code == 0, done.err
    assert done.out.startswith("chain       provider north created, 0 tokens deposited: slot ")


def test_info(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.provider(admin, "informed", regions=(3, 1))
    shared_chain.send([program.close_region(owner.key, 3)], owner)
    out = shared_chain.mu("provider", "info", by=owner).out
    head, region_1, region_3 = out.split("\n\n")
    assert head.splitlines() == [
        "provider    informed",
        f"address     {owner.provider}",
        f"owner       {owner.key}",
        "status      authorized",
        "deposit     100 tokens",
        "regions     1 live, 1 closed, 0 live stacks",
    ]
    lines = region_1.splitlines()
    assert lines[:3] == [
        "region 1: informed 1, live, 0 live stacks",
        f"  {owner.region(1)}",
        "  https://informed-1.example",
    ]
    assert [line.split(maxsplit=1) for line in lines[3:7]] == [
        ["minimum_escrow", "10"],
        ["max_instructions_per_call", "100000000000"],
        ["notice", "2 hours"],
        ["prices.tera_megabyte_instruction", "2"],
    ]
    assert len(lines) == 3 + 3 + 9
    assert region_3.startswith("region 3: informed 3, closed, 0 live stacks\n")
    for named in ("informed", str(owner.provider)):
        assert shared_chain.mu("provider", "info", named).out == out


def test_info_as_json(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.provider(admin, "jason", regions=(1,))
    shown = shared_chain.mu("provider", "info", "--json", by=owner).json
    [region] = shown.pop("regions")
    assert shown == {
        "provider": str(owner.provider), "name": "jason", "owner": str(owner.key), "status": "authorized",
        "deposit": "100",
    }  # fmt: skip
    terms = region.pop("terms")
    assert region == {
        "address": str(owner.region(1)), "number": 1, "name": "jason 1", "status": "live", "stack_count": 0,
        "base_url": "https://jason-1.example", "next_from": None, "next_terms": None,
    }  # fmt: skip
    prices = terms.pop("prices")
    assert terms == {
        "minimum_escrow": "10", "max_instructions_per_call": 100_000_000_000, "notice_seconds": 7_200,
    }  # fmt: skip
    assert len(prices) == 9
    assert (prices["tera_megabyte_instruction"], prices["gateway_gigabyte"]) == ("2", "0")


def test_who_has_no_provider(shared_chain: LocalChain, admin: Person):
    nobody = shared_chain.person("nobody")
    for command in (("info",), ("close",), ("region", "list"), ("region", "close", "1")):
        done = shared_chain.mu("provider", *command, by=nobody)
        assert (done.code, done.err) == (
            1, f"mu: {nobody.key} has no provider; create one by `mu provider create`\n",
        )  # fmt: skip
    done = shared_chain.mu("provider", "info", "unheard-of")
    assert done.code == 2
    assert done.err.startswith("mu: PROVIDER: no provider has the address or the name 'unheard-of'")


def test_close(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.provider(admin, "closing", regions=(2, 1))
    own_tokens = shared_chain.tokens_of(owner)
    early = shared_chain.mu("provider", "close", "--yes", by=owner)
    assert (early.code, early.err) == (
        1, "mu: your provider has live regions (1, 2); close each by `mu provider region close NUMBER`\n",
    )  # fmt: skip
    for number in (1, 2):
        shared_chain.send([program.close_region(owner.key, number)], owner)
    # whoever sent tokens to the vault, it is the owner who gets them
    gift = tokens.transfer(own_tokens, owner.key, vault_address(owner.provider)[0], 5 * TOKEN)
    shared_chain.send([gift], owner)
    question = f"Close the provider closing for ever, and get 105 tokens back to {own_tokens}? [y/N]: "
    refused = shared_chain.mu("provider", "close", by=owner, typed="\n")
    assert refused.code == 1
    assert question in refused.err
    done = shared_chain.mu("provider", "close", by=owner, typed="y\n")
    assert done.out.startswith("chain       provider closing closed, 105 tokens refunded: slot ")
    assert shared_chain.balance(own_tokens) == 1_000 * TOKEN
    assert shared_chain.account(owner.provider, Provider).status is ProviderStatus.CLOSED
    for command in (("close", "--yes"), ("create", "--name", "again", "--yes")):
        again = shared_chain.mu("provider", *command, by=owner)
        assert (again.code, again.err) == (1, "mu: your provider closing is closed, for ever\n")


def test_close_opens_the_account_that_the_refund_goes_to(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.provider(admin, "emptied", regions=())
    minter = shared_chain.tokens_of(shared_chain.minter)
    shared_chain.give(shared_chain.minter, 0)
    own_tokens = shared_chain.tokens_of(owner)
    shared_chain.send(
        [tokens.transfer(own_tokens, owner.key, minter, 900 * TOKEN), close_account(own_tokens, owner)], owner
    )
    assert shared_chain.balance(own_tokens) is None
    shown = shared_chain.mu("provider", "close", "--yes", "--json", by=owner).json
    assert (shown["refund"], shown["refunded_to"], shown["status"]) == ("100", str(own_tokens), "closed")
    assert shared_chain.balance(own_tokens) == 100 * TOKEN


def test_what_was_refunded_is_told_not_what_was_expected(
    shared_chain: LocalChain, admin: Person, monkeypatch: pytest.MonkeyPatch
):
    owner = shared_chain.provider(admin, "given", regions=())
    source, vault = shared_chain.tokens_of(owner), vault_address(owner.provider)[0]
    gift = tokens.transfer(source, owner.key, vault, 5 * TOKEN)
    before_sending(monkeypatch, lambda: shared_chain.send([gift], owner))
    assert shared_chain.mu("provider", "close", "--yes", "--json", by=owner).json["refund"] == "105"


def close_account(account: Pubkey, owner: Person) -> Instruction:
    return spl.close_account(spl.CloseAccountParams(TOKEN_PROGRAM_ID, account, owner.key, owner.key))


def test_the_real_command(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.person("process", whole_tokens=100)
    where = ("--config", shared_chain.config, "--keypair", owner.path)
    done = mu("provider", "create", "--name", "process", "--yes", *where)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("chain       provider process created, 100 tokens deposited: slot ")
    refused = mu("provider", "create", "--name", "process", "--yes", *where)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"mu: you have a provider already, process: {owner.provider}\n"


def test_a_keypair_that_is_not_there(shared_chain: LocalChain, admin: Person):
    done = shared_chain.mu("provider", "create", "--name", "x", "--yes", "--keypair", "nowhere.json")
    assert done.code == 2
    assert done.err.startswith("mu: nowhere.json: there is no keypair; create one with `solana-keygen new")
