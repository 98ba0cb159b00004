"""`mu stack` on a live chain."""

from collections.abc import Iterator

import msgspec
import pytest
from solders.pubkey import Pubkey

from contract import client as program
from contract.accounts import Escrow, Stack, StackStatus
from contract.addresses import escrow_address, stack_address
from contract.client import Usage
from events.manifest import (
    Endpoint,
    Function,
    Gateway,
    KeyValueTable,
    Manifest,
    Method,
    Route,
    RuntimeName,
    Storage,
)
from events.manifest_codec import encode
from tests.cli.chain import TOKEN, Done, LocalChain, Person, open_local_chain

BINARY = "A" * 24
MANIFEST = Manifest(
    name="Greeting",
    version="1.2",
    services=(
        Function("greeter", BINARY, RuntimeName.WASI_1_0, 256),
        Gateway("hello", (Endpoint("/greet/{name}", (Route(Method.GET, "greeter", "greet"),)),)),
        KeyValueTable("names"),
        Storage("old", delete=True),
    ),
)


class Market(msgspec.Struct, frozen=True):
    """A chain with alice's regions 1 and 2."""

    chain: LocalChain
    admin: Person
    alice: Person

    def stack(self, client: Person, *arguments: object, typed: str | None = None) -> Done:
        return self.chain.mu("stack", *arguments, by=client, typed=typed)

    def client(self, name: str) -> Person:
        """Somebody with 50 tokens in escrow with alice."""
        client = self.chain.person(name, whole_tokens=100)
        escrow, _ = escrow_address(self.alice.provider, client.key)
        create = program.create_escrow(client.key, self.alice.provider, mint=self.chain.mint)
        deposit = program.deposit_escrow(client.key, escrow, self.chain.tokens_of(client), 50 * TOKEN)
        self.chain.send([create, deposit], client)
        return client

    def deploy(self, client: Person, seed: int, manifest: bytes | None = None, number: int = 1) -> Pubkey:
        region = self.alice.region(number)
        instruction = program.deploy_stack(
            client.key, self.alice.provider, region, seed, encode(MANIFEST) if manifest is None else manifest
        )
        self.chain.send([instruction], client)
        return stack_address(region, client.key, seed)[0]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with open_local_chain(tmp_path_factory.mktemp("market")) as chain:
        admin = chain.initialize()
        yield Market(chain, admin, chain.provider(admin, regions=(1, 2)))


def test_no_stacks(market: Market):
    client = market.client("has none")
    done = market.stack(client, "list")
    assert (done.code, done.out) == (0, "you have no live stacks; --all shows deleted ones\n")
    assert market.stack(client, "list", "--all").out == "you have no stacks\n"
    assert market.stack(client, "list", "--json").json == {"stacks": []}


def test_list(market: Market):
    client = market.client("lists")
    second = market.deploy(client, 5, number=2)
    first = market.deploy(client, 9)
    deleted = market.deploy(client, 1)
    assert market.stack(client, "delete", deleted, "--yes").code == 0
    header, *lines = market.stack(client, "list").out.splitlines()
    assert header.split() == ["name", "stack", "region", "revision", "status"]
    assert [line.split() for line in lines] == [
        ["Greeting", str(first), "alice", "1", "1", "active"],
        ["Greeting", str(second), "alice", "2", "1", "active"],
    ]
    everything = market.stack(client, "list", "--all", "--json").json["stacks"]
    assert {one["stack"]: one["status"] for one in everything} == {
        str(first): "active", str(second): "active", str(deleted): "deleted",
    }  # fmt: skip
    [there] = market.stack(client, "list", "--region", market.alice.region(2), "--json").json["stacks"]
    assert (there["stack"], there["name"], there["revision"]) == (str(second), "Greeting", 1)
    others = market.client("lists nothing of others")
    assert market.stack(others, "list", "--json").json == {"stacks": []}


def test_show(market: Market):
    client = market.client("shows")
    address = market.deploy(client, 1)
    out = market.stack(client, "show", address).out
    assert "name        Greeting, version 1.2\n" in out
    assert f"provider    alice, {market.alice.provider}\n" in out
    assert f"services    Function greeter, wasi1.0, 256MiB, {BINARY}\n" in out
    assert f"  GET https://alice-1.example/{address}/hello/greet/{{name}} -> greeter.greet\n" in out
    assert "KeyValueTable names\n" in out
    assert "Storage old, to be dropped\n" in out
    assert "reported    to position 0 of the region's log\n" in out
    document = market.chain.mu("stack", "show", address, "--json").json
    assert [service["name"] for service in document["services"]] == ["greeter", "hello", "names", "old"]
    assert (document["owner"], document["reports"]) == (str(client.key), [])


