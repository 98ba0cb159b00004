"""Limits and pace of the local chain."""

import msgspec

from mu.config import HttpLimits

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


class LedgerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger keeps in memory; the journal keeps every transaction."""

    max_transactions_in_history: int = 100_000
    max_block_times: int = 4_096
    slots_per_reservation: int = 64
    """A crash makes the slot jump ahead by at most this many; each reservation is one durable write."""


class RpcLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one JSON-RPC request may ask for; the counts are those of a real node."""

    max_calls_per_batch: int = 100
    max_accounts_per_call: int = 100
    max_statuses_per_call: int = 256
    max_signatures_per_page: int = 1_000
    max_filters: int = 4
    max_memcmp_bytes: int = 128
    max_base58_data_bytes: int = 128
    max_program_accounts: int = 10_000
    max_account_data_bytes: int = 10 * MEBIBYTE


class PubsubLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one websocket may ask for, and how long a silent one is kept."""

    max_connections: int = 256
    max_message_bytes: int = 64 * KIBIBYTE
    max_subscriptions_per_connection: int = 128
    max_queued_messages: int = 4_096
    handshake_timeout_seconds: float = 10.0
    ping_interval_seconds: float = 20.0
    write_timeout_seconds: float = 30.0


class LocalnetLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the local chain's two ports allow."""

    http: HttpLimits = HttpLimits()
    rpc: RpcLimits = RpcLimits()
    pubsub: PubsubLimits = PubsubLimits()
