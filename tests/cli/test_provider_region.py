"""`mu provider region` on a local chain."""

import re
from pathlib import Path

import pytest

from cli.provider_region import check_base_url
from contract import client as program
from contract.accounts import Region, RegionStatus
from contract.addresses import escrow_address, stack_address
from contract.errors import InvalidInput
from tests.cli.chain import TERMS, TOKEN, LocalChain, Person, before_sending

PRICES = {
    "tera_megabyte_instruction": "2", "database_gigabyte_month": "0", "database_million_reads": "0",
    "database_million_writes": "0", "storage_gigabyte_month": "0", "storage_gigabyte_read": "0",
    "storage_gigabyte_written": "0", "gateway_million_requests": "0.5", "gateway_gigabyte": "0",
}  # fmt: skip
TWO_HOURS = 7_200


@pytest.fixture(scope="module")
def admin(shared_chain: LocalChain) -> Person:
    return shared_chain.initialize()


def terms_file(folder: Path, *, minimum: str = "10", notice: str = "2 hours", **prices: str) -> Path:
    """Terms that are `TERMS` but for what is given."""
    path = folder / "terms.yaml"
    lines = [f"minimum_escrow: {minimum}", "max_instructions_per_call: 100_000_000_000", f"notice: {notice}"]
    lines += ["prices:", *(f"  {name}: {price}" for name, price in (PRICES | prices).items())]
    path.write_text("\n".join(lines))
    return path


def create(chain: LocalChain, by: Person, written: Path, /, *options: object, **others: str):
    given = {
        "number": "7",
        "name": "north",
        "base-url": "https://north.example",
        "terms": str(written),
    } | others
    named = [part for name, value in given.items() for part in (f"--{name}", value)]
    return chain.mu("provider", "region", "create", *named, *options, by=by)


def update(chain: LocalChain, by: Person, *options: object):
    return chain.mu("provider", "region", "update", 1, *options, by=by)


def test_create(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "creating", regions=())
    done = create(shared_chain, owner, terms_file(tmp_path))
    assert done.code == 0, done.err
    chain, following = done.out.splitlines()
    assert chain.startswith("chain       region 7 (north) created: slot ")
    assert following.endswith("`mu provider signer create --region 7 KEY --valid-days 90`")
    region = shared_chain.account(owner.region(7), Region)
    assert (region.name, region.base_url, region.terms) == ("north", "https://north.example", TERMS)
    taken = create(shared_chain, owner, terms_file(tmp_path), name="south")
    assert (taken.code, taken.err) == (1, "mu: region 7 is there already (north, live)\n")
    shown = create(shared_chain, owner, terms_file(tmp_path), "--json", number="8").json
    assert (shown["region"], shown["number"], shown["name"]) == (str(owner.region(8)), 8, "north")
    assert shown["terms"]["prices"] == PRICES


def test_the_marketplaces_notice_is_the_least(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "hasty", regions=())
    done = create(shared_chain, owner, terms_file(tmp_path, notice="59 minutes"))
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "mu: line 3: notice: must be 1 hour (the Marketplace's own) to 365 days, not 59 minutes\n"
    )
    assert create(shared_chain, owner, terms_file(tmp_path, notice="1 hour")).code == 0


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("number", "-1", "-1 is not in the range 0<=x<=4294967295"),
        ("number", "one", "'one' is not a valid integer"),
        ("name", "x" * 33, "name: it must have 1 to 32 bytes"),
        ("base-url", "north.example", "mu: --base-url: 'north.example' is no URL of http or https alone"),
        ("base-url", f"https://{'n' * 121}", "mu: --base-url: has 129 bytes, 128 are the most"),
        ("terms", "nowhere.yaml", "mu: nowhere.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_bad_input(
    shared_chain: LocalChain, admin: Person, tmp_path: Path, option: str, value: str, problem: str
):
    owner = shared_chain.provider(admin, "careless", regions=())
    done = create(shared_chain, owner, terms_file(tmp_path), **{option: value})
    assert (done.code, done.out) == (2, "")
    assert problem in done.err


def test_terms_are_read_before_the_provider_is_looked_at(
    shared_chain: LocalChain, admin: Person, tmp_path: Path
):
    nobody = shared_chain.person("nobody yet")
    done = create(shared_chain, nobody, terms_file(tmp_path, notice="soon"))
    assert done.code == 2
    assert done.err.startswith("mu: line 3: notice: must be a duration")
    done = create(shared_chain, nobody, terms_file(tmp_path))
    assert (done.code, "has no provider" in done.err) == (1, True)