def test_what_was_charged(market: Market):
    client = market.client("is charged")
    address = market.deploy(client, 1)
    signer = market.chain.person("signs usage")
    valid_to = market.chain.unix_time() + 10_000
    market.chain.send([program.create_usage_signer(market.alice.key, 1, signer.key, valid_to)], market.alice)
    for first, last, requests in [(1, 5, 2_000_000), (6, 6, 10**9)]:
        instruction = program.update_usage(
            signer.key,
            provider=market.alice.provider,
            region=market.alice.region(1),
            owner=client.key,
            stack=address,
            first_position=first,
            last_position=last,
            digest=bytes(32),
            usage=Usage(gateway_requests=requests),
            provider_tokens=market.chain.tokens_of(market.alice),
            commission_tokens=market.chain.tokens_of(market.admin),
        )
        market.chain.send([instruction], signer)
    document = market.stack(client, "show", address, "--json").json
    assert document["reported_position"] == 6
    assert [(one["cost"], one["charge"], one["commission"]) for one in document["reports"]] == [
        ("1", "1", "0.03"),
        ("500", "49", "1.47"),
    ]
    header, first, second = market.stack(client, "show", address).out.splitlines()[-3:]
    assert header.split() == ["positions", "reported", "cost", "charged", "of", "it", "commission"]
    assert (first.split()[0], first.split()[-3:]) == ("1-5", ["1", "1", "0.03"])
    assert (second.split()[0], second.split()[-3:]) == ("6-6", ["500", "49", "1.47"])
    shown = market.chain.mu("escrow", "show", "alice", by=client).out
    assert (
        "locked      10\n"
        f"            10 for 1 stack in alice 1, {market.alice.region(1)}\n"
        "available   0 for stacks\n"
        "            that is less than is locked: nothing can be deployed or updated, and nodes may suspend what is "
        "live\n"
        "            `mu escrow deposit alice AMOUNT` adds to it\n"
        "            the provider may delete the stacks, as even the balance is less than is locked\n"
    ) in shown


def test_a_manifest_that_cannot_be_read(market: Market):
    client = market.client("writes nonsense")
    address = market.deploy(client, 1, b"nonsense")
    assert "its manifest cannot be read\n" in market.stack(client, "show", address).out
    assert market.stack(client, "list").out.splitlines()[1].startswith("(unreadable)  ")
    assert market.stack(client, "list", "--json").json["stacks"][0]["name"] is None


def test_delete(market: Market):
    client = market.client("deletes")
    first, second = market.deploy(client, 1), market.deploy(client, 2)
    refused = market.stack(client, "delete", first, typed="n\n")
    assert (refused.code, refused.err.endswith("mu: nothing was sent\n")) == (1, True)
    assert (
        "Its last usage is still charged, within 1 hour. 10 tokens stay locked for 1 other stack"
        in refused.err
    )
    assert f"Delete Greeting ({first}) for ever?" in refused.err
    assert market.chain.account(first, Stack).status is StackStatus.ACTIVE
    done = market.stack(client, "delete", first, typed="y\n")
    assert done.code == 0
    assert f"next        `mu escrow withdraw {market.alice.provider} all` asks for what is left\n" in done.out
    assert market.chain.account(first, Stack).status is StackStatus.DELETED
    again = market.stack(client, "delete", first, "--yes")
    assert (again.code, again.err.startswith("mu: the stack is deleted already, since 20")) == (1, True)

    assert market.chain.mu("escrow", "withdraw", "alice", "all", by=client).code == 0
    last = market.stack(client, "delete", second, typed="y\n")
    assert "The minimum of 10 tokens locked for alice 1 gets free." in last.err
    assert "The withdrawal that you asked for can be claimed in 1 hour at the earliest." in last.err
    assert f"`mu escrow withdraw {market.alice.provider} --claim` from 20" in last.out
    escrow = market.chain.account(escrow_address(market.alice.provider, client.key)[0], Escrow)
    assert escrow.locked == 0
    assert "none, as it is deleted" in market.stack(client, "show", second).out


def test_delete_as_json(market: Market):
    client = market.client("deletes as json")
    address = market.deploy(client, 1)
    assert market.stack(client, "delete", address, "--json").code == 2
    document = market.stack(client, "delete", address, "--yes", "--json").json
    assert document.keys() == {"stack", "region", "signature", "slot"}


def test_a_stack_of_somebody_else(market: Market):
    address = market.deploy(market.client("owns"), 1)
    thief = market.chain.person("thief")
    done = market.stack(thief, "delete", address, "--yes")
    assert (done.code, done.out) == (1, "")
    assert f", not to {thief.key}; choose its keypair by --keypair" in done.err


def test_no_stack(market: Market):
    client = market.client("names none")
    for command in (("show",), ("delete", "--yes")):
        for text, sentence in [
            ("x", "'x' is not an address of 32 to 44 base58 characters"),
            (str(market.alice.provider), f"there is no stack at {market.alice.provider}"),
            (str(client.key), "there is no stack at"),
        ]:
            done = market.stack(client, *command, text)
            assert (done.code, done.out) == (2, "")
            assert done.err.startswith("mu: STACK: ")
            assert sentence in done.err
    done = market.stack(client, "list", "--region", client.key)
    assert (done.code, "--region: there is no region at" in done.err) == (2, True)
