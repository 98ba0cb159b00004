"""What the library's own test cases do not ask of the recorders."""

import threading
from uuid import UUID

import pytest
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.utils import get_topic

from contract.errors import DecodeError, InvalidInput
from events.engine import MAX_VALUE_BYTES, Unavailable
from events.entries import MAX_PREFIX_BYTES, EngineFailure
from events.insert import MAX_EVENTS_PER_BATCH, MAX_TRACKING_NAME_BYTES
from events.record import MAX_STREAM_ID_BYTES, MAX_VERSION, ZERO_HASH, InvalidRecord, Record
from events.recorder import EngineApplicationRecorder, EngineProcessRecorder, Factory
from tests.events.recorded import contents, stored


def test_the_keys_are_the_documented_ones(engine):
    recorder = EngineProcessRecorder(engine, prefix=b"p/")
    recorder.insert_events([stored("stack/1", 3)], tracking=Tracking("chain", 9))
    record = Record(ZERO_HASH, "stack/1", 3, "topic", b"state")
    one, three, nine = (number.to_bytes(8, "big") for number in (1, 3, 9))
    assert contents(engine) == [
        (b"p/e" + one, record.encode()),
        (b"p/h", one + record.hash),
        (b"p/sstack/1\0" + three, one),
        (b"p/tchain", nine),
    ]


def test_records_and_head_follow_the_chain(engine):
    recorder = EngineProcessRecorder(engine)
    assert recorder.head() == (0, ZERO_HASH)
    assert recorder.records(1, 10) == []
    assert recorder.insert_events([stored("a", 1), stored("b", 1)]) == [1, 2]
    assert recorder.insert_events([stored("a", 2)]) == [3]
    records = recorder.records(0, 10)
    assert [position for position, _ in records] == [1, 2, 3]
    previous = ZERO_HASH
    for _, record in records:
        assert record.previous_hash == previous
        previous = record.hash
    assert recorder.head() == (3, previous)
    assert recorder.records(2, 1) == records[1:2]
    assert recorder.records(3, 10) == records[2:]
    assert recorder.records(4, 10) == []
    assert recorder.records(1, 0) == []


def test_logs_with_different_prefixes_are_apart(engine):
    one, two = EngineProcessRecorder(engine, prefix=b"one/"), EngineProcessRecorder(engine, prefix=b"two/")
    assert one.insert_events([stored("a", 1)], tracking=Tracking("t", 5)) == [1]
    assert two.insert_events([stored("a", 1)], tracking=Tracking("t", 4)) == [1]
    assert (one.max_tracking_id("t"), two.max_tracking_id("t")) == (5, 4)


def test_originator_ids_come_back_as_they_went_in(engine):
    recorder = EngineProcessRecorder(engine)
    identity = UUID("b2723fe2c01a40d2875ea3aac6a09ff5")
    recorder.insert_events([stored(identity, 1), stored(str(identity), 1, b"text")])
    assert recorder.select_events(identity) == [stored(identity, 1)]
    assert recorder.select_events(str(identity)) == [stored(str(identity), 1, b"text")]
    assert [found.originator_id for found in recorder.select_notifications(1, 10)] == [
        identity,
        str(identity),
    ]
    with pytest.raises(InvalidRecord):
        recorder.insert_events([stored(identity.urn, 1)])


def test_streams_whose_ids_share_a_beginning_are_apart(engine):
    recorder = EngineProcessRecorder(engine)
    events = [stored(stream, version) for stream in ("a", "a\x01", "ab", "a/b") for version in (1, 2)]
    recorder.insert_events(events)
    for stream in ("a", "a\x01", "ab", "a/b"):
        assert recorder.select_events(stream) == [stored(stream, 1), stored(stream, 2)]


def test_versions_keep_their_order_to_the_last(engine):
    recorder = EngineProcessRecorder(engine)
    versions = [0, 1, 255, 256, MAX_VERSION]
    recorder.insert_events([stored("a", version) for version in versions])

    def select(**bounds):
        return [found.originator_version for found in recorder.select_events("a", **bounds)]

    assert select() == versions
    assert select(desc=True) == versions[::-1]
    assert select(gt=-5, lte=0) == [0]
    assert select(gt=0, lte=256, limit=2) == [1, 255]
    assert select(gt=255, desc=True, limit=1) == [MAX_VERSION]
    assert select(gt=MAX_VERSION) == []
    assert select(lte=-1) == []
    assert select(lte=MAX_VERSION + 1, limit=1) == [0]


