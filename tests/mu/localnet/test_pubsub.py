"""The PubSub endpoint over streams in memory, under a fake clock, and with foreign bytes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.engine.memory import MemoryEngine
from mu.config import PubsubLimits, RpcLimits
from mu.localnet.hub import Hub
from mu.localnet.pubsub import PubsubEndpoint
from tests.mu.localnet.conftest import Chain, address
from tests.mu.localnet.websocket import WebsocketClient

SOL = 10**9
Connect = Callable[[], Awaitable[trio.StapledStream]]


@asynccontextmanager
async def serving(chain: Chain, **limits: float) -> AsyncIterator[Connect]:
    wanted = PubsubLimits(**limits)
    hub = Hub(chain.ledger, wanted.max_subscriptions_per_connection)
    chain.ledger.listeners.append(hub)
    endpoint = PubsubEndpoint(hub, wanted, RpcLimits())
    async with trio.open_nursery() as nursery:

        async def connect() -> trio.StapledStream:
            client, server = trio.testing.memory_stream_pair()
            nursery.start_soon(endpoint.serve, server)
            return client

        yield connect
        nursery.cancel_scope.cancel()
    assert hub._subscriptions == {}


async def test_subscribe_notify_unsubscribe(chain) -> None:
    async with serving(chain) as connect:
        client = await WebsocketClient(await connect()).connect()
        identifier = (await client.call("slotSubscribe"))["result"]
        chain.advance()
        assert (await client.message())["params"]["result"]["slot"] == 1
        assert (await client.call("slotUnsubscribe", identifier))["result"] is True
        chain.advance()
        assert (await client.call("slotUnsubscribe", identifier))["error"]["code"] == -32602


async def test_a_signature_that_is_there_is_told_after_the_answer(chain) -> None:
    record = chain.ledger.transact(chain.transfer(address(1), SOL))
    async with serving(chain) as connect:
        client = await WebsocketClient(await connect()).connect()
        answer = await client.call("signatureSubscribe", str(record.signature), {"commitment": "processed"})
        assert (await client.message())["params"]["subscription"] == answer["result"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{", -32700),
        (b"1", -32700),
        (b"\xff", -32700),
        (b"{}", -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"getSlot"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"xUnsubscribe","params":[1]}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"slotUnsubscribe","params":["1"]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"slotUnsubscribe"}', -32602),
    ],
)
async def test_malformed_messages_are_answered_and_the_connection_lives(
    chain, text: bytes, code: int
) -> None:
    async with serving(chain) as connect:
        client = await WebsocketClient(await connect()).connect()
        await client.send(text)
        assert (await client.message())["error"]["code"] == code
        assert "result" in await client.call("slotSubscribe")


async def test_fragments_and_batches(chain) -> None:
    async with serving(chain) as connect:
        client = await WebsocketClient(await connect()).connect()
        call = b'{"jsonrpc":"2.0","id":1,"method":"slotSubscribe"}'
        batch = b"[" + call + b"," + call + b"]"
        client.protocol.send_text(batch[:20], fin=False)
        client.protocol.send_continuation(batch[20:60], fin=False)
        client.protocol.send_continuation(batch[60:], fin=True)
        await client.flush()
        assert len(await client.message()) == 2


async def test_a_message_above_the_limit_closes_with_1009(chain) -> None:
    async with serving(chain, max_message_bytes=100) as connect:
        client = await WebsocketClient(await connect()).connect()
        await client.send(b"x" * 101)
        assert await client.until_closed() == 1009


async def test_a_close_is_answered(chain) -> None:
    async with serving(chain) as connect:
        client = await WebsocketClient(await connect()).connect()
        client.protocol.send_close(1000)
        await client.flush()
        assert await client.until_closed() == 1000


async def test_one_connection_too_many_is_closed(chain) -> None:
    async with serving(chain, max_connections=1) as connect:
        await WebsocketClient(await connect()).connect()
        assert await (await connect()).receive_some() == b""


async def test_a_subscriber_that_does_not_read_is_cut_off(chain) -> None:
    async with serving(chain, max_queued_messages=3) as connect:
        client = await WebsocketClient(await connect()).connect()
        await client.call("slotSubscribe")
        chain.advance(10)
        assert await client.until_closed() == 1006


async def test_silence_is_pinged_and_then_ended(chain, autojump_clock) -> None:
    async with serving(chain) as connect:
        client = await WebsocketClient(await connect()).connect()
        with trio.move_on_after(200):  # the client answers pings as long as it reads
            await client.message()
        assert trio.current_time() >= 200
        await trio.sleep(41)
        client.protocol.events_received()
        with pytest.raises(trio.BrokenResourceError):
            await client.stream.send_all(b"x")


async def test_a_handshake_that_never_comes_is_ended(chain, autojump_clock) -> None:
    async with serving(chain) as connect:
        stream = await connect()
        await stream.send_all(b"GET / HTTP/1.1\r\n")
        assert await stream.receive_some() == b""
        assert trio.current_time() >= 10


async def test_plain_http_is_told_to_upgrade(chain) -> None:
    async with serving(chain) as connect:
        stream = await connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 426 " in bytes(await stream.receive_some())


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def fed(data: bytes, *, chunk_bytes: int) -> bytes:
    """Everything the server says to `data`; it must come to an end by itself once the peer is gone."""
    chain = Chain(MemoryEngine())
    async with serving(chain) as connect:
        stream = await connect()
        said = bytearray()

        async def listen() -> None:
            try:
                async for part in stream:
                    said.extend(part)
            except trio.BrokenResourceError:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            try:
                for start in range(0, len(data), chunk_bytes):
                    await stream.send_all(data[start : start + chunk_bytes])
                await stream.send_stream.aclose()
            except trio.BrokenResourceError:
                pass
        return bytes(said)


def masked_text(text: bytes) -> bytes:
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


async def test_byte_by_byte_is_the_same_as_whole() -> None:
    data = HANDSHAKE + masked_text(b'{"jsonrpc":"2.0","id":1,"method":"slotSubscribe"}')
    whole = await fed(data, chunk_bytes=len(data))
    assert b'"result":0' in whole
    # The date header alone may differ.
    assert (await fed(data, chunk_bytes=1)).partition(b"\r\n\r\n")[2] == whole.partition(b"\r\n\r\n")[2]


async def test_every_truncation_ends() -> None:
    data = HANDSHAKE + masked_text(b'{"jsonrpc":"2.0","id":1,"method":"slotSubscribe"}')
    for length in range(0, len(data), 3):
        assert b'"result"' not in await fed(data[:length], chunk_bytes=1_000)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(prefix=st.sampled_from([b"", HANDSHAKE]), data=st.binary(min_size=1, max_size=60))
def test_random_bytes_never_break_the_server(prefix: bytes, data: bytes) -> None:
    async def run() -> None:
        await fed(prefix + data, chunk_bytes=1_000)

    trio.run(run)
