"""`mu admin` on a local chain."""

import pytest

from cli.admin import format_percent, parse_percent
from contract import client as program
from contract.accounts import Provider, ProviderStatus, State
from contract.addresses import PROGRAM_ID, state_address
from contract.errors import InvalidInput
from tests.cli.chain import TOKEN, LocalChain, Person

STATE = state_address()[0]


@pytest.fixture(scope="module")
def admin(shared_chain: LocalChain) -> Person:
    return shared_chain.initialize()


def new_provider(chain: LocalChain, name: str) -> Person:
    """Somebody whose provider is disabled."""
    owner = chain.person(name, whole_tokens=1_000)
    create = program.create_provider(
        owner.key, name, mint=chain.mint, owner_tokens=chain.tokens_of(owner), max_deposit=2**64 - 1
    )
    chain.send([create], owner)
    return owner


def initialize(chain: LocalChain, by: Person, *options: object, **others: str):
    given = {"mint": chain.mint, "deposit": "100", "commission": "2.5%", "notice-seconds": "3600"} | others
    named = [part for name, value in given.items() for part in (f"--{name}", value)]
    return chain.mu("admin", "initialize", *named, *options, by=by)


def test_a_marketplace_from_nothing(local_chain: LocalChain):
    boss = local_chain.person("boss")
    done = initialize(local_chain, boss)
    own_tokens = local_chain.tokens_of(boss)
    assert done.code == 0, done.err
    chain, following = done.out.splitlines()
    assert chain.startswith(
        f"chain       Marketplace open: deposit 100 tokens, commission 2.5% to {own_tokens}, notice 1 hour: slot "
    )
    assert following == "next        say who authorizes providers: `mu admin authorizer create KEY`"
    assert local_chain.balance(own_tokens) == 0
    state = local_chain.account(STATE, State)
    assert (state.admin, state.mint, state.commission_tokens) == (boss.key, local_chain.mint, own_tokens)
    assert (state.deposit, state.commission_millionths, state.notice_seconds) == (100 * TOKEN, 25_000, 3_600)
    again = initialize(local_chain, local_chain.person("other"))
    assert (again.code, again.out) == (1, "")
    assert again.err == f"mu: the Marketplace is there already; its admin is {boss.key}\n"


def test_initialize_with_another_commission_account_as_json(local_chain: LocalChain):
    boss, treasury = local_chain.person("boss"), local_chain.person("treasury", whole_tokens=0)
    account = local_chain.tokens_of(treasury)
    shown = initialize(local_chain, boss, "--commission-account", account, "--json", deposit="0.000001").json
    assert shown.keys() == {
        "admin", "mint", "deposit", "commission", "commission_account", "notice_seconds", "signature", "slot",
    }  # fmt: skip
    assert (shown["deposit"], shown["commission"]) == ("0.000001", "2.5%")
    assert shown["commission_account"] == str(account)
    assert local_chain.account(STATE, State).commission_tokens == account
    assert local_chain.balance(local_chain.tokens_of(boss)) is None


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("mint", "0x12", "'0x12' is not an address"),
        ("mint", str(PROGRAM_ID), "there is no mint of the SPL token program at"),
        ("deposit", "1e3", "'1e3' is not an amount of tokens"),
        ("deposit", "0.0000001", "has 7 decimals, but the mint has 6"),
        ("commission", "5", "'5' is not a percentage such as 5% or 2.5%"),
        ("commission", "100.0001%", "is more than 100%"),
        ("notice-seconds", "0", "0 is not in the range 1<=x<=2592000"),
        ("commission-account", "MINT", "there is no token account of the mint"),
        ("commission-account", "PERSON", "there is no token account of the mint"),
    ],
)
def test_bad_input_of_initialize(local_chain: LocalChain, field: str, value: str, problem: str):
    boss = local_chain.person("boss")
    value = {"MINT": str(local_chain.mint), "PERSON": str(boss.key)}.get(value, value)
    done = initialize(local_chain, boss, **{field: value})
    assert (done.code, done.out) == (2, "")
    assert f"--{field}" in done.err
    assert problem in done.err


def test_no_marketplace_yet(local_chain: LocalChain):
    boss = local_chain.person("boss")
    for arguments in (
        ("info",),
        ("pending",),
        ("authorizer", "list"),
        ("update-deposit", "1"),
        ("revoke", str(boss.key)),
    ):
        done = local_chain.mu("admin", *arguments, by=boss)
        assert (done.code, done.err) == (
            1, "mu: there is no Marketplace on 127.0.0.1; choose another cluster by --url\n",
        )  # fmt: skip