@pytest.mark.parametrize(
    "bad",
    [
        stored("a\0b", 1),
        stored("", 1),
        stored("s" * (MAX_STREAM_ID_BYTES + 1), 1),
        stored("a", -1),
        stored("a", MAX_VERSION + 1),
        stored("a", 1, b"v" * MAX_VALUE_BYTES),
        stored("a", 1, topic="t" * 65536),
    ],
)
def test_what_does_not_fit_writes_nothing(engine, bad):
    recorder = EngineProcessRecorder(engine)
    with pytest.raises(InvalidRecord):
        recorder.insert_events([stored("good", 1), bad], tracking=Tracking("t", 1))
    assert contents(engine) == []


def test_the_largest_names_fit_every_engine(engine):
    recorder = EngineProcessRecorder(engine, prefix=b"p" * MAX_PREFIX_BYTES)
    longest = "s" * MAX_STREAM_ID_BYTES
    recorder.insert_events([stored(longest, 1)], tracking=Tracking("t" * MAX_TRACKING_NAME_BYTES, 2**64 - 1))
    assert recorder.select_events(longest) == [stored(longest, 1)]
    with pytest.raises(InvalidRecord):
        EngineProcessRecorder(engine, prefix=b"p" * (MAX_PREFIX_BYTES + 1))
    for tracking in (
        Tracking("t" * (MAX_TRACKING_NAME_BYTES + 1), 1),
        Tracking("t", -1),
        Tracking("\ud800", 1),
    ):
        with pytest.raises(InvalidRecord):
            recorder.insert_tracking(tracking)


def test_a_batch_has_a_limit(recorder):
    events = [stored("a", version) for version in range(MAX_EVENTS_PER_BATCH + 1)]
    with pytest.raises(InvalidRecord):
        recorder.insert_events(events)
    assert len(recorder.insert_events(events[1:])) == MAX_EVENTS_PER_BATCH


def test_a_refused_insert_writes_nothing(engine):
    recorder = EngineProcessRecorder(engine)
    recorder.insert_events([stored("a", 1)], tracking=Tracking("t", 5))
    before = contents(engine)
    for events, tracking in (
        ([stored("b", 1), stored("a", 1)], Tracking("t", 6)),
        ([stored("b", 1), stored("b", 1)], Tracking("t", 6)),
        ([stored("b", 1)], Tracking("t", 5)),
        ([], Tracking("t", 4)),
    ):
        with pytest.raises(IntegrityError):
            recorder.insert_events(events, tracking=tracking)
    assert contents(engine) == before
    assert recorder.insert_events([]) == []


def test_many_recorders_race_for_one_log(engine):
    recorders = [EngineProcessRecorder(engine) for _ in range(4)]
    given, wins, errors = {}, [], []

    def insert(number):
        try:
            for turn in range(25):
                batch = [stored(f"{number}/{turn}", version) for version in (1, 2, 3)]
                given[number, turn] = recorders[number].insert_events(batch)
                try:
                    recorders[number].insert_events([], tracking=Tracking("shared", turn))
                except IntegrityError:
                    continue
                wins.append(turn)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(position for batch in given.values() for position in batch) == list(range(1, 301))
    assert all(batch == list(range(batch[0], batch[0] + 3)) for batch in given.values())
    assert len(wins) == len(set(wins))
    records = recorders[0].records(1, 1000)
    assert [record.previous_hash for _, record in records[1:]] == [record.hash for _, record in records[:-1]]


