"""What a region costs and what a stack used: the structs that accounts, events and instructions share.

Amounts are base units of the Marketplace's mint; all numbers are u64 unless said otherwise.
"""

from typing import Final

import msgspec


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of a region, in base units of the mint; what is left out is free."""

    tera_megabyte_instruction: int = 0
    """Of 10^12 megabyte-instructions."""
    database_gigabyte_month: int = 0
    """Of 10^9 bytes in tables for 30 days."""
    database_million_reads: int = 0
    database_million_writes: int = 0
    storage_gigabyte_month: int = 0
    """Of 10^9 bytes in boxes for 30 days."""
    storage_gigabyte_read: int = 0
    storage_gigabyte_written: int = 0
    gateway_million_requests: int = 0
    gateway_gigabyte: int = 0
    """Of 10^9 bytes of requests and answers."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a stack used, in the units that are metered; what is left out was not used."""

    megabyte_instructions: int = 0
    """Instructions times megabytes of memory."""
    database_byte_seconds: int = 0
    database_reads: int = 0
    database_writes: int = 0
    """An atomic write counts twice."""
    storage_byte_seconds: int = 0
    storage_bytes_read: int = 0
    storage_bytes_written: int = 0
    gateway_requests: int = 0
    gateway_bytes: int = 0
    """Bytes of requests and answers."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a region costs, and its limits."""

    minimum_escrow: int
    """What a client with live stacks must keep in escrow, in base units of the mint."""
    max_instructions_per_call: int
    """The most instructions that one call of a function may take, from 1."""
    notice_seconds: int
    """How long before a change of terms it is announced (u32)."""
    prices: Prices


NO_TERMS: Final = Terms(minimum_escrow=0, max_instructions_per_call=0, notice_seconds=0, prices=Prices())
"""What stands in a Region where no terms are to come."""


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's live stacks in one region keep in escrow; all zeros in an empty place."""

    region_number: int
    """u32."""
    stack_count: int
    """How many live stacks the client has in the region (u32); 0 tells an empty place."""
    minimum: int
    """The region's minimum when the last of them was deployed or updated, in base units of the mint."""


NO_LOCK: Final = Lock(region_number=0, stack_count=0, minimum=0)
MAX_LOCKS: Final = 8
"""How many regions of a provider a client can have live stacks in."""