def test_info(local_chain: LocalChain):
    boss = local_chain.person("boss")
    assert initialize(local_chain, boss, deposit="12.5").code == 0
    own_tokens = local_chain.tokens_of(boss)
    assert local_chain.mu("admin", "info").out.splitlines() == [
        f"admin       {boss.key}",
        f"mint        {local_chain.mint}",
        "deposit     12.5 tokens, of each new provider",
        f"commission  2.5% of each charge, to {own_tokens}",
        "notice      1 hour, for withdrawals and last usage reports",
    ]
    assert local_chain.mu("admin", "info", "--json").json == {
        "admin": str(boss.key), "mint": str(local_chain.mint), "deposit": "12.5", "commission": "2.5%",
        "commission_account": str(own_tokens), "notice_seconds": 3_600,
    }  # fmt: skip


def test_the_deposit(shared_chain: LocalChain, admin: Person):
    done = shared_chain.mu("admin", "update-deposit", "12.5", by=admin)
    assert done.out.startswith("chain       deposit: 100 -> 12.5 tokens: slot ")
    assert shared_chain.account(STATE, State).deposit == 12_500_000
    same = shared_chain.mu("admin", "update-deposit", "12.50", by=admin)
    assert (same.code, same.err) == (1, "mu: the deposit is 12.5 tokens already; nothing was sent\n")
    shown = shared_chain.mu("admin", "update-deposit", "100", "--json", by=admin).json
    assert (shown["before"], shown["deposit"]) == ("12.5", "100")
    bad = shared_chain.mu("admin", "update-deposit", "ten", by=admin)
    assert bad.code == 2
    assert bad.err.startswith("mu: AMOUNT: 'ten' is not an amount")


def test_the_commission(shared_chain: LocalChain, admin: Person):
    own = shared_chain.tokens_of(admin)
    done = shared_chain.mu("admin", "update-commission", "0.0001%", by=admin)
    assert done.out.startswith(f"chain       commission: 3% -> 0.0001%, to {own}: slot ")
    same = shared_chain.mu("admin", "update-commission", "0.0001%", by=admin)
    assert (same.code, same.err) == (1, f"mu: the commission is 0.0001% to {own} already; nothing was sent\n")
    treasury = shared_chain.tokens_of(shared_chain.person("treasury", whole_tokens=0))
    shown = shared_chain.mu(
        "admin", "update-commission", "0.0001%", "--commission-account", treasury, "--json", by=admin
    ).json
    assert shown["commission_account"] == str(treasury)
    state = shared_chain.account(STATE, State)
    assert (state.commission_millionths, state.commission_tokens) == (1, treasury)
    bad = shared_chain.mu("admin", "update-commission", "5", by=admin)
    assert bad.code == 2
    assert bad.err.startswith("mu: PERCENT: '5' is not a percentage")


def test_authorizers(shared_chain: LocalChain, admin: Person):
    clerk = shared_chain.person("clerk").key
    created = shared_chain.mu("admin", "authorizer", "create", clerk, by=admin)
    assert created.out.startswith(f"chain       {clerk} is an authorizer: slot ")
    again = shared_chain.mu("admin", "authorizer", "create", clerk, by=admin)
    assert (again.code, again.err) == (1, f"mu: {clerk} is an authorizer already; nothing was sent\n")
    listed = sorted([str(admin.key), str(clerk)])
    assert shared_chain.mu("admin", "authorizer", "list", "--json").json == {"authorizers": listed}
    assert shared_chain.mu("admin", "authorizer", "list").out.splitlines() == listed
    assert shared_chain.mu("admin", "authorizer", "remove", clerk, "--json", by=admin).json["authorizer"] == (
        str(clerk)
    )
    again = shared_chain.mu("admin", "authorizer", "remove", clerk, by=admin)
    assert (again.code, again.err) == (
        1, f"mu: {clerk} is no authorizer; `mu admin authorizer list` shows them\n",
    )  # fmt: skip
    bad = shared_chain.mu("admin", "authorizer", "create", "nobody", by=admin)
    assert (bad.code, bad.err) == (
        2, "mu: KEY: 'nobody' is not an address of 32 to 44 base58 characters\n",
    )  # fmt: skip


