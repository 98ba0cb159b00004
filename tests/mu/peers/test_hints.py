"""Hints: their bytes, how many are sent and taken, and what is made of those that are none."""

import itertools
import random
from collections.abc import Iterable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey
from trio.testing import MockClock, wait_all_tasks_blocked

from contract.errors import DecodeError
from events.engine.memory import MemoryEngine
from events.log import Log
from mu.peers.datagrams import Datagrams, Peer
from mu.peers.hints import Hint, HintLimits, Hints, peers_of, region_id
from mu.peers.memory import MAX_QUEUED_DATAGRAMS, MemoryNetwork
from projections.membership import Member
from tests.entries import joined, open_log, source_of

REGION = region_id(Pubkey([7] * 32))
OURS, THEIRS, THIRD = Peer("10.0.0.1", 7000), Peer("10.0.0.2", 7000), Peer("fd00::1", 7001)
HINT = Hint(REGION, 258)
DATAGRAM = b"muH\x01" + b"\x07" * 8 + b"\0\0\0\0\0\0\x01\x02"
LIMITS = HintLimits()


def append(log: Log, count: int = 1) -> int:
    """Appends that are over when this returns; the last position."""
    for _ in range(count):
        log.append("stream", log.version("stream"), [(source_of(joined(0)), joined(0))])
    return log.head().position


def hints(
    log: Log, datagrams: Datagrams, peers: Iterable[Peer] = (THEIRS,), limits: HintLimits = LIMITS
) -> Hints:
    return Hints(log, REGION, lambda: list(peers), datagrams, limits)


class Heard(Log):
    """A log that notes what hints it is given, and when."""

    def __init__(self) -> None:
        self.hints: list[tuple[int, float]] = []

    def hint(self, position: int) -> None:
        self.hints.append((position, trio.current_time()))

    async def appends(self):
        await trio.sleep_forever()
        yield 0


@pytest.fixture
def log() -> Log:
    return open_log(MemoryEngine())


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


class Receiver:
    """A peer that notes what it is sent, and when."""

    def __init__(self, network: MemoryNetwork, peer: Peer) -> None:
        self.datagrams = network.open(peer)
        self.received: list[tuple[int, float]] = []

    async def run(self) -> None:
        while True:
            hint = Hint.decode((await self.datagrams.receive(1000, 1))[0])
            assert hint.region == REGION
            self.received.append((hint.position, trio.current_time()))

    @property
    def positions(self) -> list[int]:
        return [position for position, _ in self.received]


@pytest.fixture
def theirs(network: MemoryNetwork, nursery: trio.Nursery) -> Receiver:
    receiver = Receiver(network, THEIRS)
    nursery.start_soon(receiver.run)
    return receiver


# the codec


def test_the_bytes_of_a_hint():
    assert HINT.encode() == DATAGRAM
    assert Hint.decode(DATAGRAM) == HINT


@given(st.binary(min_size=8, max_size=8), st.integers(1, 2**64 - 1))
def test_a_hint_is_read_as_it_was_written(region: bytes, position: int):
    hint = Hint(region, position)
    assert Hint.decode(hint.encode()) == hint


def test_other_sizes_are_no_hint():
    for size in range(len(DATAGRAM)):
        with pytest.raises(DecodeError):
            Hint.decode(DATAGRAM[:size])
    with pytest.raises(DecodeError):
        Hint.decode(DATAGRAM + b"\0")


@pytest.mark.parametrize(
    "data",
    [
        b"muX" + DATAGRAM[3:],
        DATAGRAM[:3] + b"\x02" + DATAGRAM[4:],
        DATAGRAM[:12] + bytes(8),
    ],
    ids=["magic", "version", "position 0"],
)
def test_what_is_not_a_hint_is_refused(data: bytes):
    with pytest.raises(DecodeError):
        Hint.decode(data)


@given(st.binary(max_size=40))
def test_random_bytes_are_answered_with_a_typed_error_or_are_a_hint(data: bytes):
    try:
        hint = Hint.decode(data)
    except DecodeError:
        return
    assert hint.encode() == data


