"""`mu provider signer` on a local chain."""

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from cli.usage_signer import DAY_SECONDS, parse_time
from contract import client as program
from contract.accounts import UsageSigner
from contract.addresses import usage_signer_address
from contract.errors import InvalidInput
from tests.cli.chain import LocalChain, Person

KEY = Keypair.from_seed(bytes([200] * 32)).pubkey()
OTHER = Keypair.from_seed(bytes([201] * 32)).pubkey()


@pytest.fixture(scope="module")
def owner(shared_chain: LocalChain) -> Person:
    return shared_chain.provider(shared_chain.initialize(), regions=(1, 2, 3))


def create(chain: LocalChain, by: Person, region: int, key: Pubkey | str, *options: object):
    return chain.mu("provider", "signer", "create", "--region", region, key, *options, by=by)


def signer_of(chain: LocalChain, owner: Person, region: int) -> UsageSigner:
    return chain.account(usage_signer_address(owner.region(region))[0], UsageSigner)


def test_create_replace_and_revoke(shared_chain: LocalChain, owner: Person):
    before = shared_chain.unix_time()
    done = create(shared_chain, owner, 1, KEY, "--valid-days", 90)
    assert done.code == 0, done.err
    chain, following = done.out.splitlines()
    assert chain.startswith(f"chain       {KEY} reports the usage of region 1 until 20")
    assert following.startswith("next        run the region's nodes with this key")
    signer = signer_of(shared_chain, owner, 1)
    assert signer.signer == KEY
    assert before <= signer.valid_to - 90 * DAY_SECONDS <= shared_chain.unix_time()

    shown = create(shared_chain, owner, 1, OTHER, "--valid-to", "2100-01-01", "--json").json
    assert (shown["signer"], shown["replaced"], shown["valid_to"]) == (str(OTHER), str(KEY), 4_102_444_800)
    assert shown["region"] == str(owner.region(1))
    signer = signer_of(shared_chain, owner, 1)
    assert (signer.signer, signer.valid_to) == (OTHER, 4_102_444_800)
    said = create(shared_chain, owner, 1, KEY, "--valid-to", "2100-01-01T12:00:00Z").out
    assert f"until 2100-01-01 12:00:00 UTC, in the place of {OTHER}: slot " in said

    revoke = ("provider", "signer", "revoke", "--region", 1)
    assert shared_chain.mu(*revoke, by=owner).out.startswith(
        f"chain       {KEY} no longer reports the usage of region 1: slot "
    )
    again = shared_chain.mu(*revoke, by=owner)
    assert (again.code, again.err) == (1, "mu: region 1 has no usage signer\n")
    nowhere = shared_chain.mu("provider", "signer", "revoke", "--region", 9, by=owner)
    assert (nowhere.code, nowhere.err) == (1, "mu: your provider has no region 9; its regions: 1, 2, 3\n")


def test_revoke_as_json(shared_chain: LocalChain, owner: Person):
    assert create(shared_chain, owner, 3, KEY, "--valid-days", 1).code == 0
    shown = shared_chain.mu("provider", "signer", "revoke", "--region", 3, "--json", by=owner).json
    assert (shown["number"], shown["signer"]) == (3, str(KEY))


def test_the_signer_of_a_closed_region(shared_chain: LocalChain, owner: Person):
    assert create(shared_chain, owner, 2, KEY, "--valid-days", 1).code == 0
    shared_chain.send([program.close_region(owner.key, 2)], owner)
    done = create(shared_chain, owner, 2, OTHER, "--valid-days", 1)
    assert f", in the place of {KEY}: slot " in done.out
    revoked = shared_chain.mu("provider", "signer", "revoke", "--region", 2, by=owner)
    assert revoked.code == 0, revoked.err


@pytest.mark.parametrize(
    ("key", "options", "problem"),
    [
        ("somebody", ("--valid-days", 1), "mu: KEY: 'somebody' is not an address of 32 to 44 base58 char"),
        (KEY, (), "mu: --valid-days: or --valid-to must be given, and only one of them"),
        (KEY, ("--valid-days", 1, "--valid-to", "2100-01-01"), "only one of them"),
        (KEY, ("--valid-days", 0), "0 is not in the range 1<=x<=3650"),
        (KEY, ("--valid-to", "tomorrow"), "mu: --valid-to: 'tomorrow' is not a time such as 2027-01-31"),
        (KEY, ("--valid-to", "2020-01-01"), "mu: --valid-to: 2020-01-01 is over: the chain's clock is at 2"),
    ],
)
def test_bad_input(
    shared_chain: LocalChain, owner: Person, key: Pubkey | str, options: tuple[object, ...], problem: str
):
    done = create(shared_chain, owner, 1, key, *options)
    assert (done.code, done.out) == (2, "")
    assert problem in done.err


def test_no_such_region(shared_chain: LocalChain, owner: Person):
    done = create(shared_chain, owner, 9, KEY, "--valid-days", 1)
    assert (done.code, done.err) == (1, "mu: your provider has no region 9; its regions: 1, 2, 3\n")


@pytest.mark.parametrize(
    ("text", "unix_time"),
    [("1970-01-01", 0), ("1970-01-02T00:00:01Z", 86_401), ("2024-02-29", 1_709_164_800)],
)
def test_times(text: str, unix_time: int):
    assert parse_time(text, "--valid-to") == unix_time


@pytest.mark.parametrize(
    "text",
    ["", "2027", "2027-02-29", "2027-13-01", "20270101", "2027-01-01T00:00:00", "2027-01-01T24:00:00Z",
     "2027-01-01 00:00:00Z", "2027-01-01T00:00:00+01:00", "2027-01-01\n", "0000-01-01"],
)  # fmt: skip
def test_what_is_no_time(text: str):
    with pytest.raises(InvalidInput):
        parse_time(text, "--valid-to")
