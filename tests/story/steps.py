"""A whole story on a cluster: a Marketplace is set up, a stack is sold, used, charged for and deleted.

By the `mu` commands where there is one, and by the client for the rest. Who acts is always the same, so that the same
story on another cluster has the same addresses.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from click.testing import CliRunner
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.system_program import CreateAccountParams, create_account

from cli.main import mu
from contract import client as program
from contract import tokens
from contract.addresses import (
    TOKEN_PROGRAM_ID,
    associated_token_address,
    escrow_address,
    provider_address,
    region_address,
    stack_address,
    state_address,
)
from contract.client import Usage
from contract.errors import MuError
from mu.marketplace import Marketplace

NOTICE_SECONDS = 3
VALID_TO = "2030-01-01"
LAMPORTS = 10 * 10**9
DECIMALS = 6
FUNDS = 1_000 * 10**DECIMALS
MINT_LAMPORTS = 10**7
PATIENCE_SECONDS = 60.0

TERMS = f"""\
minimum_escrow: 10
max_instructions_per_call: 100000000000
notice: {NOTICE_SECONDS} seconds
prices:
  tera_megabyte_instruction: 2
  database_gigabyte_month: 0.3
  database_million_reads: 0.05
  database_million_writes: 0.25
  storage_gigabyte_month: 0.025
  storage_gigabyte_read: 0.01
  storage_gigabyte_written: 0.012
  gateway_million_requests: 1
  gateway_gigabyte: 0.09
