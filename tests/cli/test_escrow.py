"""`mu escrow` on a live chain."""

import re
from collections.abc import Iterator

import msgspec
import pytest

from contract import client as program
from contract import tokens
from contract.accounts import Escrow
from contract.addresses import escrow_address, stack_address, vault_address
from contract.program_errors import EscrowTooLow
from events.catalogue import MarketplaceEvent
from events.chain.rpc import ChainUnavailable
from mu.marketplace import Marketplace
from tests.cli.chain import (
    NOTICE_SECONDS,
    TOKEN,
    Done,
    LocalChain,
    Person,
    before_sending,
    open_local_chain,
)


class Market(msgspec.Struct, frozen=True):
    """A chain with alice's region 1, and erin, who is not authorized."""

    chain: LocalChain
    admin: Person
    alice: Person
    erin: Person

    def escrow(self, client: Person, *arguments: object, typed: str | None = None) -> Done:
        return self.chain.mu("escrow", *arguments, by=client, typed=typed)

    def prepaid(self, name: str, whole_tokens: int = 50) -> Person:
        """A client with 100 tokens, so many of which are in escrow with alice."""
        client = self.chain.person(name, whole_tokens=100)
        done = self.escrow(client, "deposit", "alice", whole_tokens, "--yes")
        assert done.code == 0, done.err
        return client

    def account(self, client: Person) -> Escrow:
        return self.chain.account(escrow_address(self.alice.provider, client.key)[0], Escrow)

    def deploy(self, client: Person, seed: int = 1) -> None:
        region = self.alice.region(1)
        self.chain.send(
            [program.deploy_stack(client.key, self.alice.provider, region, seed, b"manifest")], client
        )

    def delete(self, client: Person, seed: int = 1) -> None:
        region = self.alice.region(1)
        stack, _ = stack_address(region, client.key, seed)
        self.chain.send([program.delete_stack(client.key, self.alice.provider, region, stack)], client)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with open_local_chain(tmp_path_factory.mktemp("market")) as chain:
        admin = chain.initialize()
        alice = chain.provider(admin, "alice")
        erin = chain.person("erin", whole_tokens=1_000)
        instruction = program.create_provider(
            erin.key, "erin", mint=chain.mint, owner_tokens=chain.tokens_of(erin), max_deposit=2**64 - 1
        )
        chain.send([instruction], erin)
        yield Market(chain, admin, alice, erin)


def test_create(market: Market):
    client = market.chain.person("creates")
    done = market.escrow(client, "create", "alice")
    place = escrow_address(market.alice.provider, client.key)[0]
    assert (done.code, done.err) == (0, "")
    created, following = done.out.splitlines()
    assert re.fullmatch(rf"chain +escrow {place}, with alice: slot \d+, \w+", created)
    assert following.split(maxsplit=1) == ["next", "`mu escrow deposit alice AMOUNT` puts tokens into it"]
    assert market.account(client).balance == 0
    again = market.escrow(client, "create", market.alice.provider)
    assert (again.code, again.err) == (1, f"mu: you have an escrow with alice already: {place}\n")


def test_create_as_json(market: Market):
    client = market.chain.person("creates as json")
    document = market.escrow(client, "create", market.alice.provider, "--json").json
    assert document.keys() == {"escrow", "provider", "signature", "slot"}
    assert document["provider"] == str(market.alice.provider)


def test_a_deposit_opens_the_escrow_once(market: Market):
    client = market.chain.person("deposits", whole_tokens=100)
    first = market.escrow(client, "deposit", "alice", "12.5", "--yes")
    assert (first.code, first.err) == (0, "")
    assert "12.5 tokens into the new escrow" in first.out
    second = market.escrow(client, "deposit", "alice", "7.5", "--yes", "--json").json
    assert (second["created"], second["amount"], second["balance"]) == (False, "7.5", "20")
    assert market.account(client).balance == 20 * TOKEN
    assert market.chain.balance(market.chain.tokens_of(client)) == 80 * TOKEN


def test_a_deposit_is_asked_for(market: Market):
    client = market.chain.person("is asked", whole_tokens=100)
    refused = market.escrow(client, "deposit", "alice", "5", typed="n\n")
    assert refused.code == 1
    question = f"Deposit 5 tokens from {market.chain.tokens_of(client)} into a new escrow with alice"
    assert question in refused.err
    assert market.chain.balance(market.chain.tokens_of(client)) == 100 * TOKEN
    nobody = market.escrow(client, "deposit", "alice", "5")
    assert (nobody.code, "--yes: is needed" in nobody.err) == (2, True)
    assert market.escrow(client, "deposit", "alice", "5", typed="y\n").code == 0
    assert market.account(client).balance == 5 * TOKEN