def test_a_provider_that_is_not_authorized(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "revoked", regions=())
    shared_chain.send([program.revoke_provider(admin.key, owner.provider)], admin)
    done = create(shared_chain, owner, terms_file(tmp_path))
    assert (done.code, done.err) == (
        1, "mu: the provider revoked is not authorized: "
        f"an authorizer must first run `mu admin authorize {owner.provider}`\n",
    )  # fmt: skip


def test_new_terms_come_after_the_notice(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "changing")
    done = update(shared_chain, owner, "--terms", terms_file(tmp_path, minimum="20", gateway_gigabyte="1"))
    region = shared_chain.account(owner.region(1), Region)
    assert region.terms == TERMS
    assert region.next_terms.minimum_escrow == 20 * TOKEN
    chain, when, *changes, following = done.out.splitlines()
    assert chain.startswith("chain       region 1 updated: slot ")
    listed = shared_chain.mu("provider", "region", "list", by=owner).out
    assert when.removeprefix("terms       from ") in listed
    assert changes == [
        "            minimum_escrow: 10 -> 20",
        "            prices.gateway_gigabyte: 0 -> 1",
    ]
    assert following.startswith("next        ")
    info = shared_chain.mu("provider", "info", by=owner).out
    assert f"  {when.removeprefix('terms       ')}:\n    minimum_escrow: 10 -> 20\n" in info

    again = update(shared_chain, owner, "--terms", terms_file(tmp_path, minimum="20", gateway_gigabyte="1"))
    assert (again.code, again.err) == (
        1, "mu: region 1 has that base URL and those terms already; nothing was sent\n",
    )  # fmt: skip
    back = update(shared_chain, owner, "--terms", terms_file(tmp_path))
    assert "terms       stay as they are; those that were announced will not come\n" in back.out
    assert shared_chain.account(owner.region(1), Region).next_from == 0


def test_a_base_url_changes_at_once(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "moving")
    done = update(shared_chain, owner, "--base-url", "https://moved.example")
    assert done.out.splitlines()[1:-1] == [
        "at once     base_url: https://moving-1.example -> https://moved.example"
    ]
    region = shared_chain.account(owner.region(1), Region)
    assert (region.base_url, region.terms, region.next_from) == ("https://moved.example", TERMS, 0)


def test_a_base_url_beside_announced_terms(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "both")
    before = shared_chain.unix_time()
    first = update(shared_chain, owner, "--terms", terms_file(tmp_path, minimum="20"), "--json").json
    assert before + TWO_HOURS <= first["next_from"] <= shared_chain.unix_time() + TWO_HOURS
    assert (first["terms"]["minimum_escrow"], first["next_terms"]["minimum_escrow"]) == ("10", "20")
    shared_chain.wait(60)
    done = update(shared_chain, owner, "--base-url", "https://moved.example")
    url, when, *changes, _ = done.out.splitlines()[1:]
    assert url == "at once     base_url: https://both-1.example -> https://moved.example"
    assert re.fullmatch(r"terms +from [\d-]+ [\d:]+ UTC, as announced before", when)
    assert changes == ["            minimum_escrow: 10 -> 20"]
    region = shared_chain.account(owner.region(1), Region)
    assert (region.next_terms.minimum_escrow, region.next_from) == (20 * TOKEN, first["next_from"])
    again = terms_file(tmp_path, minimum="20")
    both = ("--base-url", "https://further.example", "--terms", again, "--json")
    shown = update(shared_chain, owner, *both).json
    assert (shown["next_from"], shown["next_terms"]) == (first["next_from"], first["next_terms"])
    other = update(shared_chain, owner, "--terms", terms_file(tmp_path, minimum="21"), "--json").json
    assert other["next_from"] >= first["next_from"] + 60

    shared_chain.wait(2 * TWO_HOURS)
    shown = update(shared_chain, owner, "--base-url", "https://again.example", "--json").json
    assert (shown["next_from"], shown["next_terms"]) == (None, None)
    assert shown["terms"]["minimum_escrow"] == "21"
    region = shared_chain.account(owner.region(1), Region)
    assert (region.terms.minimum_escrow, region.next_from) == (21 * TOKEN, 0)


