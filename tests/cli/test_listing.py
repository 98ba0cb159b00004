"""`mu list` on a live chain."""

from collections.abc import Iterator

import msgspec
import pytest

from cli.listing import USAGE_OPTIONS
from contract import client as program
from contract.client import Prices
from mu.estimate import MonthlyUsage
from tests.cli.chain import TERMS, TOKEN, LocalChain, Person, open_local_chain

REQUESTS = ("--requests", "2M")


class Market(msgspec.Struct, frozen=True):
    """A chain with alice's region 1 (0.5 a million requests) and bob's 1 (0.2, and dearer from later on)."""

    chain: LocalChain
    alice: Person
    bob: Person
    erin: Person
    """Not authorized."""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with open_local_chain(tmp_path_factory.mktemp("market")) as chain:
        admin = chain.initialize()
        alice, bob = chain.provider(admin, "alice"), chain.provider(admin, "Bob", regions=(1, 2))
        cheap = msgspec.structs.replace(TERMS, prices=Prices(gateway_million_requests=TOKEN // 5))
        dear = msgspec.structs.replace(
            TERMS, minimum_escrow=20 * TOKEN, prices=Prices(gateway_million_requests=TOKEN)
        )
        chain.send([program.create_region(bob.key, 3, "little", "https://x.example", cheap)], bob)
        chain.send([program.update_region(bob.key, 3, "https://x.example", dear)], bob)
        chain.send([program.close_region(bob.key, 2)], bob)
        erin = chain.person("erin", whole_tokens=1_000)
        create = program.create_provider(
            erin.key,
            "e\x1b[2Jrin",
            mint=chain.mint,
            owner_tokens=chain.tokens_of(erin),
            max_deposit=2**64 - 1,
        )
        chain.send([create], erin)
        yield Market(chain, alice, bob, erin)


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if not line.startswith(" ")]


def test_providers(market: Market):
    done = market.chain.mu("list", "providers")
    assert (done.code, done.err) == (0, "")
    header, alice, bob = done.out.splitlines()
    assert header.split() == ["provider", "address", "regions", "status"]
    assert alice.split() == ["alice", str(market.alice.provider), "1", "authorized"]
    assert bob.split() == ["Bob", str(market.bob.provider), "2", "authorized"]
    assert header.index("address") == alice.index(str(market.alice.provider))


def test_all_providers_and_what_they_call_themselves(market: Market):
    out = market.chain.mu("list", "providers", "--all").out
    assert "e\\x1b[2Jrin" in out
    assert "\x1b" not in out
    assert first_words(out) == ["provider", "alice", "Bob", "e\\x1b[2Jrin"]
    assert out.splitlines()[-1].endswith("disabled")


def test_searching(market: Market):
    assert first_words(market.chain.mu("list", "providers", "--search", "BO").out) == ["provider", "Bob"]
    none = market.chain.mu("list", "providers", "--search", "zz")
    assert (none.code, none.out) == (
        0,
        "no provider with 'zz' in its name sells now; --all shows the others\n",
    )
    assert first_words(market.chain.mu("list", "regions", "--search", "alice").out) == ["region", "alice"]
    assert market.chain.mu("list", "regions", "--search", "zz", "--json").json == {"regions": []}


def test_providers_as_json(market: Market):
    document = market.chain.mu("list", "providers", "--json", "--search", "alice").json
    assert document == {
        "providers": [
            {
                "address": str(market.alice.provider),
                "name": "alice",
                "owner": str(market.alice.key),
                "regions": 1,
                "status": "authorized",
            }
        ]
    }


def test_regions_by_name_without_a_month(market: Market):
    out = market.chain.mu("list", "regions").out
    assert first_words(out) == ["region", "alice", "Bob", "little"]
    assert out.splitlines()[0].split() == ["region", "provider", "address", "minimum"]
    assert str(market.bob.region(3)) in out
    assert "Bob 2" not in out


def test_regions_by_the_cost_of_a_month(market: Market):
    out = market.chain.mu("list", "regions", *REQUESTS).out
    lines = out.splitlines()
    assert lines[0].split()[-2:] == ["a", "month"]
    assert [line.split()[-1] for line in lines[1:] if not line.startswith(" ")] == ["0.4", "1", "1"]
    assert "on: minimum 20, a month 2" in lines[2]


def test_calls_that_a_region_does_not_take(market: Market):
    out = market.chain.mu(
        "list", "regions", *REQUESTS, "--instructions-per-request", "1T", "--megabytes-per-request", "1"
    ).out
    assert out.count("a call may take 100000000000 instructions here, not 1000000000000") == 3


def test_closed_regions_only_with_all(market: Market):
    out = market.chain.mu("list", "regions", "--all").out
    [closed] = [line for line in out.splitlines() if line.startswith("Bob 2")]
    assert closed.endswith("closed")


def test_regions_as_json(market: Market):
    first, *others = market.chain.mu("list", "regions", "--json", *REQUESTS).json["regions"]
    assert (first["name"], first["monthly_cost"], first["next_monthly_cost"]) == ("little", "0.4", "2")
    assert (first["address"], first["provider"]) == (str(market.bob.region(3)), str(market.bob.provider))
    assert first["terms"]["prices"]["gateway_million_requests"] == "0.2"
    assert first["next_terms"]["minimum_escrow"] == "20"
    assert [(one["monthly_cost"], one["next_terms"], one["can_run"]) for one in others] == [
        ("1", None, True)
    ] * 2


def test_prices(market: Market):
    out = market.chain.mu("list", "regions", "--prices", "--search", "little", *REQUESTS).out
    [price] = [line for line in out.splitlines() if "prices.gateway_million_requests " in line]
    assert price.split() == ["prices.gateway_million_requests", "0.2"]
    assert "prices.gateway_million_requests: 0.2 -> 1" in out
    assert f"sold by Bob, {market.bob.provider}" in out
    assert "a month costs 0.4" in out


def test_a_month_must_be_written_well(market: Market):
    for option, text, sentence in [
        ("--requests", "5 M", "mu: --requests: '5 M' is not a number such as"),
        ("--requests", "1.5", "mu: --requests: 1.5 is not a whole number"),
        ("--storage", "50", "mu: --storage: '50' is not a size such as"),
        ("--instructions-per-request", "2M", "together"),
    ]:
        done = market.chain.mu("list", "regions", option, text)
        assert (done.code, done.out) == (2, "")
        assert sentence in done.err
        assert done.err.count("\n") == 1


def test_every_field_of_a_month_has_an_option():
    assert [field for _, field, _, _ in USAGE_OPTIONS] == list(MonthlyUsage.__struct_fields__)


def test_no_marketplace(local_chain: LocalChain):
    for what in ("providers", "regions"):
        done = local_chain.mu("list", what)
        assert (done.code, done.out) == (1, "")
        assert done.err == "mu: there is no Marketplace on 127.0.0.1; choose another cluster by --url\n"