def test_too_few_tokens(market: Market):
    poor = market.chain.person("poor", whole_tokens=3)
    done = market.escrow(poor, "deposit", "alice", "5", "--yes")
    assert done.code == 1
    assert done.err.startswith("mu: you have 3 tokens, the deposit is 5: get 2 more of the mint")
    without = market.chain.person("without")
    assert "you have 0 tokens" in market.escrow(without, "deposit", "alice", "5", "--yes").err


@pytest.mark.parametrize("amount", ["0", "x", "1e3", "0.0000001", "99999999999999999999"])
def test_no_amount(market: Market, amount: str):
    done = market.escrow(market.erin, "deposit", "alice", amount, "--yes")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mu: AMOUNT: ")


def test_a_provider_that_is_not_authorized(market: Market):
    for command in (("create", "erin"), ("deposit", "erin", "1", "--yes")):
        done = market.escrow(market.alice, *command)
        assert (done.code, done.err) == (
            1,
            "mu: the provider erin is not authorized: it takes no new escrows\n",
        )


def test_a_provider_that_is_not_there(market: Market):
    for text, sentence in [
        ("nobody", "no provider has the address or the name 'nobody'; `mu list providers`"),
        (str(market.chain.mint), f"there is no provider at {market.chain.mint}; `mu list"),
        (str(market.alice.region(1)), "there is no provider at"),
        ("x\x1b[2J", "the name 'x\\x1b[2J'"),
        ("y" * 5_000, "y…'; "),
    ]:
        done = market.escrow(market.erin, "show", text)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("mu: PROVIDER: ")
        assert sentence in done.err
        assert done.err.count("\n") == 1


def test_a_name_that_two_have(market: Market):
    twins = [market.chain.provider(market.admin, "twin", regions=()) for _ in range(2)]
    done = market.escrow(market.erin, "create", "twin")
    assert done.code == 2
    assert "2 providers are named 'twin'; name one by its address: " in done.err
    assert all(f"{twin.provider} (authorized)" in done.err for twin in twins)


def test_nothing_to_show(market: Market):
    client = market.chain.person("shows nothing")
    assert "you have no escrow; `mu escrow deposit" in market.escrow(client, "show").out
    assert market.escrow(client, "show", "--json").json == {"escrows": []}
    done = market.escrow(client, "show", "alice")
    assert (done.code, done.err) == (
        1, "mu: you have no escrow with alice; `mu escrow create alice` opens one\n",
    )  # fmt: skip


def test_no_escrow_can_be_opened_with_who_takes_none(market: Market):
    closing = market.chain.provider(market.admin, "closing", regions=())
    market.chain.send([program.close_provider(closing.key, market.chain.tokens_of(closing))], closing)
    for name, status in (("closing", "closed"), ("erin", "disabled")):
        done = market.escrow(market.alice, "show", name)
        assert (done.code, done.err) == (1, f"mu: you have no escrow with {name}, which is {status}\n")


def test_show(market: Market):
    client = market.prepaid("shows")
    market.deploy(client, 1)
    market.deploy(client, 2)
    lines = market.escrow(client, "show", "alice").out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["provider", "escrow", "balance", "locked"]
    assert lines[5].split(maxsplit=1) == ["available", "50 for stacks"]
    assert lines[2].split() == ["balance", "50"]
    assert lines[4].strip() == f"10 for 2 stacks in alice 1, {market.alice.region(1)}"
    document = market.escrow(client, "show", "alice", "--json").json
    assert document["locks"] == [
        {"region": str(market.alice.region(1)), "name": "alice 1", "stacks": 2, "minimum": "10"}
    ]
    assert (document["balance"], document["locked"], document["withdrawal"]) == ("50", "10", "0")
    assert market.escrow(client, "show", "--json").json == {"escrows": [document]}


