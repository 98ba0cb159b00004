"""How results are shown: a title, then aligned lines with the ratio to the peer."""


def title(text: str) -> None:
    """Begin a benchmark."""
    print(f"\n{text}", flush=True)


def rate(label: str, per_second: float, unit: str, peer: float | None = None) -> None:
    """A rate, and how many times the peer's it is."""
    ratio = "" if peer is None else f"   {per_second / peer:.2f} x"
    print(f"  {label:<44} {per_second:>12,.0f} {unit}/s{ratio}", flush=True)


def line(label: str, text: str) -> None:
    """Any other result."""
    print(f"  {label:<44} {text:>12}", flush=True)
