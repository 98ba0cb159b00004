"""The subscription against peers that behave, misbehave and fall silent, on a clock that jumps."""

import itertools
from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from events.chain.pubsub import MAX_MESSAGE_BYTES, LogsSubscription, SubscriptionLost
from events.engine.memory import MemoryEngine
from tests.events.chain.histories import SCOPE
from tests.events.chain.live import PATIENCE_SECONDS, Actor, chain, subscription
from tests.events.chain.pubsub_peer import (
    CLOSE,
    CONTINUATION,
    NEWS,
    PING,
    PONG,
    SUBSCRIBED,
    TEXT,
    Peer,
    frame,
    handshake,
    open_peer,
)

CONNECT_SECONDS, PING_SECONDS, PONG_SECONDS = 10.0, 5.0, 3.0

Script = Callable[[Peer], Awaitable[None]]


@pytest.fixture
def autojump_clock() -> MockClock:
    """Jumps only after a while: bytes are under way in the kernel when every task waits for a real socket."""
    return MockClock(autojump_threshold=0.05)


async def listen(script: Script, scheme: str = "ws") -> tuple[int, SubscriptionLost]:
    """How often a subscription to the peer wakes until it is lost, and how it is lost."""
    woken: list[None] = []
    async with open_peer(script) as port:
        lost = LogsSubscription(
            f"{scheme}://127.0.0.1:{port}", SCOPE, connect_seconds=CONNECT_SECONDS, ping_seconds=PING_SECONDS,
            pong_seconds=PONG_SECONDS, commitment="confirmed")  # fmt: skip
        with pytest.raises(SubscriptionLost) as caught:
            await lost.run(lambda: woken.append(None))
    return len(woken), caught.value


def subscribed_then(*sent: bytes, stays: bool = False) -> Script:
    """Subscribe, send the bytes as they are, and close, unless the peer stays."""

    async def script(peer: Peer) -> None:
        await peer.subscribe()
        for data in sent:
            await peer.stream.send_all(data)
        if stays:
            await trio.sleep_forever()

    return script


async def test_it_asks_for_the_logs_of_its_account():
    asked: list[dict[str, object]] = []

    async def script(peer: Peer) -> None:
        asked.append(await peer.accept())

    await listen(script)
    assert [(request["method"], request["params"]) for request in asked] == [
        ("logsSubscribe", [{"mentions": [SCOPE]}, {"commitment": "confirmed"}])
    ]


@pytest.mark.parametrize("news", [0, 1, 5])
async def test_it_wakes_when_it_stands_and_at_each_notification(news: int):
    woken, _ = await listen(subscribed_then(*[frame(NEWS)] * news))
    assert woken == 1 + news


async def test_it_does_not_wake_before_it_stands(autojump_clock: MockClock):
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.say(NEWS)
        await peer.say(b'{"jsonrpc":"2.0","id":2,"result":7}')
        await trio.sleep_forever()

    woken, lost = await listen(script)
    assert (woken, str(lost)) == (0, "the other side has gone silent")
    assert trio.current_time() == pytest.approx(CONNECT_SECONDS)


async def test_a_peer_that_drips_does_not_hold_up_the_handshake(autojump_clock: MockClock):
    async def script(peer: Peer) -> None:
        for byte in itertools.islice(itertools.cycle(b"x"), 8000):
            await peer.stream.send_all(bytes([byte]))
            await trio.sleep(1)

    assert (await listen(script))[0] == 0
    assert trio.current_time() == pytest.approx(CONNECT_SECONDS)


