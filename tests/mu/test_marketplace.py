"""The Marketplace's client on a local chain: what it reads, and what becomes of what it sends."""

import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from contract import client as program
from contract import tokens
from contract.accounts import Authorizer, Escrow, Provider, Stack
from contract.addresses import escrow_address, stack_address
from contract.errors import DecodeError
from contract.program_errors import ProviderNotAuthorized, StackIsDeleted, TokensInsufficient
from contract.tokens import TokenAccountState
from events.catalogue import StackDeleted, StackDeployed
from events.chain.rpc import ChainUnavailable
from events.engine.memory import MemoryEngine
from mu.config import HttpLimits
from mu.http.message import Request, Response
from mu.http.server import serve
from mu.marketplace import Marketplace, MemoryFilter, WrongAccount
from mu.refusals import InsufficientLamports, InsufficientTokens, TransactionFailed
from mu.sending import NotConfirmed
from tests.events.chain.histories import MINT, OWNER, PROVIDER, REGION, TOKENS
from tests.events.chain.live import Actor, chain
from tests.events.chain.test_rpc import post

SOL = 10**9
STACK_REGION_AT = 8 + 1 + 1
STACK_SEED_AT = STACK_REGION_AT + 32 + 32


@asynccontextmanager
async def open_actor() -> AsyncIterator[Actor]:
    """A live chain with a region, and its owner."""
    async with chain(MemoryEngine()) as port:
        actor = Actor(port, itertools.count())
        await actor.set_up()
        yield actor


@asynccontextmanager
async def open_chain() -> AsyncIterator[tuple[Marketplace, Keypair]]:
    """A live chain, and somebody who has a SOL."""
    async with (
        chain(MemoryEngine()) as port,
        AsyncClient(f"http://127.0.0.1:{port}", Confirmed) as client,
    ):
        marketplace, rich = Marketplace(client, poll_seconds=0.01), Keypair()
        await marketplace.airdrop(rich.pubkey(), SOL)
        yield marketplace, rich


def pay(source: Keypair, destination: Pubkey, lamports: int):
    return transfer(TransferParams(from_pubkey=source.pubkey(), to_pubkey=destination, lamports=lamports))


async def test_accounts_by_their_address():
    async with open_actor() as actor:
        found = await actor.marketplace.account(PROVIDER, Provider)
        assert found is not None
        assert (found.owner, found.region_count) == (OWNER.pubkey(), 1)
        assert await actor.marketplace.account(Keypair().pubkey(), Provider) is None
        with pytest.raises(WrongAccount, match="is a Provider, not a Escrow"):
            await actor.marketplace.account(PROVIDER, Escrow)
        with pytest.raises(WrongAccount, match=f"{OWNER.pubkey()} is none of the Marketplace"):
            await actor.marketplace.account(OWNER.pubkey(), Provider)


async def test_accounts_of_a_kind():
    async with open_actor() as actor:
        assert await actor.marketplace.accounts(Stack) == []
        await actor.deploy(3)
        addresses = [stack_address(REGION, OWNER.pubkey(), seed)[0] for seed in range(3)]
        listed = await actor.marketplace.accounts(Stack)
        assert [address for address, _ in listed] == sorted(addresses, key=bytes)
        assert {stack.seed for _, stack in listed} == {0, 1, 2}
        [(address, authorizer)] = await actor.marketplace.accounts(Authorizer)
        assert authorizer.authority == OWNER.pubkey()
        assert await actor.marketplace.account(address, Authorizer) == authorizer


async def test_accounts_of_a_kind_that_pass_filters():
    async with open_actor() as actor:
        await actor.deploy(3)
        in_region = MemoryFilter(STACK_REGION_AT, bytes(REGION))
        with_seed = MemoryFilter(STACK_SEED_AT, (1).to_bytes(8, "little"))
        assert len(await actor.marketplace.accounts(Stack, [in_region])) == 3
        [(address, stack)] = await actor.marketplace.accounts(Stack, [in_region, with_seed])
        assert (address, stack.seed) == (stack_address(REGION, OWNER.pubkey(), 1)[0], 1)
        assert await actor.marketplace.accounts(Stack, [MemoryFilter(STACK_REGION_AT, bytes(PROVIDER))]) == []
        with pytest.raises(ChainUnavailable, match="Too many filters"):
            await actor.marketplace.accounts(Stack, [in_region] * 4)


