"""Events as a recorder takes them, and what an engine holds of them."""

from eventsourcing.persistence import StoredEvent


def stored(stream, version, state=b"state", topic="topic"):
    return StoredEvent(stream, version, topic, state)


def contents(engine):
    with engine.snapshot() as snapshot:
        return list(snapshot.scan(b"", None))