async def test_the_node_refuses_the_subscription():
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.say(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such account"}}')

    woken, lost = await listen(script)
    assert (woken, str(lost)) == (0, "the subscription was refused (no such account)")


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0\1\2",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nsorry",
        b"HTTP/1.1 301 Moved\r\nlocation: ws://elsewhere\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAA\r\n\r\n",
        b"HTTP/9.9 101\r\n\r\n",
        b"x" * 99_999,
        b"HTTP/1.1 101 X\r\n" + b"a: b\r\n" * 9_999,
    ],
)
async def test_a_handshake_that_fails(said: bytes, stays: bool, autojump_clock: MockClock):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send_all(said)
        if stays:
            await trio.sleep_forever()

    assert (await listen(script))[0] == 0
    assert trio.current_time() <= CONNECT_SECONDS + PING_SECONDS + PONG_SECONDS


async def test_nobody_listens():
    async with open_peer(Peer.accept) as port:
        pass
    with pytest.raises(SubscriptionLost, match="no connection"):
        await subscription(port).run(lambda: None)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_peer_without_tls(said: bytes):
    async def script(peer: Peer) -> None:
        await peer.stream.receive_some()
        if said:
            await peer.stream.send_all(said)

    woken, lost = await listen(script, "wss")
    assert woken == 0
    assert str(lost).startswith("no connection")


async def test_a_tls_handshake_that_hangs(autojump_clock: MockClock):
    async def script(peer: Peer) -> None:
        await trio.sleep_forever()

    assert (await listen(script, "wss"))[0] == 0
    assert trio.current_time() == pytest.approx(CONNECT_SECONDS)


async def test_a_half_open_connection_is_found(autojump_clock: MockClock):
    woken, lost = await listen(subscribed_then(stays=True))
    assert (woken, str(lost)) == (1, "the other side has gone silent")
    assert trio.current_time() == pytest.approx(PING_SECONDS + PONG_SECONDS)


async def test_a_quiet_peer_that_answers_pings_is_kept(autojump_clock: MockClock):
    pings = 50

    async def script(peer: Peer) -> None:
        await peer.subscribe()
        for _ in range(pings):
            opcode, payload = await peer.frame()
            assert opcode == PING
            await trio.sleep(PONG_SECONDS / 2)
            await peer.stream.send_all(frame(payload, PONG))
        await trio.sleep_forever()

    assert (await listen(script))[0] == 1
    each_seconds = PING_SECONDS + PONG_SECONDS / 2
    assert trio.current_time() == pytest.approx(pings * each_seconds + PING_SECONDS + PONG_SECONDS)


async def test_a_peer_that_tells_news_needs_no_ping(autojump_clock: MockClock):
    async def script(peer: Peer) -> None:
        await peer.subscribe()
        for _ in range(20):
            await trio.sleep(PING_SECONDS * 0.9)
            await peer.say(NEWS)
        with trio.move_on_after(0.1) as silence:
            await peer.frame()
        assert silence.cancelled_caught

    assert (await listen(script))[0] == 21


async def test_it_answers_pings():
    answers: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.subscribe()
        await peer.stream.send_all(frame(b"are you there", PING))
        answers.append(await peer.frame())

    assert (await listen(script))[0] == 1
    assert answers == [(PONG, b"are you there")]


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize(
    "sent",
    [
        frame(b"\x03\xe8bye", CLOSE),
        frame(b"", CLOSE),
        frame(b"\x03", CLOSE),
        frame(b"", 3),
        frame(b"", PING, fin=False),
        frame(b"x" * 126, PING),
        frame(b"", CONTINUATION),
        frame(b"a", TEXT, fin=False) + frame(b"b", TEXT),
        b"\x81\x81aaaa1",
        b"\xf1\x00",
        b"\x81\x7f" + b"\xff" * 8,
        frame(b" " * MAX_MESSAGE_BYTES + b" "),
        frame(b" " * MAX_MESSAGE_BYTES, fin=False) + frame(b" ", CONTINUATION),
    ],
    ids=lambda value: f"{len(value)} bytes {value[:4].hex()}" if isinstance(value, bytes) else None,
)
async def test_a_goodbye_or_a_broken_rule_ends_it_at_once(
    sent: bytes, stays: bool, autojump_clock: MockClock
):
    assert (await listen(subscribed_then(sent, stays=stays)))[0] == 1
    assert trio.current_time() == 0


