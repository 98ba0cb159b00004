"""Whose log it is: a region claims the place where its log is kept, so that no other region's events come into it."""

from contract.errors import InvalidInput
from events.engine import Engine, Unavailable
from events.engine.once import insert_once
from events.export import region_of
from events.recorder import EngineProcessRecorder

REGION_KEY = b"region"
"""Its value is the region's account, as base58 text."""


def claim(engine: Engine, region: str) -> None:
    """Make the log in `engine` that of the region with this account (base58), if it is nobody's yet.

    Any number of nodes may do so at once, of one region or of several. Raises `InvalidInput` where it is another's, and
    what the engine raises.
    """
    owner = claimed_by(engine)
    if not owner:
        present = insert_once(engine, REGION_KEY, region.encode())
        if present is None:
            raise Unavailable("the log's engine did not say whose it is")
        owner = _text(present)
    if owner != region:
        raise InvalidInput(
            "folder",
            f"its log is of the region {owner}, not of {region}; "
            "look into it with `mu events --folder`, and run the region in another folder, with a log of its own",
        )


def claimed_by(engine: Engine) -> str:
    """Whose log it is, or by its events must be; empty for a log that nobody has claimed or written to."""
    with engine.snapshot() as snapshot:
        data = snapshot.get(REGION_KEY)
    return region_of(EngineProcessRecorder(engine)) if data is None else _text(data)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
