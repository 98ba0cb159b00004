"""The whole local chain over loopback: the clients that mu uses, restarts, and SIGKILL."""

import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anchorpy
import httpx
import pytest
import trio
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.types import DataSliceOpts, MemcmpOpts, TxOpts
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM_PROGRAM_ID
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

from contract.addresses import PROGRAM_ID, state_address
from contract.client import program_bytes
from contract.errors import InvalidInput
from events.engine import Engine
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from mu.local_marketplace import (
    COMMISSION_MILLIONTHS,
    DEPOSIT,
    NOTICE_SECONDS,
    PERSON_LAMPORTS,
    LocalKeys,
    marketplace_instructions,
)
from mu.localnet.commitment import Commitment
from mu.localnet.ledger import Ledger
from mu.localnet.server import advance_slots, open_listeners, serve_localnet
from mu.localnet.writer import LedgerWriter
from mu.marketplace import Marketplace
from tests.mu.localnet.websocket import WebsocketClient

SOL = 10**9
REPOSITORY = Path(__file__).parents[3]


class Localnet:
    """A running local chain and its clients."""

    def __init__(self, ledger: Ledger, port: int) -> None:
        self.ledger = ledger
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    async def websocket(self) -> WebsocketClient:
        return await WebsocketClient(await trio.open_tcp_stream("127.0.0.1", self.port + 1)).connect()


@asynccontextmanager
async def running(engine: Engine, slot_seconds: float = 0.02) -> AsyncIterator[Localnet]:
    ledger = Ledger.open(engine, {PROGRAM_ID: program_bytes()}, seed=b"seed", now=time.time)
    rpc, pubsub = await open_listeners(0)
    identifiers = map(str, itertools.count())
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_localnet(
                ledger,
                rpc_listeners=rpc,
                pubsub_listeners=pubsub,
                now=time.time,
                request_ids=lambda: next(identifiers),
                slot_seconds=slot_seconds,
                task_status=task_status,
            )

        await nursery.start(serve)
        yield Localnet(ledger, rpc[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


async def airdropped(localnet: Localnet, client: AsyncClient, to: Pubkey, lamports: int) -> Signature:
    signature = (await client.request_airdrop(to, lamports)).value
    websocket = await localnet.websocket()
    await websocket.call("signatureSubscribe", str(signature), {"commitment": "confirmed"})
    with trio.fail_after(5):
        await websocket.message()
    return signature


async def test_airdrop_transfer_confirmation_and_restart(tmp_path: Path) -> None:
    payer, to = Keypair.from_seed(b"p" * 32), Keypair.from_seed(b"t" * 32).pubkey()
    engine = LmdbEngine(tmp_path)
    async with running(engine) as localnet, AsyncClient(localnet.url, Confirmed) as client:
        await airdropped(localnet, client, payer.pubkey(), 5 * SOL)
        websocket = await localnet.websocket()
        blockhash = (await client.get_latest_blockhash()).value.blockhash
        instruction = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=SOL))
        message = Message.new_with_blockhash([instruction], payer.pubkey(), blockhash)
        transaction = Transaction([payer], message, blockhash)
        signature = transaction.signatures[0]
        await websocket.call("signatureSubscribe", str(signature), {"commitment": "finalized"})
        sent = await client.send_transaction(
            transaction, TxOpts(skip_confirmation=True, preflight_commitment=Confirmed)
        )
        assert sent.value == signature
        with trio.fail_after(10):
            notified = await websocket.message()
        assert notified["params"]["result"]["value"] == {"err": None}
        before = (await client.get_transaction(signature)).value
        balance = (await client.get_balance(payer.pubkey())).value
        slot = (await client.get_slot(Processed)).value
        listed = (await client.get_signatures_for_address(to)).value
    engine.close()
    assert before is not None
    assert (balance, listed[0].signature) == (4 * SOL - 5_000, signature)

    engine = LmdbEngine(tmp_path)
    async with running(engine) as localnet, AsyncClient(localnet.url, Confirmed) as client:
        assert (await client.get_slot(Processed)).value > slot
        assert (await client.get_transaction(signature)).value == before
        assert (await client.get_balance(payer.pubkey())).value == balance
        again = (await client.get_signatures_for_address(to)).value
        assert [one.signature for one in again] == [signature]
    engine.close()


