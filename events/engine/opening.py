"""Opens a cluster's engine by what a person has set."""

from contract.errors import InvalidInput
from events.engine import Engine

MAX_ENDPOINTS = 16
_LARGEST_PORT = 65535


def parse_endpoints(text: str, field: str) -> list[str]:
    """The placement drivers in `HOST:PORT[,HOST:PORT...]`. Raises `InvalidInput`."""
    endpoints = [endpoint.strip() for endpoint in text.split(",")]
    if len(endpoints) > MAX_ENDPOINTS:
        raise InvalidInput(field, f"names up to {MAX_ENDPOINTS} placement drivers, this one {len(endpoints)}")
    for endpoint in endpoints:
        host, _, port = endpoint.rpartition(":")
        # `int` takes signs, spaces and other scripts' digits too
        number = (
            int(port) if port.isascii() and port.isdigit() and len(port) <= len(str(_LARGEST_PORT)) else 0
        )
        if not host or "/" in host or not 0 < number <= _LARGEST_PORT:
            raise InvalidInput(field, f"is HOST:PORT[,HOST:PORT...] of placement drivers, not {endpoint!r}")
    return endpoints


def open_tikv(endpoints: list[str], prefix: str, prefix_field: str) -> Engine:
    """The engine on the cluster of these placement drivers, under a prefix of its own.

    Raises `Unavailable`, and `InvalidInput` for a prefix that does not fit, and where TiKV's client is not installed.
    """
    try:
        encoded = prefix.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(prefix_field, f"is not text: {error}") from error
    try:
        # its library is there for some platforms only
        from events.engine.tikv import TikvEngine
    except ImportError as error:
        raise InvalidInput("tikv-client", f"is needed for TiKV: {error}") from error
    try:
        return TikvEngine.open(endpoints, encoded)
    except InvalidInput as error:
        raise InvalidInput(prefix_field, error.problem) from error
