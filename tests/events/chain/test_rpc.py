"""The reader on a live local chain, and on nodes that are down, silent, or talk nonsense."""

import base64
import itertools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solana.rpc.core import RPCException
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.transaction import Transaction
from trio.testing import MockClock

from contract.addresses import stack_address
from contract.client import Region, decode_account
from events.catalogue import Finality
from events.chain.reader import ChainReader, ChainTransaction, ChainUnavailable, SignatureInfo
from events.chain.rpc import RpcChainReader, host_of
from events.engine.memory import MemoryEngine
from mu.config import HttpLimits
from mu.http.message import Request, Response
from mu.http.server import serve
from tests.events.chain.faulty_node import post
from tests.events.chain.histories import OWNER, REGION, SCOPE
from tests.events.chain.live import Actor, chain
from tests.events.chain.pubsub_peer import Peer, open_peer

TIMEOUT_SECONDS = 5.0
SIGNER = Keypair.from_seed(bytes(32))
_MESSAGE = Message.new_with_blockhash([], SIGNER.pubkey(), Hash.default())
_TRANSACTION = Transaction([SIGNER], _MESSAGE, Hash.default())
SIGNATURE = str(_TRANSACTION.signatures[0])
TRANSACTION = base64.b64encode(bytes(_TRANSACTION)).decode()

Question = Callable[[ChainReader], Awaitable[object]]
QUESTIONS: list[Question] = [
    lambda reader: reader.account(SCOPE, Finality.CONFIRMED),
    lambda reader: reader.signatures(SCOPE, SIGNATURE, Finality.CONFIRMED),
    lambda reader: reader.transaction(SIGNATURE, Finality.CONFIRMED),
    lambda reader: reader.accounts([SCOPE, SCOPE], Finality.CONFIRMED),
]
each_question = pytest.mark.parametrize(
    "question", QUESTIONS, ids=["account", "signatures", "logs", "accounts"]
)


def reader_at(port: int) -> RpcChainReader:
    return RpcChainReader(AsyncClient(f"http://127.0.0.1:{port}", Confirmed), timeout_seconds=TIMEOUT_SECONDS)