@pytest.mark.parametrize("sent", [frame(b"\x03\xe8", CLOSE), frame(b"", CLOSE), frame(b"", 3), b"\xff" * 40])
async def test_a_goodbye_that_comes_with_the_handshake(sent: bytes):
    async def script(peer: Peer) -> None:
        await peer.stream.send_all(handshake(await peer.request()) + sent)
        await trio.sleep_forever()

    assert (await listen(script))[0] == 0


async def test_a_message_in_pieces_wakes_once():
    pieces = (
        frame(NEWS[:10], fin=False)
        + frame(b"between", PING)
        + frame(NEWS[10:20], CONTINUATION, fin=False)
        + frame(NEWS[20:], CONTINUATION)
    )
    assert (await listen(subscribed_then(pieces)))[0] == 2
    assert (await listen(subscribed_then(*(bytes([byte]) for byte in pieces))))[0] == 2


async def test_the_whole_conversation_byte_by_byte():
    async def script(peer: Peer) -> None:
        for byte in handshake(await peer.request()):
            await peer.stream.send_all(bytes([byte]))
        await peer.frame()
        for byte in frame(SUBSCRIBED) + frame(NEWS):
            await peer.stream.send_all(bytes([byte]))

    assert (await listen(script))[0] == 2


async def test_a_conversation_cut_short_anywhere():
    whole = len(handshake(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: a\r\n\r\n"))
    for size in range(0, whole, 5):

        async def script(peer: Peer, size: int = size) -> None:
            await peer.stream.send_all(handshake(await peer.request())[:size])

        assert (await listen(script))[0] == 0
    told = frame(SUBSCRIBED) + frame(NEWS)
    for size in range(0, len(told), 5):

        async def script(peer: Peer, size: int = size) -> None:
            await peer.accept()
            await peer.stream.send_all(told[:size])

        assert (await listen(script))[0] == (size >= len(frame(SUBSCRIBED)))


async def test_a_large_message_wakes_once():
    large = NEWS.replace(b"{}", b'"' + b"x" * (MAX_MESSAGE_BYTES - 200) + b'"')
    assert (await listen(subscribed_then(frame(large))))[0] == 2


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"method":"\xff\xfe"}',
        b'{"id":1,"result":18446744073709551616}',
        b'{"x":' + b"[" * 100_000,
        b'{"error":{"x":' + b"[" * 100_000,
    ],
    ids=lambda message: message[:16].decode(errors="replace"),
)
async def test_a_message_that_cannot_be_read_wakes_to_be_sure(message: bytes):
    assert (await listen(subscribed_then(frame(message), frame(NEWS))))[0] == 3


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_bytes_end_in_a_lost_subscription(sent: bytes, as_message: bool, subscribed: bool):
    async def script(peer: Peer) -> None:
        await (peer.subscribe() if subscribed else peer.accept())
        await peer.stream.send_all(frame(sent) if as_message else sent)

    trio.run(listen, script, clock=MockClock(autojump_threshold=0))


async def test_a_reset_connection():
    async def script(peer: Peer) -> None:
        await peer.subscribe()
        # closing with no lingering sends a reset
        peer.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    await listen(script)


async def test_on_a_live_chain_it_tells_of_each_transaction():
    async with chain(MemoryEngine()) as port, trio.open_nursery() as nursery:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        send, heard = trio.open_memory_channel[None](100)
        nursery.start_soon(subscription(port + 1).run, lambda: send.send_nowait(None))
        with trio.fail_after(PATIENCE_SECONDS):
            await heard.receive()
            for _ in range(3):
                await actor.deploy()
                await heard.receive()
        assert heard.statistics().current_buffer_used == 0
        nursery.cancel_scope.cancel()
