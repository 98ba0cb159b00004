"""Runs the benchmarks named on the command line, or all."""

import os
import sys
from collections.abc import Callable

from benchmarks import chain_to_route, log_append, log_follow, log_replay, requests, time_travel

BENCHMARKS: dict[str, Callable[[], None]] = {
    "requests": requests.run,
    "append": log_append.run,
    "follow": log_follow.run,
    "replay": log_replay.run,
    "past": time_travel.run,
    "chain": chain_to_route.run,
}


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark is named {unknown[0]!r}; these are: {', '.join(BENCHMARKS)}")
    print(
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before; median, ratio, lowest to highest"
    )
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
