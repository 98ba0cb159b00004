"""`mu provider evict` on a live chain."""

from collections.abc import Iterator

import msgspec
import pytest
from solders.pubkey import Pubkey
from solders.rent import Rent
from solders.system_program import TransferParams, transfer

from contract import client as program
from contract.accounts import Escrow, Region, Stack, StackStatus
from contract.addresses import escrow_address, stack_address
from contract.client import Usage
from contract.program_errors import EscrowSuffices
from mu.localnet.machine import LAMPORTS_PER_SIGNATURE
from tests.cli.chain import TERMS, TOKEN, Done, LocalChain, Person, before_sending, open_local_chain


class Market(msgspec.Struct, frozen=True):
    """A chain with alice's region 1, and who signs usage there; bob sells too."""

    chain: LocalChain
    admin: Person
    alice: Person
    bob: Person
    signer: Person

    def evict(self, by: Person, *arguments: object, typed: str | None = None) -> Done:
        return self.chain.mu("provider", "evict", *arguments, by=by, typed=typed)

    def stack(self, name: str, *, charged: int) -> tuple[Person, Pubkey]:
        """A client whose escrow had just the minimum, before so many whole tokens were charged."""
        client = self.chain.person(name, whole_tokens=100)
        place, region = escrow_address(self.alice.provider, client.key)[0], self.alice.region(1)
        stack, _ = stack_address(region, client.key, 1)
        source = self.chain.tokens_of(client)
        self.chain.send(
            [
                program.create_escrow(client.key, self.alice.provider, mint=self.chain.mint),
                program.deposit_escrow(client.key, place, source, TERMS.minimum_escrow),
                program.deploy_stack(client.key, self.alice.provider, region, 1, b"manifest"),
            ],
            client,
        )
        report = program.update_usage(
            self.signer.key,
            provider=self.alice.provider,
            region=region,
            owner=client.key,
            stack=stack,
            first_position=1,
            last_position=1,
            digest=bytes(32),
            usage=Usage(gateway_requests=2 * charged * 10**6),
            provider_tokens=self.chain.tokens_of(self.alice),
            commission_tokens=self.chain.tokens_of(self.admin),
        )
        if charged:
            self.chain.send([report], self.signer)
        return client, stack

    def escrow(self, client: Person) -> Pubkey:
        return escrow_address(self.alice.provider, client.key)[0]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with open_local_chain(tmp_path_factory.mktemp("market")) as chain:
        admin, signer = chain.initialize(), chain.person("signer")
        alice, bob = chain.provider(admin, "alice"), chain.provider(admin, "bob")
        valid_to = chain.unix_time() + 10**6
        chain.send([program.create_usage_signer(alice.key, 1, signer.key, valid_to)], alice)
        yield Market(chain, admin, alice, bob, signer)


def test_asked_and_told(market: Market):
    client, stack = market.stack("poor", charged=1)
    question = (
        f"The escrow {market.escrow(client)} of {client.key} holds 9 tokens, and 10 are locked. "
        f"Delete their stack (unreadable) ({stack}) for ever? [y/N]: "
    )
    refused = market.evict(market.alice, stack, typed="n\n")
    assert (refused.code, refused.out) == (1, "")
    assert question in refused.err
    assert market.chain.account(stack, Stack).status is StackStatus.ACTIVE
    nobody = market.evict(market.alice, stack)
    assert (nobody.code, "--yes: is needed" in nobody.err) == (2, True)
    count = market.chain.account(market.alice.region(1), Region).stack_count
    done = market.evict(market.alice, stack, typed="y\n")
    assert done.code == 0, done.err
    chain, usage, following = done.out.splitlines()
    assert chain.startswith(f"chain       stack (unreadable) ({stack}) of {client.key} deleted: slot ")
    assert usage == "usage       what it used can still be charged, within 1 hour"
    assert following == "next        `mu provider region close 1`, once no stack is live in it"
    assert market.chain.account(stack, Stack).status is StackStatus.DELETED
    assert market.chain.account(market.escrow(client), Escrow).locked == 0
    assert market.chain.account(market.alice.region(1), Region).stack_count == count - 1
    again = market.evict(market.alice, stack, "--yes")
    assert (again.code, again.err.startswith("mu: the stack is deleted already, since 20")) == (1, True)


def test_as_json(market: Market):
    client, stack = market.stack("json", charged=10)
    shown = market.evict(market.alice, stack, "--yes", "--json").json
    assert shown.pop("signature")
    assert shown.pop("slot") > 0
    assert shown == {
        "stack": str(stack), "region": str(market.alice.region(1)), "owner": str(client.key),
        "escrow": str(market.escrow(client)), "balance": "0", "locked": "10",
    }  # fmt: skip


def test_an_owner_with_an_empty_wallet_is_given_what_an_account_must_have(market: Market):
    """A cluster would refuse the rent alone: it is less than an account of its own has to hold."""
    client, stack = market.stack("empty", charged=1)
    everything = market.chain.lamports(client.key) - LAMPORTS_PER_SIGNATURE
    away = TransferParams(from_pubkey=client.key, to_pubkey=market.bob.key, lamports=everything)
    market.chain.send([transfer(away)], client)
    assert market.chain.lamports(client.key) == 0
    done = market.evict(market.alice, stack, "--yes")
    assert done.code == 0, done.err
    assert market.chain.lamports(client.key) > Rent.default().minimum_balance(0)


def test_an_escrow_that_suffices(market: Market):
    client, stack = market.stack("pays", charged=0)
    done = market.evict(market.alice, stack, "--yes")
    assert (done.code, done.out, done.err) == (
        1, "",
        f"mu: the escrow of {client.key} suffices: it holds 10 tokens, and 10 are locked; "
        "only the owner may delete the stack\n",
    )  # fmt: skip


def test_an_owner_who_deposits_in_time(market: Market, monkeypatch: pytest.MonkeyPatch):
    client, stack = market.stack("is in time", charged=1)
    source = market.chain.tokens_of(client)
    deposit = program.deposit_escrow(client.key, market.escrow(client), source, TOKEN)
    before_sending(monkeypatch, lambda: market.chain.send([deposit], client))
    done = market.evict(market.alice, stack, "--yes")
    assert (done.code, done.out, done.err) == (1, "", f"mu: {EscrowSuffices()}\n")
    assert market.chain.account(stack, Stack).status is StackStatus.ACTIVE


def test_who_may_not(market: Market):
    client, stack = market.stack("of alice", charged=1)
    other = market.evict(market.bob, stack, "--yes")
    assert (other.code, other.err) == (
        1,
        f"mu: the stack is in a region of the provider {market.alice.provider}, and yours is "
        f"{market.bob.provider}; choose its owner's keypair by --keypair\n",
    )
    none = market.evict(client, stack, "--yes")
    assert (none.code, none.err) == (
        1, f"mu: {client.key} has no provider; create one by `mu provider create`\n",
    )  # fmt: skip
    for text, sentence in [("x", "'x' is not an address"), (str(client.key), "there is no stack at")]:
        done = market.evict(market.alice, text, "--yes")
        assert (done.code, done.err.startswith("mu: STACK: ")) == (2, True)
        assert sentence in done.err