def test_there_are_no_authorizers(local_chain: LocalChain):
    boss = local_chain.person("boss")
    assert initialize(local_chain, boss).code == 0
    assert local_chain.mu("admin", "authorizer", "list").out == "there are no authorizers\n"
    assert local_chain.mu("admin", "pending").out == "no provider is disabled\n"


def test_only_the_admin(shared_chain: LocalChain, admin: Person):
    other = shared_chain.person("somebody")
    for arguments in (
        ("update-deposit", "1"), ("update-commission", "1%"), ("authorizer", "create", other.key),
        ("authorizer", "remove", admin.key),
    ):  # fmt: skip
        done = shared_chain.mu("admin", *arguments, by=other)
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            f"mu: only the admin {admin.key} may do this, and you are {other.key}; choose by --keypair\n"
        )


def test_providers_are_authorized_and_revoked(shared_chain: LocalChain, admin: Person):
    zed, alan = new_provider(shared_chain, "zed"), new_provider(shared_chain, "alan")
    deposit = shared_chain.account(zed.provider, Provider).deposit // TOKEN
    lines = shared_chain.mu("admin", "pending").out.splitlines()
    assert [line.split() for line in lines] == [
        ["name", "provider", "owner", "deposit"],
        ["alan", str(alan.provider), str(alan.key), str(deposit)],
        ["zed", str(zed.provider), str(zed.key), str(deposit)],
    ]
    assert len({len(line) for line in lines}) == 1
    done = shared_chain.mu("admin", "authorize", "zed", by=admin)
    assert done.out.startswith(f"chain       provider zed ({zed.provider}) authorized: slot ")
    assert f"next        its owner {zed.key} opens regions" in done.out
    assert shared_chain.account(zed.provider, Provider).status is ProviderStatus.AUTHORIZED
    [left] = shared_chain.mu("admin", "pending", "--json").json["providers"]
    assert left == {
        "name": "alan", "provider": str(alan.provider), "owner": str(alan.key), "deposit": str(deposit),
    }  # fmt: skip
    again = shared_chain.mu("admin", "authorize", zed.provider, by=admin)
    assert (again.code, again.err) == (1, "mu: the provider zed is authorized; nothing was sent\n")
    shown = shared_chain.mu("admin", "revoke", zed.provider, "--json", by=admin).json
    assert (shown["provider"], shown["status"]) == (str(zed.provider), "disabled")
    assert shared_chain.account(zed.provider, Provider).status is ProviderStatus.DISABLED
    again = shared_chain.mu("admin", "revoke", "zed", by=admin)
    assert (again.code, again.err) == (1, "mu: the provider zed is disabled; nothing was sent\n")


def test_who_is_no_authorizer(shared_chain: LocalChain, admin: Person):
    bea, other = new_provider(shared_chain, "bea"), shared_chain.person("nobody")
    for command in ("authorize", "revoke"):
        done = shared_chain.mu("admin", command, bea.provider, by=other)
        assert done.code == 1
        assert done.err.startswith(
            f"mu: you ({other.key}) are no authorizer; the admin makes you one by `mu "
        )
    none = shared_chain.mu("admin", "authorize", "unheard-of", by=admin)
    assert none.code == 2
    assert none.err.startswith("mu: PROVIDER: no provider has the address or the name 'unheard-of'")


@pytest.mark.parametrize(
    ("text", "millionths"),
    [("0%", 0), ("5%", 50_000), ("2.50%", 25_000), ("0.0001%", 1), ("100%", 1_000_000), ("007%", 70_000)],
)
def test_percentages(text: str, millionths: int):
    assert parse_percent(text, "PERCENT") == millionths


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "5",
        "0.05",
        "5 %",
        "-5%",
        "+5%",
        ".5%",
        "5.%",
        "1.00001%",
        "1e1%",
        "5%%",
        "\u0665%",
        "101%",
        "5%\n",
    ],
)
def test_what_is_no_percentage(text: str):
    with pytest.raises(InvalidInput):
        parse_percent(text, "PERCENT")


def test_each_commission_is_shown_as_it_would_be_written():
    for millionths in (*range(0, 1_000_001, 997), 1, 9, 10, 99_999, 1_000_000):
        assert parse_percent(format_percent(millionths), "PERCENT") == millionths
