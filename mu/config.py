"""Every limit that can be set, named with its unit; the one place where defaults stand."""

import msgspec

from events.chain.follower import FollowerLimits
from mu.checkpointer import CheckpointLimits
from mu.peers.hints import HintLimits
from projections.runner import RunnerLimits

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one HTTP/1.1 connection may ask of a server (the gateway's and the local chain's)."""

    max_target_bytes: int = 8 * KIBIBYTE
    max_header_bytes: int = 32 * KIBIBYTE
    max_header_count: int = 100
    max_body_bytes: int = 6 * MEBIBYTE
    max_connections: int = 4096
    max_requests_per_connection: int = 100_000
    idle_timeout_seconds: float = 60.0
    header_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 30.0
    write_timeout_seconds: float = 30.0


class RuntimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of a function may use."""

    max_instructions_per_call: int = 5_000_000_000
    max_memory_bytes: int = 512 * MEBIBYTE
    max_seconds_per_call: float = 10.0
    max_output_bytes: int = 6 * MEBIBYTE
    max_log_bytes_per_call: int = 64 * KIBIBYTE
    max_wasm_stack_bytes: int = 512 * KIBIBYTE
    max_binary_bytes: int = 64 * MEBIBYTE
    max_queued_calls: int = 1024
    worker_threads: int = 2
    epoch_tick_seconds: float = 0.01


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


class ChainLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How a node finds out, within five seconds, that a subscription is dead."""

    connect_seconds: float = 4.0
    ping_seconds: float = 2.5
    pong_seconds: float = 2.0


class NodeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a node limits."""

    http: HttpLimits = HttpLimits()
    runtime: RuntimeLimits = RuntimeLimits()
    chain: ChainLimits = ChainLimits()
    follower: FollowerLimits = FollowerLimits()
    projections: RunnerLimits = RunnerLimits()
    checkpoints: CheckpointLimits = CheckpointLimits()
    hints: HintLimits = HintLimits()
    leave_seconds: float = 5.0