def test_tokens_that_were_sent_without_a_deposit(market: Market):
    client = market.prepaid("sends")
    none = market.escrow(client, "sync", "alice")
    assert (none.code, none.err) == (
        1,
        "mu: all tokens of the escrow with alice are in its balance already\n",
    )
    vault, _ = vault_address(escrow_address(market.alice.provider, client.key)[0])
    source = market.chain.tokens_of(client)
    market.chain.send([tokens.transfer(source, client.key, vault, 2 * TOKEN)], client)
    assert "2 was sent to it; `mu escrow sync alice` adds it" in market.escrow(client, "show", "alice").out
    synced = market.escrow(client, "sync", "alice", "--json").json
    assert (synced["amount"], synced["balance"]) == ("2", "52")
    assert market.account(client).balance == 52 * TOKEN


def test_what_was_added_is_told_not_what_was_expected(market: Market, monkeypatch: pytest.MonkeyPatch):
    client = market.prepaid("sends twice")
    vault, _ = vault_address(escrow_address(market.alice.provider, client.key)[0])
    send = tokens.transfer(market.chain.tokens_of(client), client.key, vault, TOKEN)
    market.chain.send([send], client)
    more = tokens.transfer(market.chain.tokens_of(client), client.key, vault, 3 * TOKEN)
    before_sending(monkeypatch, lambda: market.chain.send([more], client))
    synced = market.escrow(client, "sync", "alice", "--json").json
    assert (synced["amount"], synced["balance"]) == ("4", "54")


def test_what_was_paid_is_told_not_what_was_expected(
    local_chain: LocalChain, monkeypatch: pytest.MonkeyPatch
):
    admin = local_chain.initialize()
    market = Market(local_chain, admin, local_chain.provider(admin), admin)
    client = market.prepaid("deposits meanwhile")
    market.deploy(client)
    assert market.escrow(client, "withdraw", "alice", "all").code == 0
    local_chain.wait(NOTICE_SECONDS)
    source = local_chain.tokens_of(client)
    escrow = escrow_address(market.alice.provider, client.key)[0]
    deposit = program.deposit_escrow(client.key, escrow, source, 4 * TOKEN)
    before_sending(monkeypatch, lambda: local_chain.send([deposit], client))
    claimed = market.escrow(client, "withdraw", "alice", "--claim")
    assert f"44 tokens from escrow {escrow} to {source}: slot" in claimed.out
    assert "balance     10\n" in claimed.out
    assert "left out    6 of what was asked for" in claimed.out
    assert local_chain.balance(source) == 90 * TOKEN


def test_an_outcome_that_the_node_does_not_tell(market: Market, monkeypatch: pytest.MonkeyPatch):
    client = market.prepaid("is not told")

    async def refuse(marketplace: Marketplace, signature: str) -> list[MarketplaceEvent]:
        raise ChainUnavailable("the RPC node keeps no log lines\x1b[2J")

    monkeypatch.setattr(Marketplace, "events", refuse)
    done = market.escrow(client, "withdraw", "alice", "5")
    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(
        r"mu: the transaction \w+ is confirmed, but what it did cannot be told: the RPC node keeps no log lines"
        r"\\x1b\[2J\n",
        done.err,
    )
    assert market.account(client).withdrawal == 5 * TOKEN


def test_a_withdrawal_from_asking_to_the_money(local_chain: LocalChain):
    admin = local_chain.initialize()
    market = Market(local_chain, admin, local_chain.provider(admin), admin)
    client = market.prepaid("withdraws")
    asked = market.escrow(client, "withdraw", "alice", "all")
    assert "50 tokens asked for from escrow" in asked.out
    assert re.search(r"next +`mu escrow withdraw alice --claim` from [\d-]+ [\d:]+ UTC on\n$", asked.out)
    early = market.escrow(client, "withdraw", "alice", "--claim")
    assert early.code == 1
    assert re.match(r"mu: the withdrawal can be claimed from .* UTC on, in (1 hour|59 minutes)", early.err)
    again = market.escrow(client, "withdraw", "alice", "20.5")
    assert "replaced    the 50 tokens asked for before" in again.out
    assert re.search(
        r"withdrawal +20\.5, claimable from .* in (1 hour|59 minutes)", market.escrow(client, "show").out
    )
    local_chain.wait(NOTICE_SECONDS)
    assert "--claim` pays out 20.5" in market.escrow(client, "show", "alice").out
    claimed = market.escrow(client, "withdraw", "alice", "--claim")
    assert f"20.5 tokens from escrow {escrow_address(market.alice.provider, client.key)[0]} to" in claimed.out
    assert "balance     29.5\n" in claimed.out
    assert local_chain.balance(local_chain.tokens_of(client)) == 70_500_000
    nothing = market.escrow(client, "withdraw", "alice", "--claim")
    assert (nothing.code, nothing.err) == (
        1, "mu: no withdrawal was asked for: `mu escrow withdraw alice AMOUNT` asks for one\n",
    )  # fmt: skip