class Node:
    """An HTTP server that says what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.body = b""
        self.asked: list[dict[str, object]] = []

    async def answer(self, request: Request) -> Response:
        self.asked.append(json.loads(request.body))
        return Response(self.status, (("content-type", "application/json"),), self.body)


@asynccontextmanager
async def open_node() -> AsyncIterator[tuple[Node, RpcChainReader]]:
    """A node on a free port, and a reader that asks it."""
    node = Node()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def server(task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        await serve(node.answer, listeners, HttpLimits(), request_ids=lambda: "id", task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(server)
        node.port = listeners[0].socket.getsockname()[1]
        yield node, reader_at(node.port)
        nursery.cancel_scope.cancel()


async def test_what_a_live_chain_has():
    async with chain(MemoryEngine()) as port:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        await actor.deploy(3)
        reader = reader_at(port)
        region = decode_account((await reader.account(SCOPE, Finality.CONFIRMED)).data or b"")
        assert isinstance(region, Region)
        assert (region.sequence, region.stack_count) == (4, 3)
        page = await reader.signatures(SCOPE, None, Finality.CONFIRMED)
        assert [info.failed for info in page] == [False] * 4
        assert [info.slot for info in page] == sorted((info.slot for info in page), reverse=True)
        assert await reader.signatures(SCOPE, page[1].signature, Finality.CONFIRMED) == page[2:]
        assert await reader.signatures(SCOPE, page[-1].signature, Finality.CONFIRMED) == []
        for info in page:
            logs = await reader.transaction(info.signature, Finality.CONFIRMED)
            assert logs is not None
            assert (logs.slot, logs.failed) == (info.slot, False)
            assert any(line.startswith("Program data: ") for line in logs.logs)


async def test_several_accounts_of_a_live_chain_as_of_one_slot():
    async with chain(MemoryEngine()) as port:
        await Actor(port, itertools.count()).set_up()
        reader = reader_at(port)
        nobody = str(stack_address(REGION, OWNER.pubkey(), 0)[0])
        answer = await reader.accounts([SCOPE, nobody], Finality.CONFIRMED)
        assert answer.slot > 0
        assert answer.data == ((await reader.account(SCOPE, Finality.CONFIRMED)).data, None)


async def test_fewer_accounts_than_were_asked_for_are_no_answer():
    async with open_node() as (node, reader):
        result = {"context": {"slot": 1}, "value": [None]}
        node.body = json.dumps({"jsonrpc": "2.0", "id": 0, "result": result}).encode()
        assert (await reader.accounts([SCOPE], Finality.CONFIRMED)).data == (None,)
        with pytest.raises(ChainUnavailable, match="1 of 2 accounts"):
            await reader.accounts([SCOPE, SCOPE], Finality.CONFIRMED)


BLOCK = {"blockhash": str(Hash.default()), "previousBlockhash": str(Hash.default()), "parentSlot": 4,
         "blockTime": 1, "blockHeight": 1}  # fmt: skip


async def test_the_order_of_a_block():
    async with open_node() as (node, reader):
        for result, expected in (
            (BLOCK | {"signatures": [SIGNATURE]}, (SIGNATURE,)),
            (BLOCK, None),
            (None, None),
        ):
            node.body = json.dumps({"jsonrpc": "2.0", "id": 0, "result": result}).encode()
            assert await reader.block(5, Finality.FINALIZED) == expected
        params = node.asked[0]["params"]
        assert isinstance(params, list)
        assert params[0] == 5
        assert params[1]["commitment"] == "finalized"
        assert params[1]["transactionDetails"] == "signatures"
        # a slot that was skipped, and a node without the method
        for code in (-32007, -32601):
            node.body = error_answer({"code": code, "message": "no"})
            assert await reader.block(5, Finality.FINALIZED) is None
        whole = json.dumps(
            {"jsonrpc": "2.0", "id": 0, "result": BLOCK | {"signatures": [SIGNATURE]}}
        ).encode()
        for size in range(0, len(whole), 7):
            node.body = whole[:size]
            with pytest.raises(ChainUnavailable):
                await reader.block(5, Finality.FINALIZED)


@pytest.mark.parametrize("body", [b"", b"<html>"])
@pytest.mark.parametrize("status", [200, 429, 503])
async def test_problems_name_the_node_and_not_its_key(status: int, body: bytes):
    async with open_node() as (node, _):
        node.status, node.body = status, body
        address = f"127.0.0.1:{node.port}"
        client = AsyncClient(f"http://user:secret@{address}/secret?api-key=secret", Confirmed)
        reader = RpcChainReader(client, timeout_seconds=TIMEOUT_SECONDS)
        with pytest.raises(ChainUnavailable, match=f"the RPC node {address} ") as caught:
            await reader.account(SCOPE, Finality.CONFIRMED)
        assert "secret" not in str(caught.value)


async def test_a_problem_with_the_connection_names_the_node_and_not_its_key():
    client = AsyncClient("http://127.0.0.1:1/secret?api-key=secret", Confirmed)
    with pytest.raises(ChainUnavailable, match=r"the RPC node 127\.0\.0\.1:1 ") as caught:
        await RpcChainReader(client, timeout_seconds=TIMEOUT_SECONDS).account(SCOPE, Finality.CONFIRMED)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:secret@rpc.example/secret?key=secret", "rpc.example:443"),
        ("http://rpc.example", "rpc.example:80"),
        ("ws://[::1]:8900/", "::1:8900"),
        ("wss://rpc.example:99", "rpc.example:99"),
    ],
)
def test_a_node_is_named_by_its_host_and_port(url: str, host: str):
    assert host_of(url) == host


async def test_what_a_live_chain_does_not_have():
    async with chain(MemoryEngine()) as port:
        reader = reader_at(port)
        address = str(stack_address(REGION, OWNER.pubkey(), 0)[0])
        assert (await reader.account(address, Finality.CONFIRMED)).data is None
        assert await reader.signatures(address, None, Finality.CONFIRMED) == []
        assert await reader.transaction(SIGNATURE, Finality.CONFIRMED) is None


async def test_a_transaction_that_failed_says_so():
    async with open_node() as (node, reader):
        failed = {"InstructionError": [0, {"Custom": 1}]}
        info = {"signature": SIGNATURE, "slot": 9, "err": failed, "memo": None, "blockTime": None}
        node.body = json.dumps({"jsonrpc": "2.0", "id": 0, "result": [info]}).encode()
        assert await reader.signatures(SCOPE, None, Finality.CONFIRMED) == [
            SignatureInfo(SIGNATURE, 9, failed=True)
        ]
        node.body = transaction_answer({"err": failed, "status": {"Err": failed}, "logMessages": ["a", "b"]})
        assert await reader.transaction(SIGNATURE, Finality.CONFIRMED) == ChainTransaction(
            9, failed=True, logs=("a", "b")
        )


def transaction_answer(meta: dict[str, object] | None) -> bytes:
    """A node's answer to getTransaction: a transaction without instructions in slot 9."""
    whole = None if meta is None else {"fee": 0, "preBalances": [], "postBalances": []} | meta
    result = {"slot": 9, "blockTime": None, "transaction": [TRANSACTION, "base64"], "meta": whole}
    return json.dumps({"jsonrpc": "2.0", "id": 0, "result": result}).encode()