async def test_tokens_and_their_mint():
    async with open_actor() as actor:
        await actor.marketplace.send([tokens.mint_to(MINT, OWNER.pubkey(), TOKENS, 7)], OWNER)
        mint = await actor.marketplace.mint(MINT)
        assert mint is not None
        assert (mint.decimals, mint.supply) == (6, 7)
        account = await actor.marketplace.token_account(TOKENS)
        assert account is not None
        assert (account.mint, account.owner, account.amount) == (MINT, OWNER.pubkey(), 7)
        assert account.state is TokenAccountState.OPEN
        assert await actor.marketplace.mint(Keypair().pubkey()) is None
        assert await actor.marketplace.token_account(Keypair().pubkey()) is None
        with pytest.raises(WrongAccount, match="none of the token program"):
            await actor.marketplace.token_account(PROVIDER)
        with pytest.raises(DecodeError):
            await actor.marketplace.token_account(MINT)
        with pytest.raises(DecodeError):
            await actor.marketplace.mint(TOKENS)


async def test_the_chains_clock():
    async with open_chain() as (marketplace, _):
        assert abs(await marketplace.unix_time() - time.time()) < 60


async def test_refusals_are_the_programs_exceptions():
    async with open_actor() as actor:
        await actor.deploy()
        owner, stack = OWNER.pubkey(), stack_address(REGION, OWNER.pubkey(), 0)[0]
        delete = program.delete_stack(owner, PROVIDER, REGION, stack)
        await actor.marketplace.send([delete], OWNER)
        with pytest.raises(StackIsDeleted):
            await actor.marketplace.send([pay(OWNER, REGION, 1), delete], OWNER)
        await actor.marketplace.send([program.revoke_provider(owner, PROVIDER)], OWNER)
        with pytest.raises(ProviderNotAuthorized):
            await actor.deploy()


async def test_the_events_of_a_transaction():
    async with open_actor() as actor:
        owner, stack = OWNER.pubkey(), stack_address(REGION, OWNER.pubkey(), 0)[0]
        confirmation = await actor.marketplace.send(
            [
                program.deploy_stack(owner, PROVIDER, REGION, 0, b"manifest"),
                pay(OWNER, REGION, 1),
                program.delete_stack(owner, PROVIDER, REGION, stack),
            ],
            OWNER,
        )
        deployed, deleted = await actor.marketplace.events(confirmation.signature)
        assert isinstance(deployed, StackDeployed)
        assert isinstance(deleted, StackDeleted)
        assert (deployed.stack, deleted.stack) == (str(stack), str(stack))
        assert (deleted.scope, deleted.sequence) == (str(REGION), deployed.sequence + 1)
        paid = await actor.marketplace.send([pay(OWNER, REGION, 2)], OWNER)
        assert await actor.marketplace.events(paid.signature) == []


async def test_a_transaction_that_the_node_does_not_have():
    async with chain(MemoryEngine()) as port, AsyncClient(f"http://127.0.0.1:{port}") as client:
        impatient = Marketplace(client, ask_seconds=0.2)
        signature = str(Keypair().sign_message(b"never sent"))
        with pytest.raises(ChainUnavailable, match=f"does not have the transaction {signature}"):
            await impatient.events(signature)


async def test_too_few_tokens():
    async with open_actor() as actor:
        deposit = program.deposit_escrow(
            OWNER.pubkey(), escrow_address(PROVIDER, OWNER.pubkey())[0], TOKENS, amount=5
        )
        with pytest.raises(TokensInsufficient):
            await actor.marketplace.send([deposit], OWNER)
        with pytest.raises(InsufficientTokens):
            await actor.marketplace.send([tokens.transfer(TOKENS, OWNER.pubkey(), TOKENS, 5)], OWNER)


async def test_too_little_sol():
    async with open_chain() as (marketplace, rich):
        poor = Keypair()
        with pytest.raises(InsufficientLamports, match=str(poor.pubkey())):
            await marketplace.send([pay(poor, rich.pubkey(), 1)], poor)
        with pytest.raises(InsufficientLamports, match=r"has 0\.999995 SOL and needs 2 SOL"):
            await marketplace.send([pay(rich, poor.pubkey(), 2 * SOL)], rich)


async def test_too_little_sol_for_the_rent_of_what_the_program_creates():
    async with open_actor() as actor:
        poor = Keypair()
        await actor.marketplace.send([pay(OWNER, poor.pubkey(), 1_000_000)], OWNER)
        with pytest.raises(InsufficientLamports, match=r"has 0\.000995 SOL and needs 0\.00"):
            await actor.marketplace.send([program.create_escrow(poor.pubkey(), PROVIDER, mint=MINT)], poor)


