"""What the engine on TiKV allows itself and its callers."""

import msgspec


class TikvLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Deadlines and sizes; the defaults follow from what the client library and a store can do."""

    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    """A read waits this long for a dead writer's lock, which holds for 3 seconds (of a large commit, up to 20)."""
    commit_seconds: float = 8.0
    """Less than the 10 seconds after which the library begins to prolong a commit's locks."""
    resolve_seconds: float = 5.0
    """How long, beyond the life of its locks, the outcome of a commit that was not answered is looked for."""
    max_bytes_per_transaction: int = 16 * 1024 * 1024
    max_page_bytes: int = 2 * 1024 * 1024
    """What a response is meant to have; one above 4 MiB fails, after 1.8 seconds of vain attempts."""
    max_page_keys: int = 512