def test_an_unavailable_engine(memory, recorder):
    memory.fail_next_commit(Unavailable("injected"))
    with pytest.raises(EngineFailure, match="injected"):
        recorder.insert_events([stored("a", 1)])
    assert recorder.head()[0] == 0
    memory.close()
    for use in (
        recorder.head,
        lambda: recorder.records(1, 1),
        lambda: recorder.select_events("a"),
        lambda: recorder.select_notifications(1, 1),
        lambda: recorder.max_tracking_id("t"),
        lambda: recorder.insert_events([stored("a", 1)]),
    ):
        with pytest.raises(EngineFailure):
            use()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"log/e" + (1).to_bytes(8, "big"), b"short"),
        (b"log/h", b"short"),
        (b"log/tt", b"short"),
        (b"log/sb\0" + (1).to_bytes(8, "big"), (9).to_bytes(8, "big")),
        (b"log/e" + (2).to_bytes(8, "big"), Record(ZERO_HASH, "urn:uuid:no", 1, "t", b"").encode()),
    ],
)
def test_damage_is_a_decode_error(memory, recorder, key, value):
    recorder.insert_events([stored("a", 1)], tracking=Tracking("t", 1))
    with memory.begin() as transaction:
        transaction.put(key, value)
        transaction.commit()

    def read_everything():
        recorder.head()
        recorder.records(1, 10)
        recorder.select_events("a")
        recorder.select_events("b")
        recorder.select_notifications(1, 10)
        recorder.max_tracking_id("t")

    with pytest.raises(DecodeError):
        read_everything()


def test_a_subscription_sees_what_another_thread_inserts(engine):
    recorder = EngineApplicationRecorder(engine)
    with recorder.subscribe(gt=0) as subscription:
        writers = [
            threading.Thread(target=recorder.insert_events, args=([stored(f"{number}", 1)],))
            for number in range(10)
        ]
        for writer in writers:
            writer.start()
        assert [next(subscription).id for _ in writers] == list(range(1, 11))
        for writer in writers:
            writer.join()
    assert recorder._listeners == set()


class ListensLate(EngineApplicationRecorder):
    """Something is inserted after a subscription's first read, and before it listens."""

    def __init__(self, engine):
        super().__init__(engine)
        self.has_read = threading.Event()

    def select_notifications(self, *args, **kwargs):
        found = super().select_notifications(*args, **kwargs)
        self.has_read.set()
        return found

    def listen(self, event):
        assert self.has_read.wait(5)
        self.insert_events([stored("a", 1)])
        super().listen(event)


def test_a_subscription_does_not_miss_what_came_before_it_listened(memory):
    found = []
    with ListensLate(memory).subscribe(gt=0) as subscription:
        reader = threading.Thread(target=lambda: found.append(next(subscription).id), daemon=True)
        reader.start()
        reader.join(5)
        assert found == [1]


class OwnRecorder(EngineApplicationRecorder):
    pass


def test_the_factory_takes_recorder_classes_by_topic():
    factory = Factory({"APPLICATION_RECORDER_TOPIC": get_topic(OwnRecorder)})
    assert type(factory.application_recorder()) is OwnRecorder
    factory = Factory({"PROCESS_RECORDER_TOPIC": get_topic(OwnRecorder)})
    with pytest.raises(InvalidInput, match="PROCESS_RECORDER_TOPIC"):
        factory.process_recorder()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"PD_ENDPOINTS": "nowhere", "ENGINE_PREFIX": "p"}, "PD_ENDPOINTS"),
        ({"PD_ENDPOINTS": "host:2379"}, "ENGINE_PREFIX"),
        ({"PD_ENDPOINTS": "host:2379", "ENGINE_FOLDER": "folder"}, "PD_ENDPOINTS"),
        ({"PD_ENDPOINTS": "host:2379", "ENGINE_PREFIX": "p" * 65}, "ENGINE_PREFIX"),
        ({"ENGINE_FOLDER": "folder", "ENGINE_PREFIX": "p"}, "ENGINE_PREFIX"),
        ({"ENGINE_PREFIX": "p"}, "ENGINE_PREFIX"),
    ],
)
def test_settings_that_name_no_engine_are_refused_by_their_name(settings, field):
    with pytest.raises(InvalidInput) as caught:
        Factory(settings)
    assert caught.value.field == field


def test_a_cluster_that_is_not_there_is_unavailable():
    pytest.importorskip("tikv_client")
    with pytest.raises(Unavailable):
        Factory({"PD_ENDPOINTS": "127.0.0.1:1", "ENGINE_PREFIX": "p"})
