"""The `eventsourcing` library's recorders on any engine, over one gapless, hash-chained log.

`PERSISTENCE_MODULE=events.recorder` gives an eventsourcing application this store: in the LMDB folder that
`ENGINE_FOLDER` names, in the TiKV cluster of the placement drivers that `PD_ENDPOINTS` names (host:port, with commas
between them), under `ENGINE_PREFIX` or else the application's name in lower case; or in memory.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    ListenNotifySubscription,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Tracking,
    TrackingRecorder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic

from contract.errors import DecodeError, InvalidInput
from events.engine import Engine
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.engine.opening import open_tikv, parse_endpoints
from events.entries import EngineRecorder
from events.insert import Insert, read_originator_id, tracking_name
from events.log_keys import NUMBER, decode_number
from events.record import MAX_VERSION, Record


class EngineAggregateRecorder(EngineRecorder, AggregateRecorder):
    """Records streams; used by itself for snapshots of aggregates."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        self._insert(stored_events, None)
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        first = 0 if gt is None else max(gt + 1, 0)
        last = MAX_VERSION if lte is None else min(lte, MAX_VERSION)
        return [
            StoredEvent(originator_id, record.version, record.topic, record.state)
            for _, data in self.encoded_stream_records(originator_id, first, last, limit=limit, reverse=desc)
            for record in [Record.decode(data)]
        ]

    def encoded_stream_records(
        self, originator_id: UUID | str, first: int, last: int, *, limit: int | None, reverse: bool = False
    ) -> list[tuple[int, bytes]]:
        """The bytes of up to `limit` records of a stream with their positions, from version `first` to `last` or
        backwards.
        """
        if first > last:
            return []
        stream = self._stream_prefix(originator_id)
        start, end = stream + NUMBER.pack(first), stream + NUMBER.pack(last) + b"\0"
        with self._reading() as snapshot:
            positions = [position for _, position in snapshot.scan(start, end, limit=limit, reverse=reverse)]
            entries = snapshot.get_many([self._entries + position for position in positions])
        try:
            return [(decode_number(position), entries[self._entries + position]) for position in positions]
        except KeyError as error:
            raise DecodeError(f"the log has lost an entry of the stream {originator_id}") from error


