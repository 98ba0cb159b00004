"""UDP between sockets of this machine."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from mu.peers.datagrams import Peer, UdpDatagrams, open_udp

PATIENCE_SECONDS = 10.0
ADDRESSES = ["127.0.0.1", "::1"]


@asynccontextmanager
async def open_at(address: str) -> AsyncIterator[tuple[UdpDatagrams, int]]:
    """UDP beside a TCP listener, as a node has it; and the port."""
    [listener] = await trio.open_tcp_listeners(0, host=address)
    async with listener:
        port = listener.socket.getsockname()[1]
        async with open_udp([listener], address, port) as datagrams:
            yield datagrams, port


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_datagram_comes_to_the_port_of_the_listener(address: str):
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_at(address) as (one, port), open_at("127.0.0.1") as (other, _):
            for data in (b"first", b"second", b""):
                await other.send(data, Peer(address, port))
                assert await one.receive(100, 1) == [data]


async def test_no_more_than_was_asked_for_of_a_long_datagram():
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_at("127.0.0.1") as (one, port):
            await one.send(bytes(1000), Peer("127.0.0.1", port))
            await one.send(b"next", Peer("127.0.0.1", port))
            assert await one.receive(21, 1) == [bytes(21)]
            assert await one.receive(21, 1) == [b"next"]


async def test_those_that_wait_are_received_together():
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_at("127.0.0.1") as (one, port):
            for number in range(5):
                await one.send(bytes([number]), Peer("127.0.0.1", port))
            assert await one.receive(100, 3) == [b"\0", b"\1", b"\2"]
            assert await one.receive(100, 3) == [b"\3", b"\4"]


async def test_a_node_that_listens_everywhere_receives_everywhere():
    with trio.fail_after(PATIENCE_SECONDS):
        async with AsyncExitStack() as stack:
            [listener] = await trio.open_tcp_listeners(0, host="0.0.0.0")
            await stack.enter_async_context(listener)
            port = listener.socket.getsockname()[1]
            one = await stack.enter_async_context(open_udp([listener], "10.1.2.3", port))
            await one.send(b"data", Peer("127.0.0.1", port))
            assert await one.receive(100, 1) == [b"data"]


async def test_a_port_that_is_taken_is_only_logged_and_sending_goes_on(caplog: pytest.LogCaptureFixture):
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_at("127.0.0.1") as (first, port):
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            async with listener, open_udp([listener], "127.0.0.1", port) as second:
                await second.send(b"data", Peer("127.0.0.1", port))
                assert await first.receive(100, 1) == [b"data"]
                with trio.move_on_after(0.01) as waited:
                    await second.receive(100, 1)
                assert waited.cancelled_caught
    assert [record.message for record in caplog.records] == [
        f"UDP port {port} of 127.0.0.1 cannot be listened on: Address already in use"
    ]


@pytest.mark.parametrize(
    "peer",
    [
        Peer("a name", 1),
        Peer("", 1),
        Peer("127.0.0.1", 0),
        Peer("127.0.0.1", 2**16),
        Peer("127.0.0.1", -1),
        Peer("255.255.255.255", 9),
    ],
)
async def test_a_peer_that_cannot_be_reached_is_an_error_that_the_port_names(peer: Peer):
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_at("127.0.0.1") as (one, _):
            with pytest.raises((OSError, ValueError, OverflowError)):
                await one.send(b"data", peer)