async def test_several_signers_of_whom_the_first_pays():
    async with open_chain() as (marketplace, rich):
        other = Keypair()
        await marketplace.airdrop(other.pubkey(), SOL)
        to = Keypair().pubkey()
        confirmation = await marketplace.send([pay(other, to, SOL)], rich, other, rich)
        assert confirmation.slot > 0
        with pytest.raises(InsufficientLamports, match="has 0 SOL and needs"):
            await marketplace.send([pay(other, to, 1)], rich, other)


async def test_other_refusals():
    async with open_chain() as (marketplace, rich):
        many = [pay(rich, Keypair().pubkey(), 10**6) for _ in range(40)]
        with pytest.raises(TransactionFailed, match="too large"):
            await marketplace.send(many, rich)


async def test_what_is_not_seen_confirmed_in_time():
    async with chain(MemoryEngine()) as port, AsyncClient(f"http://127.0.0.1:{port}") as client:
        impatient = Marketplace(client, confirm_seconds=0.1)
        with pytest.raises(NotConfirmed):
            await impatient.confirm(Keypair().sign_message(b"never sent"))


QUESTIONS: list[Callable[[Marketplace], Awaitable[object]]] = [
    lambda marketplace: marketplace.account(PROVIDER, Provider),
    lambda marketplace: marketplace.accounts(Provider),
    lambda marketplace: marketplace.mint(MINT),
    lambda marketplace: marketplace.token_account(TOKENS),
    lambda marketplace: marketplace.unix_time(),
    lambda marketplace: marketplace.airdrop(PROVIDER, 1),
    lambda marketplace: marketplace.send([], OWNER),
]


@asynccontextmanager
async def open_node(body: Callable[[Request], bytes]) -> AsyncIterator[Marketplace]:
    """A node that answers each request with these bytes."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def answer(request: Request) -> Response:
        return Response(200, (("content-type", "application/json"),), body(request))

    async def server(task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        await serve(answer, listeners, HttpLimits(), request_ids=lambda: "id", task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(server)
        port = listeners[0].socket.getsockname()[1]
        async with AsyncClient(f"http://127.0.0.1:{port}", Confirmed) as client:
            yield Marketplace(client, poll_seconds=0.01, confirm_seconds=0.05)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"{}", b"null", b'{"jsonrpc":"2.0","id":0,"result":"surprise"}',
     b'{"jsonrpc":"2.0","id":0,"result":{"context":{"slot":1},"value":null}}',
     b'{"jsonrpc":"2.0","id":0,"result":{"context":{"slot":1},"value":[{}]}}',
     b'{"jsonrpc":"2.0","id":0,"error":{"code":-32002,"message":"no data"}}',
     b'{"jsonrpc":"2.0","id":0,"error":{"code":429,"message":"of the provider"}}'],
)  # fmt: skip
async def test_an_answer_that_is_none_is_an_outage(
    question: Callable[[Marketplace], Awaitable[object]], answer: bytes
):
    async with open_node(lambda request: answer) as marketplace:
        try:
            assert await question(marketplace) is None
        except (ChainUnavailable, NotConfirmed):
            return
        assert b'"value":null' in answer


async def test_a_true_answer_cut_short_or_altered_is_an_error_of_ours_or_an_answer():
    questions, asked = QUESTIONS[:5], [b""]

    def keep(request: Request) -> bytes:
        asked[0] = request.body
        return b""

    answers: list[bytes] = []
    async with chain(MemoryEngine()) as port, open_node(keep) as recorder:
        await Actor(port, itertools.count()).set_up()
        for question in questions:
            with suppress(ChainUnavailable):
                await question(recorder)
            answers.append(await post(port, asked[0]))
    body, randomness = [b""], random.Random(0)
    async with open_node(lambda request: body[0]) as marketplace:
        for question, whole in zip(questions, answers, strict=True):
            body[0] = whole
            assert await question(marketplace)
            for size in range(0, len(whole), 7):
                body[0] = whole[:size]
                with pytest.raises(ChainUnavailable):
                    await question(marketplace)
            for _ in range(300):
                altered = bytearray(whole)
                altered[randomness.randrange(len(whole))] = randomness.randrange(256)
                body[0] = bytes(altered)
                with suppress(ChainUnavailable, WrongAccount, DecodeError):
                    await question(marketplace)
