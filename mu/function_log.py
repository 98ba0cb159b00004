"""A line that a function logged, with where it came from."""

import msgspec

from mu.runtime.protocol import Log


class FunctionLog(msgspec.Struct, frozen=True):
    """A log line of one call: the stack's address, the function as `service.function`, and the request's id."""

    stack: str
    function: str
    request_id: str
    log: Log