def test_what_live_stacks_lock(local_chain: LocalChain):
    admin = local_chain.initialize()
    market = Market(local_chain, admin, local_chain.provider(admin), admin)
    client = market.prepaid("locked", 15)
    market.deploy(client)
    asked = market.escrow(client, "withdraw", "alice", "all")
    assert (
        "available   0 for stacks: what is asked for no longer counts towards the minimum, and live ones lock 10\n"
        "            that is less than is locked: nothing can be deployed or updated, and nodes may suspend what is "
        "live\n"
        "locked      live stacks keep 10, so that no more than 5 would be paid" in asked.out
    )
    with pytest.raises(EscrowTooLow):
        market.deploy(client, 2)
    shown = market.escrow(client, "show", "alice").out
    assert "available   0 for stacks, without what was asked for\n" in shown
    assert "that is less than is locked: nothing can be deployed" in shown
    assert "the provider may delete" not in shown
    document = market.escrow(client, "show", "alice", "--json").json
    assert (document["balance"], document["available_for_stacks"]) == ("15", "0")
    local_chain.wait(NOTICE_SECONDS)
    claimed = market.escrow(client, "withdraw", "alice", "--claim")
    assert "left out    10 of what was asked for was spent or is locked" in claimed.out
    market.escrow(client, "withdraw", "alice", "10")
    local_chain.wait(NOTICE_SECONDS)
    locked = market.escrow(client, "withdraw", "alice", "--claim")
    assert (locked.code, locked.err.startswith("mu: live stacks lock all of the 10 tokens")) == (1, True)
    market.delete(client)
    local_chain.wait(NOTICE_SECONDS)
    paid = market.escrow(client, "withdraw", "alice", "--claim", "--json").json
    assert (paid["amount"], paid["balance"]) == ("10", "0")
    empty = market.escrow(client, "withdraw", "alice", "all")
    assert (empty.code, empty.err) == (1, "mu: the escrow with alice is empty\n")


def test_a_withdrawal_that_leaves_enough_for_stacks(market: Market):
    client = market.prepaid("leaves enough")
    market.deploy(client)
    asked = market.escrow(client, "withdraw", "alice", "40").out
    assert "available   10 for stacks: what is asked for no longer counts" in asked
    assert "less than is locked" not in asked
    market.deploy(client, 2)
    asked = market.escrow(client, "withdraw", "alice", "30", "--json").json
    assert asked["available_for_stacks"] == "20"
    shown = market.escrow(client, "show", "alice").out
    assert "available   20 for stacks, without what was asked for\n" in shown
    assert "less than is locked" not in shown
    free = market.prepaid("has no stacks")
    assert "available" not in market.escrow(free, "withdraw", "alice", "all").out


def test_taking_a_withdrawal_back(market: Market):
    client = market.prepaid("takes back")
    asked = market.escrow(client, "withdraw", "alice", "1", "--json").json
    assert (asked["amount"], asked["claimable_from"]) == ("1", market.account(client).withdrawal_from)
    assert "withdrawal of 1 tokens taken back" in market.escrow(client, "withdraw", "alice", "--cancel").out
    assert market.account(client).withdrawal == 0
    assert "no withdrawal was asked for" in market.escrow(client, "withdraw", "alice", "--cancel").err


def test_a_withdrawal_written_badly(market: Market):
    client = market.prepaid("writes badly")
    for options, sentence in [
        ((), "give either an AMOUNT to ask for, or --claim, or --cancel"),
        (("1", "--claim"), "give either"),
        (("--claim", "--cancel"), "give either"),
        (("0",), "must be more than 0; --cancel"),
        (("All",), "'All' is not an amount"),
    ]:
        done = market.escrow(client, "withdraw", "alice", *options)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("mu: AMOUNT: ")
        assert sentence in done.err


def test_a_withdrawal_of_more_than_there_is(market: Market):
    client = market.prepaid("wants more")
    done = market.escrow(client, "withdraw", "alice", "51")
    assert (done.code, done.err) == (1, "mu: 51 is more than the escrow with alice holds, which is 50\n")


def test_no_keypair(market: Market):
    done = market.chain.mu("escrow", "show", "--keypair", market.chain.folder / "none.json")
    assert done.code == 2
    assert "none.json: there is no keypair; create one" in done.err