@pytest.mark.parametrize("meta", [None, {"err": None, "status": {"Ok": None}, "logMessages": None}])
async def test_a_node_that_keeps_no_logs_knows_nothing_of_them(meta: dict[str, object] | None):
    async with open_node() as (node, reader):
        node.body = transaction_answer(meta)
        with pytest.raises(ChainUnavailable, match="keeps no log lines"):
            await reader.transaction(SIGNATURE, Finality.CONFIRMED)


async def test_questions_are_asked_at_the_readers_commitment():
    async with open_node() as (node, reader):
        for question in QUESTIONS:
            with suppress(ChainUnavailable):
                await question(reader)
    options = [params[1] for asked in node.asked if isinstance(params := asked["params"], list)]
    assert [option["commitment"] for option in options] == ["confirmed"] * 4
    assert (options[1]["before"], options[1]["until"]) == (SIGNATURE, None)


def error_answer(error: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "error": error}).encode()


@each_question
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (429, b"slow down"),
        (302, b""),
        (200, b""),
        (200, b"<html>"),
        (200, b"\xff\xfe"),
        (200, b"{}"),
        (200, b"null"),
        (200, b"[]"),
        (200, b'{"jsonrpc":"2.0","id":0}'),
        (200, b'{"jsonrpc":"2.0","id":0,"result":"surprise"}'),
        (200, b'{"jsonrpc":"2.0","id":0,"result":' + b"[" * 100_000),
        (200, error_answer({"code": -32002, "message": "no data"})),
        (200, error_answer({"code": -32005, "message": "behind", "data": {"numSlotsBehind": 42}})),
        (200, error_answer({"code": -32602, "message": "Invalid param"})),
        (200, error_answer({"code": 429, "message": "of the provider's own"})),
        (200, error_answer({"code": -32000, "message": "of the provider's own"})),
        (200, error_answer("no object")),
        (200, error_answer(None)),
    ],
    ids=lambda value: value[:60].decode(errors="replace") if isinstance(value, bytes) else str(value),
)
async def test_an_answer_that_is_none_is_an_outage(question: Question, status: int, body: bytes):
    async with open_node() as (node, reader):
        node.status, node.body = status, body
        with pytest.raises(ChainUnavailable):
            await question(reader)


async def test_the_cause_of_a_refusal_is_the_nodes_error():
    async with open_node() as (node, reader):
        node.body = error_answer({"code": -32602, "message": "Invalid param: too long"})
        with pytest.raises(ChainUnavailable, match="too long") as caught:
            await reader.account(SCOPE, Finality.CONFIRMED)
        assert isinstance(caught.value.__cause__, RPCException)


async def test_a_true_answer_cut_short_or_altered_is_an_outage_or_an_answer():
    answers: list[bytes] = []
    async with chain(MemoryEngine()) as port:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        signature = (await reader_at(port).signatures(SCOPE, None, Finality.CONFIRMED))[0].signature
        for method, params in [
            ("getAccountInfo", [SCOPE, {"encoding": "base64", "commitment": "confirmed"}]),
            ("getSignaturesForAddress", [SCOPE, {"commitment": "confirmed"}]),
            ("getTransaction", [signature, {"encoding": "base64", "commitment": "confirmed"}]),
            ("getMultipleAccounts", [[SCOPE, SCOPE], {"encoding": "base64", "commitment": "confirmed"}]),
        ]:
            asked = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
            answers.append(await post(port, json.dumps(asked).encode()))
    randomness = random.Random(0)
    async with open_node() as (node, reader):
        questions: list[Question] = [*QUESTIONS]
        questions[2] = lambda reader: reader.transaction(signature, Finality.CONFIRMED)
        for question, whole in zip(questions, answers, strict=True):
            node.body = whole
            assert await question(reader)
            for size in range(0, len(whole), 7):
                node.body = whole[:size]
                with pytest.raises(ChainUnavailable):
                    await question(reader)
            for _ in range(600):
                altered = bytearray(whole)
                altered[randomness.randrange(len(whole))] = randomness.randrange(256)
                node.body = bytes(altered)
                with suppress(ChainUnavailable):
                    await question(reader)


@each_question
async def test_nobody_listens(question: Question):
    async with open_peer(Peer.accept) as port:
        pass
    with pytest.raises(ChainUnavailable):
        await question(reader_at(port))


@each_question
@pytest.mark.parametrize(
    "said", [b"", b"\0\1\2", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", b"HTTP/1.1 200"]
)
async def test_a_node_that_breaks_off(question: Question, said: bytes):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send_all(said)

    async with open_peer(script) as port:
        with pytest.raises(ChainUnavailable):
            await question(reader_at(port))


@each_question
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"])
async def test_a_node_that_hangs(question: Question, said: bytes, autojump_clock: MockClock):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send_all(said)
        await trio.sleep_forever()

    async with open_peer(script) as port:
        with pytest.raises(ChainUnavailable, match="within 5 s"):
            await question(reader_at(port))
        assert trio.current_time() == pytest.approx(TIMEOUT_SECONDS)
