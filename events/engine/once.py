"""Writes a key that only the first of several writers may set."""

from events.engine import Conflict, Engine, KeyExists, OutcomeUnknown

MAX_ATTEMPTS = 16


def insert_once(engine: Engine, key: bytes, value: bytes) -> bytes | None:
    """The value at `key`, which is this one unless another was faster; None where the engine did not say in so many
    attempts. Raises what else the engine raises.
    """
    for _ in range(MAX_ATTEMPTS):
        with engine.begin() as transaction:
            present = transaction.get(key)
            if present is not None:
                return present
            try:
                transaction.insert(key, value)
                transaction.commit()
            except (Conflict, KeyExists, OutcomeUnknown):
                continue
            return value
    return None