async def test_every_read_is_one_that_the_client_can_parse() -> None:
    person = Keypair.from_seed(b"p" * 32).pubkey()
    async with running(MemoryEngine()) as localnet, AsyncClient(localnet.url, Confirmed) as client:
        signature = await airdropped(localnet, client, person, SOL)
        assert await client.is_connected()
        assert (await client.get_version()).value.solana_core
        assert (await client.get_genesis_hash()).value == localnet.ledger.genesis_hash
        assert (await client.get_epoch_info()).value.slots_in_epoch == 432_000
        assert (await client.get_block_height()).value >= 0
        assert (await client.get_block_time(localnet.ledger.slot)).value
        assert (await client.get_minimum_balance_for_rent_exemption(0)).value == 890_880
        assert (await client.get_latest_blockhash()).value.last_valid_block_height >= 150
        for encoding in ("base64", "base58", "base64+zstd", "jsonParsed"):
            information = await client.get_account_info(
                person, encoding=encoding, data_slice=DataSliceOpts(offset=0, length=1)
            )
            assert information.value.lamports == SOL
        both = (await client.get_multiple_accounts([person, Pubkey.new_unique()])).value
        assert (both[0].lamports, both[1]) == (SOL, None)
        owned = await client.get_program_accounts(
            SYSTEM_PROGRAM_ID, encoding="base64", filters=[0, MemcmpOpts(offset=0, bytes="")]
        )
        assert person in [one.pubkey for one in owned.value]
        [status] = (await client.get_signature_statuses([signature], search_transaction_history=True)).value
        assert status.err is None
        for encoding in ("json", "base64", "jsonParsed"):
            found = await client.get_transaction(signature, encoding, max_supported_transaction_version=0)
            assert found.value.transaction.meta.fee == 5_000
        [listed] = (await client.get_signatures_for_address(person, limit=1, commitment=Finalized)).value or [
            None
        ]
        assert listed is None or listed.signature == signature


async def test_anchorpy_calls_and_reads_the_marketplace() -> None:
    admin, *others = (Keypair.from_seed(bytes([number]) * 32) for number in range(1, 6))
    keys = LocalKeys(admin=admin, **dict(zip(("mint", "provider", "developer", "node"), others, strict=True)))
    idl = anchorpy.Idl.from_json((REPOSITORY / "contract" / "idl.json").read_text())
    state, bump = state_address()
    accounts = {
        "admin": admin.pubkey(),
        "state": state,
        "mint": keys.mint.pubkey(),
        "commission_tokens": keys.tokens_of(admin),
        "system_program": SYSTEM_PROGRAM_ID,
    }
    terms = (DEPOSIT, COMMISSION_MILLIONTHS, NOTICE_SECONDS)
    options = TxOpts(skip_confirmation=True, preflight_commitment=Confirmed)
    async with running(MemoryEngine()) as localnet, AsyncClient(localnet.url, Confirmed) as client:
        await airdropped(localnet, client, admin.pubkey(), 4 * PERSON_LAMPORTS)
        *before, _ = marketplace_instructions(keys)
        await Marketplace(client).send(before, admin, keys.mint)
        program = anchorpy.Program(
            idl, PROGRAM_ID, anchorpy.Provider(client, anchorpy.Wallet(admin), options)
        )
        websocket = await localnet.websocket()
        await websocket.call("logsSubscribe", {"mentions": [str(PROGRAM_ID)]}, {"commitment": "confirmed"})
        signature = await program.rpc["initialize"](bump, *terms, ctx=anchorpy.Context(accounts=accounts))
        with trio.fail_after(5):
            notified = await websocket.message()
        value: Any = notified["params"]["result"]["value"]
        assert (value["signature"], value["err"]) == (str(signature), None)
        assert any(line.startswith("Program data: ") for line in value["logs"])
        assert (await program.account["State"].fetch(state, Confirmed)).admin == admin.pubkey()
        assert [one.public_key for one in await program.account["State"].all()] == [state]
        # The refusal in preflight has a shape from which anchorpy finds the program's own error.
        other = anchorpy.Context(accounts=accounts)
        with pytest.raises(anchorpy.error.ProgramError) as refused:
            await program.rpc["initialize"](bump - 1, *terms, ctx=other)
        assert refused.value.code >= 6000