class EngineApplicationRecorder(EngineAggregateRecorder, ApplicationRecorder):
    """Records streams, and gives every event its position in the log."""

    def __init__(
        self, engine: Engine, *, prefix: bytes = b"log/", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(engine, prefix=prefix, sleep=sleep)
        self._listeners: set[threading.Event] = set()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        return self._insert(stored_events, None)

    def insert_together(self, inserts: Sequence[Insert]) -> None:
        super().insert_together(inserts)
        for listener in tuple(self._listeners):
            listener.set()

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 1 if start is None else start if inclusive_of_start else start + 1
        notifications: list[Notification] = []
        with self._reading() as snapshot:
            pairs = snapshot.scan(*self._entry_range(first, stop), limit=None if topics else limit)
            for key, data in pairs:
                if len(notifications) >= limit:
                    break
                record = Record.decode(data)
                if topics and record.topic not in topics:
                    continue
                notifications.append(
                    Notification(
                        id=decode_number(key[len(self._entries) :]),
                        originator_id=read_originator_id(record.stream),
                        originator_version=record.version,
                        topic=record.topic,
                        state=record.state,
                    )
                )
        return notifications

    def max_notification_id(self) -> int | None:
        return self.head()[0] or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> "EngineSubscription":
        return EngineSubscription(recorder=self, gt=gt, topics=topics)

    def listen(self, event: threading.Event) -> None:
        """Set `event` whenever this recorder has inserted something."""
        self._listeners.add(event)

    def unlisten(self, event: threading.Event) -> None:
        """Leave `event` alone from now on."""
        self._listeners.discard(event)


class EngineSubscription(ListenNotifySubscription[EngineApplicationRecorder]):
    """Follows the log from a thread, woken by inserts through the same recorder."""

    def __init__(
        self, recorder: EngineApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        recorder.listen(self._has_been_notified)
        # An insert between the thread's first read and `listen` would otherwise go unseen until the next.
        self._has_been_notified.set()

    def stop(self) -> None:
        super().stop()
        self._recorder.unlisten(self._has_been_notified)


class EngineTrackingRecorder(EngineRecorder, TrackingRecorder):
    """Records how far others' logs have been processed."""

    def insert_tracking(self, tracking: Tracking) -> None:
        self._insert((), tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        with self._reading() as snapshot:
            data = snapshot.get(self._tracking + tracking_name(application_name))
        return None if data is None else decode_number(data)


class EngineProcessRecorder(EngineTrackingRecorder, EngineApplicationRecorder, ProcessRecorder):
    """Records events together with the position of the event that caused them."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **kwargs: Any
    ) -> Sequence[int]:
        return self._insert(stored_events, tracking)


_RecorderClass = TypeVar("_RecorderClass", bound=EngineRecorder)


class Factory(InfrastructureFactory[EngineTrackingRecorder]):
    """Builds an application's recorders on one engine, and closes that."""

    ENGINE_FOLDER = "ENGINE_FOLDER"
    PD_ENDPOINTS = "PD_ENDPOINTS"
    ENGINE_PREFIX = "ENGINE_PREFIX"

    def __init__(self, env: Environment | EnvType | None) -> None:
        """Open the engine that the settings name. Raises `InvalidInput` and `Unavailable`."""
        super().__init__(env)
        self.engine = self._open_engine()

    def _open_engine(self) -> Engine:
        folder, endpoints = self.env.get(self.ENGINE_FOLDER), self.env.get(self.PD_ENDPOINTS)
        prefix = self.env.get(self.ENGINE_PREFIX)
        if folder and endpoints:
            raise InvalidInput(
                self.PD_ENDPOINTS, f"and {self.ENGINE_FOLDER} name two engines: set one of them"
            )
        if prefix and not endpoints:
            raise InvalidInput(self.ENGINE_PREFIX, f"is for a cluster: set {self.PD_ENDPOINTS} too")
        if endpoints:
            name = prefix or self.env.name.lower()
            if not name:
                raise InvalidInput(self.ENGINE_PREFIX, "is needed, as the application has no name")
            return open_tikv(parse_endpoints(endpoints, self.PD_ENDPOINTS), name, self.ENGINE_PREFIX)
        return LmdbEngine(Path(folder)) if folder else MemoryEngine()

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        prefix = b"log/" if purpose == "events" else purpose.encode() + b"/"
        return EngineAggregateRecorder(self.engine, prefix=prefix)

    def application_recorder(self) -> ApplicationRecorder:
        return self._class_from(self.APPLICATION_RECORDER_TOPIC, EngineApplicationRecorder)(self.engine)

    def tracking_recorder(
        self, tracking_recorder_class: type[EngineTrackingRecorder] | None = None
    ) -> EngineTrackingRecorder:
        recorder_class = tracking_recorder_class or self._class_from(
            self.TRACKING_RECORDER_TOPIC, EngineTrackingRecorder
        )
        return recorder_class(self.engine)

    def process_recorder(self) -> ProcessRecorder:
        return self._class_from(self.PROCESS_RECORDER_TOPIC, EngineProcessRecorder)(self.engine)

    def close(self) -> None:
        self.engine.close()

    def _class_from(self, name: str, default: type[_RecorderClass]) -> type[_RecorderClass]:
        topic = self.env.get(name)
        if not topic:
            return default
        recorder_class: Any = resolve_topic(topic)
        if not (isinstance(recorder_class, type) and issubclass(recorder_class, default)):
            raise InvalidInput(name, f"{topic} is not a subclass of {default.__name__}")
        return recorder_class
