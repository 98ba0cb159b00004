"""Notifications: which, in which order, at which commitment."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from solders.rpc.responses import parse_websocket_message

from mu.config import RpcLimits
from mu.localnet.hub import Hub
from mu.localnet.jsonrpc import RpcError
from mu.localnet.subscriptions import parse_subscription
from tests.mu.localnet.conftest import Chain, address, keypair

SOL = 10**9
SYSTEM = "1" * 32


class Inbox:
    """Keeps what was delivered; every message must be one that solders reads."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def deliver(self, message: bytes) -> None:
        parse_websocket_message(message.decode())
        self.messages.append(json.loads(message))

    def taken(self) -> list[Any]:
        results = [(one["method"], one["params"]["result"]) for one in self.messages]
        self.messages.clear()
        return results


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def hub(chain: Chain) -> Hub:
    hub = Hub(chain.ledger, 5)
    chain.ledger.listeners.append(hub)
    chain.advance(40)
    return hub


@pytest.fixture
def subscribe(hub: Hub, inbox: Inbox) -> Callable[..., int]:
    def subscribe(method: str, *params: object) -> int:
        identifier = hub.subscribe(inbox, parse_subscription(method, list(params), RpcLimits()))
        hub.announce(identifier)
        return identifier

    return subscribe


@pytest.mark.parametrize(("level", "lag"), [("processed", 0), ("confirmed", 1), ("finalized", 32)])
def test_logs_come_once_and_in_order_when_their_slot_gets_there(chain, subscribe, inbox, level, lag) -> None:
    subscribe("logsSubscribe", "all", {"commitment": level})
    sent = []
    for index in range(6):
        sent.append(
            (chain.ledger.slot, str(chain.ledger.transact(chain.transfer(address(1), SOL + index)).signature))
        )
        if index % 2:
            chain.advance()
    arrived: list[tuple[int, str]] = []
    for _ in range(36):
        for _, result in inbox.taken():
            arrived.append((result["context"]["slot"], result["value"]["signature"]))
            assert chain.ledger.slot - result["context"]["slot"] >= lag
        chain.advance()
    assert arrived == sent


def test_logs_of_one_address_only(chain, subscribe, inbox) -> None:
    subscribe("logsSubscribe", {"mentions": [str(address(1))]}, {"commitment": "processed"})
    chain.ledger.transact(chain.transfer(address(2), SOL))
    failing = chain.ledger.transact(chain.transfer(address(1), 10**18))
    [(method, result)] = inbox.taken()
    assert method == "logsNotification"
    assert result["value"]["signature"] == str(failing.signature)
    assert result["value"]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert result["value"]["logs"] == list(failing.outcome.logs)


def test_a_signature_is_told_once_even_if_it_is_there_already(chain, hub, subscribe, inbox) -> None:
    early = chain.ledger.transact(chain.transfer(address(1), SOL))
    subscribe("signatureSubscribe", str(early.signature), {"commitment": "processed"})
    assert inbox.taken() == [("signatureNotification", {"context": {"slot": 40}, "value": {"err": None}})]
    late = chain.transfer(address(1), 2 * SOL)
    identifier = subscribe("signatureSubscribe", str(late.signatures[0]), {"commitment": "confirmed"})
    chain.ledger.transact(late)
    assert inbox.taken() == []
    chain.advance(2)
    assert len(inbox.taken()) == 1
    with pytest.raises(RpcError):
        hub.unsubscribe(inbox, "signature", identifier)


def test_an_account_at_processed_and_at_confirmed(chain, subscribe, inbox) -> None:
    subscribe("accountSubscribe", str(address(1)), {"commitment": "processed"})
    subscribe("accountSubscribe", str(address(1)), {"commitment": "confirmed", "encoding": "base58"})
    for _ in range(2):
        chain.ledger.transact(chain.transfer(address(1), SOL + chain.ledger.transaction_count))
    assert [result["value"]["lamports"] for _, result in inbox.taken()] == [SOL, 2 * SOL + 1]
    chain.advance()
    [(_, confirmed)] = inbox.taken()
    assert confirmed["value"]["lamports"] == 2 * SOL + 1
    assert confirmed["value"]["data"] == ["", "base58"]


def test_an_account_that_is_gone_has_no_lamports(chain, subscribe, inbox) -> None:
    chain.ledger.transact(chain.transfer(address(1), SOL))
    subscribe("accountSubscribe", str(address(1)), {"commitment": "processed"})
    chain.ledger.transact(chain.transfer(address(2), SOL - 5_000, payer=keypair(1)))
    assert [result["value"]["lamports"] for _, result in inbox.taken()] == [0]


def test_accounts_of_a_program_that_pass_the_filters(chain, subscribe, inbox) -> None:
    subscribe("programSubscribe", SYSTEM, {"commitment": "processed", "filters": [{"dataSize": 0}]})
    subscribe("programSubscribe", SYSTEM, {"commitment": "processed", "filters": [{"dataSize": 1}]})
    chain.ledger.transact(chain.transfer(address(1), SOL))
    told = {result["value"]["pubkey"] for _, result in inbox.taken()}
    assert told == {str(address(1)), str(chain.ledger.faucet.pubkey())}


def test_slots(chain, subscribe, inbox) -> None:
    subscribe("slotSubscribe")
    chain.advance(2)
    assert inbox.taken() == [
        ("slotNotification", {"slot": 41, "parent": 40, "root": 9}),
        ("slotNotification", {"slot": 42, "parent": 41, "root": 10}),
    ]


def test_unsubscribed_and_forgotten_subscriptions_are_silent(chain, hub, subscribe, inbox) -> None:
    identifier = subscribe("slotSubscribe")
    for other, kind, number in [
        (Inbox(), "slot", identifier),
        (inbox, "logs", identifier),
        (inbox, "slot", 99),
    ]:
        with pytest.raises(RpcError, match="Invalid subscription id"):
            hub.unsubscribe(other, kind, number)
    hub.unsubscribe(inbox, "slot", identifier)
    subscribe("slotSubscribe")
    hub.forget(inbox)
    chain.advance()
    assert inbox.taken() == []


def test_a_connection_has_so_many_subscriptions(subscribe) -> None:
    for _ in range(5):
        subscribe("slotSubscribe")
    with pytest.raises(RpcError, match="max 5"):
        subscribe("slotSubscribe")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getSlot", []),
        ("voteSubscribe", []),
        ("slotSubscribe", [1]),
        ("logsSubscribe", []),
        ("logsSubscribe", ["bad"]),
        ("logsSubscribe", [{}]),
        ("logsSubscribe", [{"mentions": []}]),
        ("logsSubscribe", [{"mentions": ["zz"]}]),
        ("logsSubscribe", [{"mentions": [SYSTEM, SYSTEM]}]),
        ("logsSubscribe", ["all", {"commitment": "bad"}]),
        ("accountSubscribe", ["zz"]),
        ("accountSubscribe", [SYSTEM, {"encoding": "bad"}]),
        ("programSubscribe", [SYSTEM, {"filters": [{"dataSize": 1}] * 5}]),
        ("signatureSubscribe", ["x"]),
        ("signatureSubscribe", [SYSTEM, {}, 3]),
    ],
)
def test_subscriptions_that_are_refused(method: str, params: list[object]) -> None:
    with pytest.raises(RpcError) as caught:
        parse_subscription(method, params, RpcLimits())
    assert caught.value.code in (-32601, -32602)
