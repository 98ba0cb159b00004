"""A local chain behind the `mu` command: people with keypair files and tokens, and a Marketplace if one is wanted.

The chain is served by a thread, the command runs in the test's own: use both in tests that are not async.
"""

import io
import itertools
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import msgspec
import pytest
import trio
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account

from cli.main import main
from contract import client as program
from contract import tokens
from contract.accounts import Account
from contract.addresses import (
    PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    associated_token_address,
    provider_address,
    region_address,
)
from contract.client import Prices, Terms
from events.engine.memory import MemoryEngine
from mu.localnet.ledger import Ledger
from mu.localnet.server import open_listeners, serve_localnet
from mu.marketplace import Confirmation, Marketplace

DECIMALS = 6
TOKEN = 10**DECIMALS
SOL = 10**9
MINT_LAMPORTS = 10**7
SLOT_SECONDS = 0.02
PATIENCE_SECONDS = 20.0
NOTICE_SECONDS = 3_600
TERMS = Terms(
    minimum_escrow=10 * TOKEN,
    max_instructions_per_call=10**11,
    notice_seconds=2 * NOTICE_SECONDS,
    prices=Prices(tera_megabyte_instruction=2 * TOKEN, gateway_million_requests=TOKEN // 2),
)

T = TypeVar("T")
A = TypeVar("A", bound=Account)


class Person(msgspec.Struct, frozen=True):
    """Somebody with a keypair in a file."""

    keypair: Keypair
    path: Path

    @property
    def key(self) -> Pubkey:
        return self.keypair.pubkey()

    @property
    def provider(self) -> Pubkey:
        return provider_address(self.key)[0]

    def region(self, number: int) -> Pubkey:
        return region_address(self.provider, number)[0]


class Done(msgspec.Struct, frozen=True):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document that the command printed; it must have succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)


class Terminal(io.StringIO):
    """Text that somebody types, or sees."""

    def isatty(self) -> bool:
        return True


def run_mu(*arguments: object, typed: str | None = None) -> Done:
    """Run `mu` in this process; `typed` is what a person types, None where there is no terminal.

    What is raised unexpectedly goes through, as a traceback would.
    """
    out = io.StringIO()
    stdin, err = (io.StringIO(), io.StringIO()) if typed is None else (Terminal(typed), Terminal())
    code: object = 0
    argv = ["mu", *map(str, arguments)]
    with ExitStack() as stack:
        stack.enter_context(patch.object(sys, "argv", argv))
        stack.enter_context(patch.object(sys, "stdin", stdin))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    assert code is None or isinstance(code, int)
    return Done(code or 0, out.getvalue(), err.getvalue())