"""
USAGE = Usage(megabyte_instructions=3 * 10**12, database_reads=123_456, gateway_requests=2_000_001)
LAST_USAGE = Usage(gateway_bytes=5 * 10**9)

ADMIN, AUTHORITY, OWNER, CLIENT, NODE, MINT = (
    Keypair.from_seed(bytes([number] * 32)) for number in range(31, 37)
)
PROVIDER = provider_address(OWNER.pubkey())[0]
REGION = region_address(PROVIDER, 7)[0]
ESCROW = escrow_address(PROVIDER, CLIENT.pubkey())[0]
STACK = stack_address(REGION, CLIENT.pubkey(), 0)[0]
SCOPES = [str(scope) for scope in (state_address()[0], PROVIDER, REGION, ESCROW)]
EVENTS_IN_THE_FIRST_HALF = {SCOPES[0]: 2, SCOPES[1]: 2, SCOPES[2]: 5, SCOPES[3]: 2}
EVENTS = {SCOPES[0]: 2, SCOPES[1]: 2, SCOPES[2]: 8, SCOPES[3]: 4}


class Story:
    """The story on one cluster; `before` is told each step that the chain's clock has a part in, by its name."""

    def __init__(
        self, port: int, folder: Path, before: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._before = before
        self.marketplace = Marketplace(AsyncClient(self._url, Confirmed))
        (folder / "terms.yaml").write_text(TERMS)
        for name, key in (("admin", ADMIN), ("authority", AUTHORITY), ("owner", OWNER), ("client", CLIENT)):
            (folder / f"{name}.json").write_text(json.dumps(list(bytes(key))))

    async def set_up_money(self) -> None:
        """Lamports for everybody, a mint, and tokens for the provider and the client."""
        for key in (ADMIN, AUTHORITY, OWNER, CLIENT, NODE):
            await self.marketplace.airdrop(key.pubkey(), LAMPORTS)
        admin = ADMIN.pubkey()
        create_mint = create_account(
            CreateAccountParams(
                from_pubkey=admin,
                to_pubkey=MINT.pubkey(),
                lamports=MINT_LAMPORTS,
                space=tokens.MINT_BYTES,
                owner=TOKEN_PROGRAM_ID,
            )
        )
        initialize = tokens.initialize_mint(MINT.pubkey(), admin, DECIMALS)
        await self.marketplace.send([create_mint, initialize], ADMIN, MINT)
        for key in (OWNER, CLIENT):
            await self.marketplace.send(
                [
                    tokens.create_associated_token_account(admin, key.pubkey(), MINT.pubkey()),
                    tokens.mint_to(MINT.pubkey(), admin, self._tokens(key), FUNDS),
                ],
                ADMIN,
            )

    async def first_half(self) -> None:
        """From the Marketplace to a deployed stack."""
        notice = str(NOTICE_SECONDS)
        mint = str(MINT.pubkey())
        await self._mu(
            "admin", "initialize", "--mint", mint, "--deposit", "100", "--commission", "5%",
            "--notice-seconds", notice, by="admin")  # fmt: skip
        await self._mu("admin", "authorizer", "create", str(AUTHORITY.pubkey()), by="admin")
        await self._mu("provider", "create", "--name", "north", "--yes", by="owner")
        await self._mu("admin", "authorize", str(PROVIDER), by="authority")
        await self._mu(
            "provider", "region", "create", "--number", "7", "--name", "fjord", "--base-url",
            "https://fjord.example", "--terms", str(self._folder / "terms.yaml"), by="owner")  # fmt: skip
        await self._step("UsageSignerCreated")
        await self._mu(
            "provider", "signer", "create", "--region", "7", str(NODE.pubkey()), "--valid-to", VALID_TO,
            by="owner")  # fmt: skip
        await self._mu("escrow", "create", str(PROVIDER), by="client")
        await self._mu("escrow", "deposit", str(PROVIDER), "50", "--yes", by="client")
        await self.send(program.deploy_stack(CLIENT.pubkey(), PROVIDER, REGION, 0, b"manifest"), CLIENT)
        await self.send(
            program.update_stack(CLIENT.pubkey(), PROVIDER, REGION, STACK, b"a longer manifest"), CLIENT
        )
        await self._mu("request-signer", "create", str(REGION), str(NODE.pubkey()), by="client")

    async def second_half(self) -> None:
        """Usage is reported, the stack is deleted and settled, and the rest of the money goes back."""
        await self._step("UsageReported")
        await self.report(1, 5, USAGE)
        await self._step("WithdrawalRequested")
        await self._mu("escrow", "withdraw", str(PROVIDER), "all", by="client")
        await self._step("StackDeleted")
        await self._mu("stack", "delete", str(STACK), "--yes", by="client")
        await self._step("UsageReported")
        await self.report(6, 9, LAST_USAGE)
        await self._step("WithdrawalClaimed")
        escrow = await self.marketplace.account(ESCROW, program.Escrow)
        assert escrow is not None
        await self._until(escrow.withdrawal_from)
        await self._mu("escrow", "withdraw", str(PROVIDER), "--claim", by="client")

    async def report(self, first: int, last: int, usage: Usage) -> None:
        """The node's report on the stack."""
        await self.send(
            program.update_usage(
                NODE.pubkey(),
                provider=PROVIDER,
                region=REGION,
                owner=CLIENT.pubkey(),
                stack=STACK,
                first_position=first,
                last_position=last,
                digest=bytes(range(32)),
                usage=usage,
                provider_tokens=self._tokens(OWNER),
                commission_tokens=self._tokens(ADMIN),
            ),
            NODE,
        )

    async def balances(self) -> dict[str, int]:
        """What everybody's token accounts hold in the end, in base units."""
        held: dict[str, int] = {}
        for name, key in (("admin", ADMIN), ("owner", OWNER), ("client", CLIENT)):
            account = await self.marketplace.token_account(self._tokens(key))
            held[name] = account.amount if account else 0
        return held

    async def send(self, instruction: Instruction, signer: Keypair) -> None:
        """One instruction that has no command."""
        await self.marketplace.send([instruction], signer)

    async def until_replayed(self) -> None:
        """Wait for the history: a validator says that it is healthy before it has read its ledger."""
        with trio.fail_after(PATIENCE_SECONDS):
            while not await self._has_escrow():
                pass  # each question waits for its answer

    async def _has_escrow(self) -> bool:
        try:
            return await self.marketplace.account(ESCROW, program.Escrow) is not None
        except MuError:
            await trio.lowlevel.checkpoint()
            return False

    async def _until(self, unix_time: int) -> None:
        """Wait until the chain's clock has come to a time."""
        with trio.fail_after(PATIENCE_SECONDS):
            while await self.marketplace.unix_time() < unix_time:
                pass  # each question waits for its answer

    async def _step(self, name: str) -> None:
        if self._before is not None:
            await self._before(name)

    async def _mu(self, *arguments: str, by: str) -> None:
        options = ("--url", self._url, "--keypair", str(self._folder / f"{by}.json"), "--json")
        result = await trio.to_thread.run_sync(CliRunner().invoke, mu, [*arguments, *options])
        assert result.exit_code == 0, (arguments, result.output, result.exception)
        assert json.loads(result.stdout)["signature"]

    def _tokens(self, key: Keypair):
        return associated_token_address(key.pubkey(), MINT.pubkey())
