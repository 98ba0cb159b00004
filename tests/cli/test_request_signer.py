"""`mu request-signer` on a live chain."""

from collections.abc import Iterator

import msgspec
import pytest
from solders.keypair import Keypair

from contract import client as program
from contract.accounts import RequestSigner
from contract.addresses import request_signer_address
from tests.cli.chain import Done, LocalChain, Person, open_local_chain


class Market(msgspec.Struct, frozen=True):
    """A chain with alice's regions 1, and 2, which is closed."""

    chain: LocalChain
    alice: Person

    def signer(self, client: Person, *arguments: object) -> Done:
        return self.chain.mu("request-signer", *arguments, by=client)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with open_local_chain(tmp_path_factory.mktemp("market")) as chain:
        alice = chain.provider(chain.initialize(), regions=(1, 2))
        chain.send([program.close_region(alice.key, 2)], alice)
        yield Market(chain, alice)


def test_from_create_to_activate(market: Market):
    client, region = market.chain.person("client"), market.alice.region(1)
    key = Keypair.from_seed(bytes([1] * 32)).pubkey()
    place, _ = request_signer_address(region, client.key, key)
    created = market.signer(client, "create", region, key)
    assert (created.code, created.err) == (0, "")
    assert f"request signer {key} of region alice 1, active: slot" in created.out
    assert f"next        `mu request-signer deactivate {region} {key}` takes the right back\n" in created.out
    again = market.signer(client, "create", region, key)
    assert (again.code, again.err) == (1, "mu: the key is a request signer of yours there already\n")

    off = market.signer(client, "deactivate", region, key, "--json").json
    assert (off["request_signer"], off["active"]) == (str(place), False)
    assert market.chain.account(place, RequestSigner).active is False
    again = market.signer(client, "deactivate", region, key)
    assert (again.code, again.err) == (1, "mu: the request signer is inactive already\n")
    assert f"activate {region} {key}` activates it" in market.signer(client, "create", region, key).err

    assert market.signer(client, "activate", region, key).code == 0
    assert market.chain.account(place, RequestSigner).active is True
    assert "is active already" in market.signer(client, "activate", region, key).err


def test_list(market: Market):
    client, other, region = market.chain.person("lists"), market.chain.person("other"), market.alice.region(1)
    none = market.signer(client, "list", region)
    assert (
        none.out
        == f"you have no request signers in alice 1; `mu request-signer create {region} KEY` makes one\n"
    )
    keys = sorted(str(Keypair.from_seed(bytes([number] * 32)).pubkey()) for number in (2, 3))
    for key in keys:
        assert market.signer(client, "create", region, key).code == 0
    assert market.signer(other, "create", region, keys[0]).code == 0
    assert market.signer(client, "deactivate", region, keys[0]).code == 0
    lines = market.signer(client, "list", region).out.splitlines()
    assert [line.split() for line in lines] == [["key", "status"], [keys[1], "active"], [keys[0], "inactive"]]
    assert market.signer(client, "list", region, "--json").json == {
        "region": str(region),
        "request_signers": [{"key": keys[1], "active": True}, {"key": keys[0], "active": False}],
    }


def test_what_cannot_be(market: Market):
    client, key = market.chain.person("fails"), Keypair.from_seed(bytes([4] * 32)).pubkey()
    closed = market.signer(client, "create", market.alice.region(2), key)
    assert (closed.code, closed.err) == (1, "mu: the region alice 2 is closed: it takes no request signers\n")
    for command in ("activate", "deactivate"):
        done = market.signer(client, command, market.alice.region(1), key)
        assert done.code == 1
        assert done.err.startswith("mu: the key is no request signer of yours in alice 1; ")
    for command, region, signer, sentence in [
        ("create", "nowhere", key, "REGION: 'nowhere' is not an address"),
        ("activate", market.alice.provider, key, "REGION: there is no region at"),
        ("create", market.alice.region(1), "0OIl", "KEY: '0OIl' is not an address"),
    ]:
        done = market.signer(client, command, region, signer)
        assert (done.code, done.out) == (2, "")
        assert f"mu: {sentence}" in done.err


def test_no_lamports(market: Market):
    poor = market.chain.person("poor", sol=0)
    done = market.signer(poor, "create", market.alice.region(1), poor.key)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"mu: there is too little SOL for the fee; send some to {poor.key}\n"
