"""The eventsourcing library's own test cases for recorders and factories, on every engine."""

import secrets
import tempfile
from pathlib import Path

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    InfrastructureFactoryTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from eventsourcing.utils import Environment

from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from events.recorder import (
    EngineAggregateRecorder,
    EngineApplicationRecorder,
    EngineProcessRecorder,
    EngineTrackingRecorder,
    Factory,
)
from tests.tikv import PD_ADDRESS, new_tikv_engine


class OnMemory:
    def make_engine(self):
        return MemoryEngine()

    def create_recorder(self):
        engine = self.make_engine()
        self.addCleanup(engine.close)
        return self.recorder_class(engine)


class OnLmdb(OnMemory):
    def make_engine(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return LmdbEngine(Path(folder.name))


class OnTikv(OnMemory):
    def make_engine(self):
        return new_tikv_engine()


class TestAggregateRecorderOnMemory(OnMemory, AggregateRecorderTestCase):
    recorder_class = EngineAggregateRecorder


class TestAggregateRecorderOnLmdb(OnLmdb, AggregateRecorderTestCase):
    recorder_class = EngineAggregateRecorder


class TestApplicationRecorderOnMemory(OnMemory, ApplicationRecorderTestCase):
    recorder_class = EngineApplicationRecorder

    def test_insert_subscribe(self):
        self.optional_test_insert_subscribe()


class TestApplicationRecorderOnLmdb(OnLmdb, ApplicationRecorderTestCase):
    recorder_class = EngineApplicationRecorder

    def test_insert_subscribe(self):
        self.optional_test_insert_subscribe()


class TestTrackingRecorderOnMemory(OnMemory, TrackingRecorderTestCase):
    recorder_class = EngineTrackingRecorder


class TestTrackingRecorderOnLmdb(OnLmdb, TrackingRecorderTestCase):
    recorder_class = EngineTrackingRecorder


class TestProcessRecorderOnMemory(OnMemory, ProcessRecorderTestCase):
    recorder_class = EngineProcessRecorder


class TestProcessRecorderOnLmdb(OnLmdb, ProcessRecorderTestCase):
    recorder_class = EngineProcessRecorder


class TestNonInterleavingOnMemory(OnMemory, NonInterleavingNotificationIDsBaseCase):
    recorder_class = EngineApplicationRecorder


class TestNonInterleavingOnLmdb(OnLmdb, NonInterleavingNotificationIDsBaseCase):
    recorder_class = EngineApplicationRecorder


class TestAggregateRecorderOnTikv(OnTikv, AggregateRecorderTestCase):
    recorder_class = EngineAggregateRecorder


class TestApplicationRecorderOnTikv(OnTikv, ApplicationRecorderTestCase):
    recorder_class = EngineApplicationRecorder

    def test_insert_subscribe(self):
        self.optional_test_insert_subscribe()


class TestTrackingRecorderOnTikv(OnTikv, TrackingRecorderTestCase):
    recorder_class = EngineTrackingRecorder


class TestProcessRecorderOnTikv(OnTikv, ProcessRecorderTestCase):
    recorder_class = EngineProcessRecorder


class TestNonInterleavingOnTikv(OnTikv, NonInterleavingNotificationIDsBaseCase):
    recorder_class = EngineApplicationRecorder


class OwnTrackingRecorder(EngineTrackingRecorder):
    pass


class TestFactoryOnMemory(InfrastructureFactoryTestCase):
    def setUp(self):
        self.env = Environment("Test", {"PERSISTENCE_MODULE": "events.recorder"})
        super().setUp()

    def expected_factory_class(self):
        return Factory

    def expected_aggregate_recorder_class(self):
        return EngineAggregateRecorder

    def expected_application_recorder_class(self):
        return EngineApplicationRecorder

    def expected_tracking_recorder_class(self):
        return EngineTrackingRecorder

    def tracking_recorder_subclass(self):
        return OwnTrackingRecorder

    def expected_process_recorder_class(self):
        return EngineProcessRecorder


class TestFactoryOnLmdb(TestFactoryOnMemory):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.env = Environment(
            "Test", {"PERSISTENCE_MODULE": "events.recorder", "ENGINE_FOLDER": folder.name}
        )
        InfrastructureFactoryTestCase.setUp(self)
        assert isinstance(self.factory.engine, LmdbEngine)


class TestFactoryOnTikv(TestFactoryOnMemory):
    def setUp(self):
        new_tikv_engine().close()
        self.env = Environment(
            "Test",
            {
                "PERSISTENCE_MODULE": "events.recorder",
                "PD_ENDPOINTS": PD_ADDRESS,
                "ENGINE_PREFIX": f"test/{secrets.token_hex(8)}",
            },
        )
        InfrastructureFactoryTestCase.setUp(self)
        assert type(self.factory.engine).__name__ == "TikvEngine"


class Door(Aggregate):
    @event("Opened")
    def open(self):
        self.is_open = True


class Doors(Application):
    is_snapshotting_enabled = True


@pytest.mark.parametrize("engine", ["lmdb", "tikv"])
def test_an_application_of_the_library_survives_a_restart(tmp_path, engine):
    env = {"PERSISTENCE_MODULE": "events.recorder", "ENGINE_FOLDER": str(tmp_path)}
    if engine == "tikv":
        new_tikv_engine().close()
        env = {
            "PERSISTENCE_MODULE": "events.recorder",
            "PD_ENDPOINTS": PD_ADDRESS,
            "ENGINE_PREFIX": f"test/{secrets.token_hex(8)}",
        }
    doors = Doors(env=env)
    door = Door()
    doors.save(door)
    doors.take_snapshot(door.id)
    door.open()
    doors.save(door)
    doors.close()

    doors = Doors(env=env)
    assert doors.repository.get(door.id).is_open
    assert [snapshot.originator_version for snapshot in doors.snapshots.get(door.id)] == [1]
    assert [notification.id for notification in doors.notification_log.select(1, 10)] == [1, 2]
    doors.close()