def test_announced_terms_that_come_into_force_meanwhile(
    shared_chain: LocalChain, admin: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    owner = shared_chain.provider(admin, "late")
    assert update(shared_chain, owner, "--terms", terms_file(tmp_path, minimum="20")).code == 0
    before_sending(monkeypatch, lambda: shared_chain.wait(TWO_HOURS))
    shown = update(shared_chain, owner, "--base-url", "https://moved.example", "--json").json
    assert (shown["terms"]["minimum_escrow"], shown["next_from"]) == ("20", None)


def test_updates_that_cannot_be(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "still", regions=(1, 4))
    nothing = update(shared_chain, owner)
    assert (nothing.code, nothing.err) == (
        2, "mu: --base-url: or --terms must be given, or nothing changes\n",
    )  # fmt: skip
    bad = update(shared_chain, owner, "--base-url", "ftp://north.example")
    assert bad.code == 2
    none = shared_chain.mu("provider", "region", "update", 2, "--base-url", "https://a.example", by=owner)
    assert (none.code, none.err) == (1, "mu: your provider has no region 2; its regions: 1, 4\n")


def test_close(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.provider(admin, "ending")
    client = shared_chain.person("client", whole_tokens=50)
    escrow = escrow_address(owner.provider, client.key)[0]
    own_tokens = shared_chain.tokens_of(client)
    shared_chain.send(
        [
            program.create_escrow(client.key, owner.provider, mint=shared_chain.mint),
            program.deposit_escrow(client.key, escrow, own_tokens, 50 * TOKEN),
            program.deploy_stack(client.key, owner.provider, owner.region(1), 1, b"manifest"),
        ],
        client,
    )
    close = ("provider", "region", "close", 1)
    early = shared_chain.mu(*close, by=owner)
    assert (early.code, early.err) == (
        1, "mu: region 1 has 1 live stack; their owners must delete them first\n",
    )  # fmt: skip
    stack, _ = stack_address(owner.region(1), client.key, 1)
    shared_chain.send([program.delete_stack(client.key, owner.provider, owner.region(1), stack)], client)
    question = "Close the region 1 (ending 1) for ever? Its number is never used again. [y/N]: "
    refused = shared_chain.mu(*close, by=owner, typed="n\n")
    assert (refused.code, refused.out) == (1, "")
    assert question in refused.err
    assert shared_chain.mu(*close, by=owner).code == 2
    assert shared_chain.account(owner.region(1), Region).status is RegionStatus.LIVE
    done = shared_chain.mu(*close, "--yes", by=owner)
    assert done.out.startswith("chain       region 1 (ending 1) closed: slot ")
    assert shared_chain.account(owner.region(1), Region).status is RegionStatus.CLOSED
    for command in (close, ("provider", "region", "update", 1, "--base-url", "https://a.example")):
        again = shared_chain.mu(*command, by=owner)
        assert (again.code, again.err) == (1, "mu: region 1 (ending 1) is closed, for ever\n")


def test_list(shared_chain: LocalChain, admin: Person, tmp_path: Path):
    owner = shared_chain.provider(admin, "listed", regions=(10, 2))
    shared_chain.send([program.close_region(owner.key, 10)], owner)
    lines = shared_chain.mu("provider", "region", "list", by=owner).out.splitlines()
    assert lines == [
        "number  name       status  stacks  minimum  notice   terms change  base URL",
        "     2  listed 2   live         0       10  2 hours  -             https://listed-2.example",
        "    10  listed 10  closed       0       10  2 hours  -             https://listed-10.example",
    ]
    assert shared_chain.mu("provider", "region", "list", "--provider", "listed").out.splitlines() == lines
    shown = shared_chain.mu("provider", "region", "list", "--json", by=owner).json
    assert shown["provider"] == str(owner.provider)
    assert [(region["number"], region["status"]) for region in shown["regions"]] == [
        (2, "live"), (10, "closed"),
    ]  # fmt: skip


def test_an_empty_list(shared_chain: LocalChain, admin: Person):
    owner = shared_chain.provider(admin, "empty", regions=())
    assert shared_chain.mu("provider", "region", "list", by=owner).out == "there are no regions\n"
    shown = shared_chain.mu("provider", "region", "list", "--json", by=owner).json
    assert shown == {"provider": str(owner.provider), "regions": []}


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://north.example",
        "https://north.example:8443/mu/",
        "http://127.0.0.1:8080",
        "http://[::1]",
    ],
)
def test_base_urls(url: str):
    check_base_url(url)


@pytest.mark.parametrize(
    "url",
    ["", "http://", "ws://a", "//a", "a", "http://a?", "http://a/?b", "http://a#", "http://u@a", "http://a b",
     "http://a\n", "http://a\x1b", "http://[", "http://a:0", "http://a:99999", "http://ä", "http://a:b"],
)  # fmt: skip
def test_what_is_no_base_url(url: str):
    with pytest.raises(InvalidInput):
        check_base_url(url)
