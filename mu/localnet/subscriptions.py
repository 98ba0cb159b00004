"""What can be subscribed to, and which notifications a slot's changes give each subscription."""

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
from solders.account import Account
from solders.pubkey import Pubkey
from solders.signature import Signature

from mu.config import RpcLimits
from mu.localnet.commitment import Commitment
from mu.localnet.encoding import account_json
from mu.localnet.filters import AccountFilter, account_filter
from mu.localnet.history import TransactionRecord
from mu.localnet.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from mu.localnet.ledger import SlotChanges
from mu.localnet.params import (
    AccountConfig,
    ContextConfig,
    ProgramAccountsConfig,
    check_count,
    config,
    convert,
    pubkey,
    signature,
)

_GONE = Account(0, b"", Pubkey.default())


class Subscription(Protocol):
    """One subscription; `results` are those of its notifications, in order."""

    @property
    def commitment(self) -> Commitment: ...

    @property
    def kind(self) -> str:
        """`logs` for `logsSubscribe`, `logsNotification` and `logsUnsubscribe`, and so on."""
        ...

    def results(self, changes: SlotChanges) -> Iterator[Any]: ...


class LogsSubscription(msgspec.Struct, frozen=True):
    """The logs of every transaction, or of those that name one address."""

    commitment: Commitment
    mentions: Pubkey | None
    kind: str = "logs"

    def results(self, changes: SlotChanges) -> Iterator[Any]:
        for record in changes.records:
            if self.mentions is None or self.mentions in record.account_keys:
                value = {
                    "signature": str(record.signature),
                    "err": record.outcome.error,
                    "logs": record.outcome.logs,
                }
                yield _with_slot(changes.slot, value)


class AccountSubscription(msgspec.Struct, frozen=True):
    """One account; an account that is gone has no lamports."""

    address: Pubkey
    wanted: AccountConfig
    limits: RpcLimits
    kind: str = "account"

    @property
    def commitment(self) -> Commitment:
        return self.wanted.level

    def results(self, changes: SlotChanges) -> Iterator[Any]:
        if self.address in changes.accounts:
            account = changes.accounts[self.address] or _GONE
            yield _with_slot(changes.slot, _account_value(account, self.wanted, self.limits))


class ProgramSubscription(msgspec.Struct, frozen=True):
    """The accounts that a program owns and that pass the filters."""

    owner: Pubkey
    wanted: ProgramAccountsConfig
    matches: AccountFilter
    limits: RpcLimits
    kind: str = "program"

    @property
    def commitment(self) -> Commitment:
        return self.wanted.level

    def results(self, changes: SlotChanges) -> Iterator[Any]:
        for address, account in changes.accounts.items():
            if account is not None and account.owner == self.owner and self.matches(account):
                value = {
                    "pubkey": str(address),
                    "account": _account_value(account, self.wanted, self.limits),
                }
                yield _with_slot(changes.slot, value)


class SignatureSubscription(msgspec.Struct, frozen=True):
    """One transaction; over after its one notification."""

    commitment: Commitment
    signature: Signature
    kind: str = "signature"

    def results(self, changes: SlotChanges) -> Iterator[Any]:
        for record in changes.records:
            if record.signature == self.signature:
                yield signature_result(changes.slot, record)


class SlotSubscription(msgspec.Struct, frozen=True):
    """Every new slot."""

    commitment: Commitment = Commitment.PROCESSED
    kind: str = "slot"

    def results(self, changes: SlotChanges) -> Iterator[Any]:
        return iter(())


def signature_result(slot: int, record: TransactionRecord) -> dict[str, Any]:
    """What a signature subscription is told, once."""
    return _with_slot(slot, {"err": record.outcome.error})


def parse_subscription(method: str, params: list[Any], limits: RpcLimits) -> Subscription:
    """Read a call of `...Subscribe`. Raises RpcError."""
    if method == "slotSubscribe":
        check_count(params, 0, 0)
        return SlotSubscription()
    if method not in ("logsSubscribe", "accountSubscribe", "programSubscribe", "signatureSubscribe"):
        raise RpcError(METHOD_NOT_FOUND, "Method not found")
    check_count(params, 1, 2)
    if method == "logsSubscribe":
        return LogsSubscription(config(params, 1, ContextConfig).level, _mentions(params[0]))
    if method == "accountSubscribe":
        return AccountSubscription(pubkey(params[0]), config(params, 1, AccountConfig), limits)
    if method == "programSubscribe":
        wanted = config(params, 1, ProgramAccountsConfig)
        return ProgramSubscription(pubkey(params[0]), wanted, account_filter(wanted.filters, limits), limits)
    return SignatureSubscription(config(params, 1, ContextConfig).level, signature(params[0]))


class _Mentions(msgspec.Struct, frozen=True):
    mentions: list[str]


def _mentions(value: Any) -> Pubkey | None:
    if isinstance(value, str):
        if value not in ("all", "allWithVotes"):
            message = (
                f"Invalid params: unknown variant `{value}`, expected `all`, `allWithVotes` or `mentions`."
            )
            raise RpcError(INVALID_PARAMS, message)
        return None
    mentions = convert(value, _Mentions).mentions
    if len(mentions) != 1:
        raise RpcError(INVALID_PARAMS, "Invalid Request: Only 1 address supported")
    return pubkey(mentions[0])


def _with_slot(slot: int, value: Any) -> dict[str, Any]:
    return {"context": {"slot": slot}, "value": value}


def _account_value(account: Account, wanted: AccountConfig, limits: RpcLimits) -> dict[str, Any]:
    try:
        return account_json(account, wanted, "base64", limits)
    except RpcError:
        # There is nobody to refuse: data that has grown beyond base58 comes as base64, and says so.
        return account_json(account, msgspec.structs.replace(wanted, encoding="base64"), "base64", limits)