class LocalChain:
    """The chain with its mint (`DECIMALS` decimals); there is no Marketplace before `initialize`."""

    def __init__(self, folder: Path, port: int, trio_token: trio.lowlevel.TrioToken) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.config = folder / "config.yml"
        self.config.write_text(f"json_rpc_url: {self.url}\n")
        self.ahead_seconds = 0.0
        self._token = trio_token
        self._client = AsyncClient(self.url, Confirmed)
        self._marketplace = Marketplace(self._client, poll_seconds=0.01)
        self._seeds = itertools.count(1)
        self.minter = self.person("minter")
        mint = self._new_keypair()
        self.mint = mint.pubkey()
        create = create_account(
            CreateAccountParams(
                from_pubkey=self.minter.key,
                to_pubkey=self.mint,
                lamports=MINT_LAMPORTS,
                space=tokens.MINT_BYTES,
                owner=TOKEN_PROGRAM_ID,
            )
        )
        initialize = tokens.initialize_mint(self.mint, self.minter.key, DECIMALS)
        self.send([create, initialize], self.minter, mint)

    # people

    def person(self, name: str, *, sol: int = 100, whole_tokens: int | None = None) -> Person:
        """Somebody new with so much; None: without a token account."""
        keypair = self._new_keypair()
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(list(bytes(keypair))))
        if sol:
            self.call(self._marketplace.airdrop, keypair.pubkey(), sol * SOL)
        person = Person(keypair, path)
        if whole_tokens is not None:
            self.give(person, whole_tokens)
        return person

    def give(self, person: Person, whole_tokens: int) -> None:
        """More tokens for somebody, whose associated token account is created if need be."""
        create = tokens.create_associated_token_account(self.minter.key, person.key, self.mint)
        mint = tokens.mint_to(self.mint, self.minter.key, self.tokens_of(person), whole_tokens * TOKEN)
        self.send([create, mint], self.minter)

    def tokens_of(self, person: Person) -> Pubkey:
        """Their associated token account."""
        return associated_token_address(person.key, self.mint)

    # the command

    def mu(self, *arguments: object, by: Person | None = None, typed: str | None = None) -> Done:
        """Run `mu` on this chain, `by` somebody; a command that only reads needs nobody."""
        keypair = () if by is None else ("--keypair", by.path)
        return run_mu(*arguments, "--config", self.config, *keypair, typed=typed)

    # the Marketplace, without the command

    def initialize(self, *, deposit: int = 100, commission_millionths: int = 30_000) -> Person:
        """Open the Marketplace; deposit in whole tokens. Returns its admin, who also is an authorizer."""
        admin = self.person("admin", whole_tokens=0)
        initialize = program.initialize(
            admin.key,
            mint=self.mint,
            commission_tokens=self.tokens_of(admin),
            deposit=deposit * TOKEN,
            commission_millionths=commission_millionths,
            notice_seconds=NOTICE_SECONDS,
        )
        self.send([initialize, program.create_provider_authorizer(admin.key, admin.key)], admin)
        return admin

    def provider(self, admin: Person, name: str = "alice", *, regions: tuple[int, ...] = (1,)) -> Person:
        """A new person with 1000 tokens less the deposit, whose authorized provider has these live regions."""
        owner = self.person(name, whole_tokens=1_000)
        create = program.create_provider(
            owner.key, name, mint=self.mint, owner_tokens=self.tokens_of(owner), max_deposit=2**64 - 1
        )
        self.send([create], owner)
        self.send([program.authorize_provider(admin.key, owner.provider)], admin)
        for number in regions:
            url = f"https://{name}-{number}.example"
            self.send([program.create_region(owner.key, number, f"{name} {number}", url, TERMS)], owner)
        return owner

    def send(self, instructions: list[Instruction], by: Person, *others: Keypair) -> Confirmation:
        return self.call(self._marketplace.send, instructions, by.keypair, *others)

    def account(self, address: Pubkey, kind: type[A]) -> A:
        """An account that must be there."""
        found = self.call(self._marketplace.account, address, kind)
        assert found is not None
        return found

    def balance(self, address: Pubkey) -> int | None:
        """The base units in a token account, None where there is none."""
        found = self.call(self._marketplace.token_account, address)
        return None if found is None else found.amount

    def lamports(self, address: Pubkey) -> int:
        """What an account has, in lamports."""
        return self.call(self._marketplace.lamports, address)

    # time

    def unix_time(self) -> int:
        return self.call(self._marketplace.unix_time)

    def wait(self, seconds: float) -> None:
        """Put the chain's clock forward; tokens and accounts stay as they are."""
        due = self.unix_time() + seconds
        self.ahead_seconds += seconds + 1
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while self.unix_time() < due:
            assert time.monotonic() < give_up_at
            time.sleep(SLOT_SECONDS)

    def close(self) -> None:
        self.call(self._client.close)

    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Call an async function in the chain's thread."""
        return trio.from_thread.run(function, *arguments, trio_token=self._token)

    def _new_keypair(self) -> Keypair:
        return Keypair.from_seed(next(self._seeds).to_bytes(32, "little"))


def before_sending(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen on the chain after the next command has looked, and before its transaction is there."""
    send = Marketplace.send

    async def send_late(marketplace: Marketplace, *arguments: Any) -> Confirmation:
        monkeypatch.setattr(Marketplace, "send", send)
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(happens).result()
        return await send(marketplace, *arguments)

    monkeypatch.setattr(Marketplace, "send", send_late)


@contextmanager
def open_local_chain(folder: Path) -> Iterator[LocalChain]:
    """A chain on free ports, whose files are in `folder`."""
    started = threading.Event()
    running: list[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]] = []
    chains: list[LocalChain] = []
    failed: list[BaseException] = []

    def now() -> float:
        return time.time() + (chains[0].ahead_seconds if chains else 0.0)

    async def serve() -> None:
        rpc, pubsub = await open_listeners(0)
        ledger = Ledger.open(MemoryEngine(), {PROGRAM_ID: program.program_bytes()}, seed=bytes(32), now=now)

        async def serve_chain(task_status: trio.TaskStatus[None]) -> None:
            await serve_localnet(
                ledger, rpc_listeners=rpc, pubsub_listeners=pubsub, now=now, request_ids=lambda: "id",
                slot_seconds=SLOT_SECONDS, task_status=task_status)  # fmt: skip

        async with trio.open_nursery() as nursery:
            await nursery.start(serve_chain)
            port = rpc[0].socket.getsockname()[1]
            running.append((port, trio.lowlevel.current_trio_token(), nursery.cancel_scope))
            started.set()

    def run() -> None:
        try:
            trio.run(serve)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            started.set()

    thread = threading.Thread(target=run, name="local chain")
    thread.start()
    try:
        started.wait(PATIENCE_SECONDS)
        assert running, failed
        port, token, _ = running[0]
        chains.append(LocalChain(folder, port, token))
        yield chains[0]
        chains[0].close()
    finally:
        for _, token, scope in running:
            trio.from_thread.run_sync(scope.cancel, trio_token=token)
        thread.join(PATIENCE_SECONDS)
