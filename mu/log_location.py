"""Where a region's log is kept: in a folder (LMDB), or on a TiKV cluster that the region's nodes share.

A location is a folder's path, or `tikv://HOST:PORT[,HOST:PORT...]/PREFIX` with the cluster's placement drivers and the
prefix that keeps the region apart from what else the cluster has.
"""

from pathlib import Path

from events.engine import Engine
from events.engine.lmdb import LmdbEngine
from events.engine.opening import open_tikv, parse_endpoints

TIKV_SCHEME = "tikv://"


def is_on_tikv(location: str) -> bool:
    """Whether it is a location on TiKV."""
    return location.startswith(TIKV_SCHEME)


def split_tikv(location: str) -> tuple[str, str]:
    """The placement drivers and the prefix in a location on TiKV."""
    endpoints, _, prefix = location.removeprefix(TIKV_SCHEME).partition("/")
    return endpoints, prefix


def open_engine(location: str, field: str) -> Engine:
    """The engine at a location. Raises `InvalidInput` that names `field`, and `Unavailable` for a cluster that is not
    there.
    """
    if not is_on_tikv(location):
        return LmdbEngine(Path(location))
    endpoints, prefix = split_tikv(location)
    return open_tikv(parse_endpoints(endpoints, field), prefix, field)
