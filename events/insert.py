"""What one writer wants to append, in the bytes that a log keeps: made ready before it waits for a commit."""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.persistence import StoredEvent, Tracking

from contract.errors import DecodeError
from events.engine import MAX_KEYS_PER_TRANSACTION, MAX_VALUE_BYTES
from events.log_keys import NUMBER, decode_number, stream_key
from events.record import HASH_BYTES, MAX_STREAM_ID_BYTES, InvalidRecord, check_version, encode_body

MAX_EVENTS_PER_BATCH = 1000
MAX_TRACKING_NAME_BYTES = MAX_STREAM_ID_BYTES
MAX_TRACKING_POSITION = 2**64 - 1

KEYS_PER_EVENT = 2
"""The record's, and that of its place in its stream."""

MAX_KEYS_PER_COMMIT = MAX_KEYS_PER_TRANSACTION - 1
"""What inserts that are committed together may write: the log's head is written too."""

MAX_BYTES_PER_COMMIT = 2 * 1024 * 1024
"""A cluster takes half a second for so many. An insert that has more goes by itself."""

_MAX_BODY_BYTES = MAX_VALUE_BYTES - HASH_BYTES
_UUID_URN = "urn:uuid:"


class Insert:
    """Events that are appended all or none, perhaps with a tracking position, and what came of them.

    `places` are the events' keys after `LogKeys.streams`, `bodies` their records' bytes after the previous hash. Where
    `after` is given, that place must be taken already. `keys` and `size_bytes` are what it makes a transaction write.
    """

    __slots__ = ("after", "bodies", "error", "keys", "places", "positions", "size_bytes", "tracking")

    def __init__(
        self,
        places: Sequence[bytes],
        bodies: Sequence[bytes],
        *,
        after: bytes | None = None,
        tracking: tuple[bytes, int] | None = None,
    ) -> None:
        if len(places) > MAX_EVENTS_PER_BATCH:
            raise InvalidRecord(f"a batch has up to {MAX_EVENTS_PER_BATCH} events, this one {len(places)}")
        self.places = places
        self.bodies = bodies
        self.after = after
        self.tracking = tracking
        self.keys = KEYS_PER_EVENT * len(places) + (tracking is not None)
        self.size_bytes = sum(map(len, bodies))
        self.positions: Sequence[int] = ()
        self.error: BaseException | None = None

    def result(self) -> list[int]:
        """The positions. Raises the error."""
        if self.error is not None:
            raise self.error
        return list(self.positions)


def insert_of_stream(stream: str, after: int, events: Sequence[tuple[str, bytes]]) -> Insert:
    """The insert of `events`, each a topic and a state, to `stream` after that version of it (0: it is new).

    Raises `InvalidRecord`.
    """
    check_version(after)
    key = stream_key(stream)
    encoded = key[:-1]
    places: list[bytes] = []
    bodies: list[bytes] = []
    for version, (topic, state) in enumerate(events, after + 1):
        bodies.append(_body(encoded, version, topic, state))
        places.append(key + NUMBER.pack(version))
    return Insert(places, bodies, after=key + NUMBER.pack(after) if after else None)


def insert_of_stored(stored_events: Sequence[StoredEvent], tracking: Tracking | None) -> Insert:
    """The insert of the eventsourcing library's events, of any streams. Raises `InvalidRecord`."""
    places: list[bytes] = []
    bodies: list[bytes] = []
    for stored in stored_events:
        key = originator_key(stored.originator_id)
        bodies.append(_body(key[:-1], stored.originator_version, stored.topic, stored.state))
        places.append(key + NUMBER.pack(stored.originator_version))
    return Insert(places, bodies, tracking=None if tracking is None else _tracked(tracking))


def tracking_name(name: str) -> bytes:
    """The bytes of a tracking name. Raises `InvalidRecord`."""
    try:
        data = name.encode()
    except UnicodeEncodeError as error:
        raise InvalidRecord(f"the tracking name is not text: {error}") from error
    if len(data) > MAX_TRACKING_NAME_BYTES:
        raise InvalidRecord(f"a tracking name has up to {MAX_TRACKING_NAME_BYTES} bytes")
    return data


def describe_place(place: bytes) -> str:
    """A place in a stream, in words."""
    stream, version = place[: -NUMBER.size - 1], place[-NUMBER.size :]
    return f"version {decode_number(version)} of {stream.decode()}"


def originator_key(originator_id: UUID | str) -> bytes:
    """What the places of an originator's stream begin with. Raises `InvalidRecord`.

    A UUID is written as its URN (RFC 9562, section 4), so that no string can be taken for one.
    """
    if isinstance(originator_id, UUID):
        return stream_key(originator_id.urn)
    if originator_id.startswith(_UUID_URN):
        raise InvalidRecord(f"the originator id {originator_id!r} is a UUID's: give the UUID itself")
    return stream_key(originator_id)


def read_originator_id(stream: str) -> UUID | str:
    """The originator whose stream that is. Raises `DecodeError`."""
    if not stream.startswith(_UUID_URN):
        return stream
    try:
        return UUID(stream[len(_UUID_URN) :])
    except ValueError as error:
        raise DecodeError(f"the stream id {stream!r} is not a UUID's") from error


def _body(stream: bytes, version: int, topic: str, state: bytes) -> bytes:
    body = encode_body(stream, version, topic, state)
    if len(body) > _MAX_BODY_BYTES:
        raise InvalidRecord(f"a record has up to {MAX_VALUE_BYTES} bytes, this one {HASH_BYTES + len(body)}")
    return body


def _tracked(tracking: Tracking) -> tuple[bytes, int]:
    if not 0 <= tracking.notification_id <= MAX_TRACKING_POSITION:
        raise InvalidRecord(f"a tracking position is between 0 and {MAX_TRACKING_POSITION}")
    return tracking_name(tracking.application_name), tracking.notification_id