async def test_http_is_held_to_post_and_json() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"getHealth"}'
    json_type = {"content-type": "application/json"}
    async with running(MemoryEngine()) as localnet, httpx.AsyncClient() as client:
        assert (await client.get(localnet.url)).status_code == 405
        assert (await client.post(localnet.url, content=body)).status_code == 415
        answer = await client.post(localnet.url, content=body, headers=json_type)
        assert answer.json() == {"jsonrpc": "2.0", "result": "ok", "id": 1}
        batch = await client.post(localnet.url, content=b"[" + body + b"," + body + b"]", headers=json_type)
        assert [one["result"] for one in batch.json()] == ["ok", "ok"]
        assert (await client.post(localnet.url, content=b"[]", headers=json_type)).content == b""
        noise = await client.post(localnet.url, content=b"\xff\0{", headers=json_type)
        assert noise.json()["error"]["code"] == -32700


async def test_slots_advance_at_their_pace(autojump_clock: trio.testing.MockClock) -> None:
    ledger = Ledger.open(MemoryEngine(), {}, seed=b"seed", now=lambda: 100.0)
    # A reservation waits for a real thread, under which a mock clock must not jump.
    ledger._reserve()
    with trio.move_on_after(5.05):
        await advance_slots(LedgerWriter(ledger), 0.1, lambda: 100 + trio.current_time())
    assert ledger.slot == 50


async def test_a_taken_port_is_told() -> None:
    rpc, pubsub = await open_listeners(0)
    port = rpc[0].socket.getsockname()[1]
    assert pubsub[0].socket.getsockname()[1] == port + 1
    with pytest.raises(InvalidInput, match="port"):
        await open_listeners(port)
    for listener in rpc + pubsub:
        await listener.aclose()


async def test_a_client_of_a_stopped_chain_sees_an_error() -> None:
    async with running(MemoryEngine()) as localnet:
        url = localnet.url
    async with AsyncClient(url) as client:
        with pytest.raises(SolanaRpcException):
            await client.get_slot()


VICTIM = """
import sys
from pathlib import Path
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction, VersionedTransaction
from events.engine.lmdb import LmdbEngine
from mu.localnet.commitment import Commitment
from mu.localnet.ledger import Ledger

ledger = Ledger.open(LmdbEngine(Path(sys.argv[1])), {}, seed=b"seed", now=lambda: 0)
faucet, number = ledger.faucet, 0
while True:
    number += 1
    to = Pubkey(number.to_bytes(32))
    blockhash = ledger.latest_blockhash(Commitment.PROCESSED)
    instruction = transfer(TransferParams(from_pubkey=faucet.pubkey(), to_pubkey=to, lamports=10**9))
    message = Message.new_with_blockhash([instruction], faucet.pubkey(), blockhash)
    record = ledger.transact(VersionedTransaction.from_legacy(Transaction([faucet], message, blockhash)))
    print(record.signature, ledger.slot, flush=True)
    if number % 3 == 0:
        ledger.advance_slot(number)
"""


def test_what_was_acknowledged_before_sigkill_is_there(tmp_path: Path) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert victim.stdout is not None
    acknowledged = [victim.stdout.readline().split() for _ in range(200)]
    victim.kill()
    acknowledged += [line.split() for line in victim.stdout.read().splitlines()]
    victim.wait()
    victim.stdout.close()
    engine = LmdbEngine(tmp_path)
    ledger = Ledger.open(engine, {}, seed=b"seed", now=lambda: 0)
    for signature, slot in acknowledged:
        record = ledger.transaction(Signature.from_string(signature), Commitment.PROCESSED)
        assert record is not None
        assert record.slot == int(slot)
    assert ledger.slot > int(acknowledged[-1][1])
    assert 0 <= ledger.transaction_count - len(acknowledged) <= 1
    engine.close()
