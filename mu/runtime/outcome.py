"""How a call can end, one frozen struct a way, each with what the call used."""

import msgspec

from mu.runtime.protocol import FunctionResponse

_MEBIBYTE = 1024 * 1024


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What every outcome says: the instructions executed (fuel) and the most memory allocated, in bytes.

    Linear memory never shrinks, so its size at the end is its peak. Fuel is a count of WebAssembly
    instructions as Wasmtime weighs them; it is the same on every machine for one Wasmtime version and one set
    of settings (`mu.runtime.module.SETTINGS`), as long as the function ends by itself.
    """

    fuel_used: int
    memory_bytes: int

    @property
    def megabyte_instructions(self) -> int:
        """The billed quantity: `fuel_used * ceil(memory_bytes / 2**20)`, in whole numbers."""
        return self.fuel_used * -(-self.memory_bytes // _MEBIBYTE)


class Finished(Ended, frozen=True, kw_only=True):
    """The function wrote its result and returned, or left with exit code 0."""

    response: FunctionResponse


class Failed(Ended, frozen=True, kw_only=True):
    """The function wrote a `FatalError`, whose text this is, and ended within its limits."""

    error: str


class Trapped(Ended, frozen=True, kw_only=True):
    """The function did what WebAssembly forbids, overflowed its stack, gave up, or left with a bad exit
    code."""

    reason: str


class OutOfFuel(Ended, frozen=True, kw_only=True):
    """The function executed as many instructions as a call may."""


class OutOfTime(Ended, frozen=True, kw_only=True):
    """The function ran for as long as a call may."""


class OutOfMemory(Ended, frozen=True, kw_only=True):
    """The function needs more memory than its limit to start, or gave up for want of memory.

    The second is an inference: Wasmtime refuses growth inside the guest, and does not tell the host. See
    `mu.runtime.instance` for the rule.
    """


class Garbage(Ended, frozen=True, kw_only=True):
    """Stdout is not the protocol: bad bytes, bytes after the result, or an incomplete message at the end."""

    reason: str


class Silent(Ended, frozen=True, kw_only=True):
    """The function returned, or left with exit code 0, without a result."""


class OutputTooLarge(Ended, frozen=True, kw_only=True):
    """The function wrote more bytes to stdout than a call may."""


Outcome = (
    Finished | Failed | Trapped | OutOfFuel | OutOfTime | OutOfMemory | Garbage | Silent | OutputTooLarge
)
