"""Sends each subscription its notifications, in order, when a slot reaches its commitment."""

from itertools import count
from typing import Any, Protocol

import msgspec

from mu.localnet.commitment import Commitment
from mu.localnet.jsonrpc import INVALID_PARAMS, RpcError
from mu.localnet.ledger import Ledger, SlotChanges
from mu.localnet.subscriptions import (
    SignatureSubscription,
    SlotSubscription,
    Subscription,
    signature_result,
)


class Outlet(Protocol):
    """Where a subscriber's messages go; neither blocks nor raises."""

    def deliver(self, message: bytes) -> None: ...


class Hub:
    """Every subscription of every connection; listens to the ledger."""

    def __init__(self, ledger: Ledger, max_subscriptions_per_connection: int) -> None:
        self._ledger = ledger
        self._max_per_connection = max_subscriptions_per_connection
        self._identifiers = count()
        self._subscriptions: dict[int, tuple[Outlet, Subscription]] = {}

    def subscribe(self, outlet: Outlet, subscription: Subscription) -> int:
        """Add a subscription; returns its identifier. Raises RpcError above the limit."""
        if sum(owner is outlet for owner, _ in self._subscriptions.values()) >= self._max_per_connection:
            raise RpcError(INVALID_PARAMS, f"Too many subscriptions; max {self._max_per_connection}")
        identifier = next(self._identifiers)
        self._subscriptions[identifier] = (outlet, subscription)
        return identifier

    def announce(self, identifier: int) -> None:
        """Tell a new signature subscription what has happened already; to be called once it is acknowledged."""
        _, subscription = self._subscriptions.get(identifier, (None, None))
        if isinstance(subscription, SignatureSubscription):
            record = self._ledger.transaction(subscription.signature, subscription.commitment)
            if record is not None:
                self._send(identifier, signature_result(record.slot, record))

    def unsubscribe(self, outlet: Outlet, kind: str, identifier: int) -> None:
        """Remove a subscription. Raises RpcError if this connection has none of that kind and number."""
        owner, subscription = self._subscriptions.get(identifier, (None, None))
        if owner is not outlet or subscription is None or subscription.kind != kind:
            raise RpcError(INVALID_PARAMS, "Invalid subscription id.")
        del self._subscriptions[identifier]

    def forget(self, outlet: Outlet) -> None:
        """Remove every subscription of a connection that has ended."""
        gone = [identifier for identifier, (owner, _) in self._subscriptions.items() if owner is outlet]
        for identifier in gone:
            del self._subscriptions[identifier]

    def transaction_executed(self, changes: SlotChanges) -> None:
        """Notify the processed subscriptions of one transaction."""
        self._notify(Commitment.PROCESSED, changes)

    def slot_advanced(self, slot: int) -> None:
        """Notify of the slot, and of the slots that are confirmed and finalized by it."""
        root = Commitment.FINALIZED.slot(slot)
        for identifier, (_, subscription) in list(self._subscriptions.items()):
            if isinstance(subscription, SlotSubscription):
                self._send(identifier, {"slot": slot, "parent": slot - 1, "root": root})
        for level in (Commitment.CONFIRMED, Commitment.FINALIZED):
            changes = self._ledger.changes(slot - level.lag_slots)
            if changes is not None:
                self._notify(level, changes)

    def _notify(self, level: Commitment, changes: SlotChanges) -> None:
        for identifier, (_, subscription) in list(self._subscriptions.items()):
            if subscription.commitment is level:
                for result in subscription.results(changes):
                    self._send(identifier, result)

    def _send(self, identifier: int, result: Any) -> None:
        outlet, subscription = self._subscriptions[identifier]
        message = {
            "jsonrpc": "2.0",
            "method": f"{subscription.kind}Notification",
            "params": {"result": result, "subscription": identifier},
        }
        if isinstance(subscription, SignatureSubscription):
            del self._subscriptions[identifier]
        outlet.deliver(msgspec.json.encode(message))
