"""Every limit and setting of a node, named with its unit; the one place where defaults stand."""

import msgspec

from events.chain.follower import FollowerLimits
from projections.runner import RunnerLimits

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE
GIBIBYTE = 1024 * MEBIBYTE


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


class ChainLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a node waits for its RPC node, and how it finds out that a subscription is dead."""

    rpc_timeout_seconds: float = 20.0
    connect_seconds: float = 10.0
    ping_seconds: float = 5.0
    pong_seconds: float = 5.0


class NodeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a node limits."""

    http: HttpLimits = HttpLimits()
    runtime: RuntimeLimits = RuntimeLimits()
    chain: ChainLimits = ChainLimits()
    follower: FollowerLimits = FollowerLimits()
    projections: RunnerLimits = RunnerLimits()
    leave_seconds: float = 5.0
