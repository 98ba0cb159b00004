"""How results are shown: a title, then aligned lines with a median, its ratio to the peer's, and the rounds' spread."""

import statistics
from collections.abc import Sequence


def title(text: str) -> None:
    """Begin a benchmark."""
    print(f"\n{text}", flush=True)


def rate(label: str, per_second: Sequence[float], unit: str, peer: Sequence[float] | None = None) -> None:
    """The median of a rate over all rounds, how many times the peer's median it is, and the lowest and highest."""
    median = statistics.median(per_second)
    ratio = "" if peer is None else f"{median / statistics.median(peer):.2f} x"
    spread = f"{min(per_second):,.0f} to {max(per_second):,.0f}"
    print(f"  {label:<44} {median:>10,.0f} {unit + '/s':<11} {ratio:>7}   {spread}", flush=True)


def line(label: str, text: str) -> None:
    """Any other result."""
    print(f"  {label:<44} {text}", flush=True)