@given(st.integers(0, len(DATAGRAM) - 1), st.integers(0, 255))
def test_an_altered_byte_never_gives_the_same_hint(place: int, byte: int):
    altered = DATAGRAM[:place] + bytes([byte]) + DATAGRAM[place + 1 :]
    try:
        hint = Hint.decode(altered)
    except DecodeError:
        hint = None
    assert (hint == HINT) == (altered == DATAGRAM)


# sending


async def test_an_append_is_told_at_once_to_every_peer(
    autojump_clock: MockClock, nursery: trio.Nursery, log: Log, network: MemoryNetwork, theirs: Receiver
):
    third = Receiver(network, THIRD)
    nursery.start_soon(third.run)
    ours = hints(log, network.open(OURS), [THEIRS, THIRD])
    nursery.start_soon(ours.run)
    await trio.sleep(1)
    append(log)
    now = trio.current_time()
    await wait_all_tasks_blocked()
    assert theirs.received == third.received == [(1, now)]
    assert ours.counts.sent == 2


async def test_appends_that_come_together_are_one_datagram_with_the_newest_position(
    autojump_clock: MockClock, nursery: trio.Nursery, log: Log, network: MemoryNetwork, theirs: Receiver
):
    nursery.start_soon(hints(log, network.open(OURS)).run)
    await wait_all_tasks_blocked()
    for _ in range(1000):
        append(log)
        await trio.sleep(0.001)
    await trio.sleep(LIMITS.send_pause_seconds)
    times = [at for _, at in theirs.received]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(pauses) >= LIMITS.send_pause_seconds - 1e-6
    assert max(pauses) <= 2 * LIMITS.send_pause_seconds
    assert theirs.positions == sorted(set(theirs.positions))
    assert (theirs.positions[0], theirs.positions[-1]) == (1, 1000)


async def test_what_was_appended_before_it_ran_is_told_too(
    autojump_clock: MockClock, nursery: trio.Nursery, log: Log, network: MemoryNetwork, theirs: Receiver
):
    append(log, 3)
    nursery.start_soon(hints(log, network.open(OURS)).run)
    await wait_all_tasks_blocked()
    assert theirs.positions == [3]


async def test_the_peers_are_those_of_the_moment(
    autojump_clock: MockClock, nursery: trio.Nursery, log: Log, network: MemoryNetwork, theirs: Receiver
):
    peers: list[Peer] = []
    nursery.start_soon(hints(log, network.open(OURS), peers).run)
    for members in ([], [THEIRS], []):
        peers[:] = members
        append(log)
        await trio.sleep(1)
    assert theirs.positions == [2]


async def test_a_peer_that_cannot_be_reached_is_logged_once_and_holds_up_no_other(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    log: Log,
    network: MemoryNetwork,
    theirs: Receiver,
    caplog: pytest.LogCaptureFixture,
):
    network.unreachable.add(THIRD)
    ours = hints(log, network.open(OURS), [THIRD, THEIRS])
    nursery.start_soon(ours.run)
    for _ in range(5):
        append(log)
        await trio.sleep(1)
    assert theirs.positions == [1, 2, 3, 4, 5]
    assert [record.message for record in caplog.records] == [
        "no hints to the node at fd00::1, port 7001: [Errno 101] Network is unreachable"
    ]
    assert (ours.counts.sent, ours.counts.unsent) == (5, 5)


def test_a_node_is_not_its_own_peer():
    members = {"a": Member("10.0.0.1", 1, 1, "key"), "b": Member("10.0.0.2", 2, 1, "other")}
    assert peers_of("a", members) == [Peer("10.0.0.2", 2)]
    assert peers_of("gone", members) == [Peer("10.0.0.1", 1), Peer("10.0.0.2", 2)]


# receiving


async def test_a_hint_is_given_to_the_log_and_answered_by_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery, network: MemoryNetwork
):
    log, theirs = Heard(), network.open(THEIRS)
    ours = hints(log, network.open(OURS))
    nursery.start_soon(ours.run)
    await theirs.send(DATAGRAM, OURS)
    await trio.sleep(1)
    assert [position for position, _ in log.hints] == [258]
    assert (ours.counts.taken, ours.counts.sent) == (1, 0)


async def test_garbage_and_hints_of_other_regions_are_counted_and_ignored(
    autojump_clock: MockClock, nursery: trio.Nursery, network: MemoryNetwork
):
    log, theirs = Heard(), network.open(THEIRS)
    ours = hints(log, network.open(OURS))
    nursery.start_soon(ours.run)
    randomness = random.Random(0)
    bad = [b"", DATAGRAM[:-1], DATAGRAM * 2, Hint(bytes(8), 1).encode(), bytes(65_000)]
    bad += [randomness.randbytes(20) for _ in range(200)]
    for data in bad:
        await theirs.send(data, OURS)
        await wait_all_tasks_blocked()
    await theirs.send(DATAGRAM, OURS)
    await trio.sleep(1)
    assert [position for position, _ in log.hints] == [258]
    assert (ours.counts.taken, ours.counts.ignored) == (1, len(bad))


async def test_a_flood_is_taken_at_the_rate_that_is_allowed(
    autojump_clock: MockClock, nursery: trio.Nursery, network: MemoryNetwork
):
    log, theirs = Heard(), network.open(THEIRS)
    ours = hints(
        log, network.open(OURS), limits=HintLimits(max_received_at_once=10, receive_pause_seconds=0.01)
    )
    nursery.start_soon(ours.run)
    for second in range(3):
        for _ in range(100):
            for _ in range(MAX_QUEUED_DATAGRAMS):
                await theirs.send(DATAGRAM, OURS)
            await trio.sleep(0.01)
        assert ours.counts.taken == pytest.approx(1000 * (second + 1), abs=20)
    at = [when for _, when in log.hints]
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert max(pauses) <= 0.01 + 1e-6


async def test_hints_that_come_together_are_one_with_the_newest_position(
    autojump_clock: MockClock, nursery: trio.Nursery, network: MemoryNetwork
):
    log, theirs = Heard(), network.open(THEIRS)
    ours = hints(log, network.open(OURS))
    for position in (5, 9, 7):
        await theirs.send(Hint(REGION, position).encode(), OURS)
    nursery.start_soon(ours.run)
    await trio.sleep(1)
    assert [position for position, _ in log.hints] == [9]
    assert ours.counts.taken == 3


class Broken:
    """A socket that fails for a while."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.receives = 0

    async def send(self, data: bytes, peer: Peer) -> None:
        raise AssertionError

    async def receive(self, max_bytes: int, max_count: int) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        self.receives += 1
        if self.receives <= self.failures:
            raise OSError("broken")
        if self.receives == self.failures + 1:
            return [DATAGRAM]
        await trio.sleep_forever()
        raise AssertionError


async def test_a_socket_that_fails_is_logged_once_and_tried_again(
    autojump_clock: MockClock, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
):
    log, broken = Heard(), Broken(failures=5)
    nursery.start_soon(hints(log, broken).run)
    began = trio.current_time()
    await trio.sleep(60)
    [(_, at)] = log.hints
    assert at == pytest.approx(began + 5 * LIMITS.retry_seconds)
    assert [record.message for record in caplog.records] == ["hints cannot be received: broken"]


# following, on the real clock: autojump would jump while a thread works


@pytest.mark.parametrize("lost", [False, True])
async def test_a_follower_has_what_another_node_appended_also_when_the_hint_is_lost(
    lost: bool, nursery: trio.Nursery
):
    engine = MemoryEngine()
    ours, theirs = open_log(engine), open_log(engine)
    network = MemoryNetwork(lambda data, peer: lost)
    receiving = hints(ours, network.open(OURS), [THEIRS])
    sending = hints(theirs, network.open(THEIRS), [OURS])
    nursery.start_soon(receiving.run)
    nursery.start_soon(sending.run)
    append(theirs)
    with trio.fail_after(10):
        async for entries in ours.follow(poll_seconds=0.1 if lost else 3600):
            if entries[-1].position == 5:
                break
            append(theirs)
        while sending.counts.sent == 0:
            await trio.lowlevel.checkpoint()
    assert lost == (receiving.counts.taken == 0)
