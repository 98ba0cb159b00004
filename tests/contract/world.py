"""A Marketplace in full swing, from which every instruction but `initialize` can succeed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from contract import client, tokens
from contract.addresses import (
    associated_token_address,
    escrow_address,
    provider_address,
    region_address,
    request_signer_address,
    stack_address,
    usage_report_address,
    vault_address,
)
from contract.client import Prices, Terms, Usage
from tests.contract.cluster import DECIMALS, Cluster

TOKEN = 10**DECIMALS
DEPOSIT = 100 * TOKEN
COMMISSION_MILLIONTHS = 30_000
NOTICE_SECONDS = 3_600
MINIMUM = 10 * TOKEN
PREPAID = 50 * TOKEN
FUNDS = 1_000 * TOKEN
DIGEST = bytes(range(32))

PRICES = Prices(
    tera_megabyte_instruction=2_000_000,
    database_gigabyte_month=300_000,
    database_million_reads=50_000,
    database_million_writes=250_000,
    storage_gigabyte_month=25_000,
    storage_gigabyte_read=10_000,
    storage_gigabyte_written=12_000,
    gateway_million_requests=1_000_000,
    gateway_gigabyte=90_000,
)
TERMS = Terms(
    minimum_escrow=MINIMUM,
    max_instructions_per_call=10**11,
    notice_seconds=2 * NOTICE_SECONDS,
    prices=PRICES,
)
USAGE = Usage(
    megabyte_instructions=10**12,
    database_byte_seconds=2_592_000 * 10**9,
    database_reads=10**6,
    database_writes=10**6,
    storage_byte_seconds=2_592_000 * 10**9,
    storage_bytes_read=10**9,
    storage_bytes_written=10**9,
    gateway_requests=10**6,
    gateway_bytes=10**9,
)
USAGE_COST = 3_737_000
"""One of each unit: the sum of the prices."""

Call = tuple[Instruction, Keypair | None]


@dataclass
class World:
    """Who has what, after the steps of `_story`; `events` are the raw events of those steps, in order.

    Alice sells regions 7 (with carol's, dave's and gina's stacks) and 8 (empty), bob sells region 7, erin is not
    authorized. Carol has escrows with alice (withdrawal asked for, notice over) and bob, dave with alice (its
    vault holds more than is recorded), gina with alice (it holds less than it locks). The signer has reported on
    carol's and on gina's stack once; the reports can be closed.
    """

    cluster: Cluster
    events: list[bytes] = field(default_factory=list)
    opened: bool = True
    """Whether the steps are made; otherwise the Marketplace is not even initialized."""

    def __post_init__(self) -> None:
        names = ("admin", "authority", "alice", "bob", "carol", "dave", "erin", "signer", "gina")
        keys = {name: self.cluster.funded(number) for number, name in enumerate(names, start=1)}
        self.admin, self.authority, self.alice, self.bob = (keys[name] for name in names[:4])
        self.carol, self.dave, self.erin, self.signer, self.gina = (keys[name] for name in names[4:])
        self.keys = list(keys.values())
        self.mint = self.cluster.mint
        for key in self.keys:
            self.cluster.token_account(key.pubkey(), FUNDS)
        self.provider = provider_address(self.alice.pubkey())[0]
        self.other_provider = provider_address(self.bob.pubkey())[0]
        self.region = region_address(self.provider, 7)[0]
        self.empty_region = region_address(self.provider, 8)[0]
        self.other_region = region_address(self.other_provider, 7)[0]
        self.escrow = escrow_address(self.provider, self.carol.pubkey())[0]
        self.dave_escrow = escrow_address(self.provider, self.dave.pubkey())[0]
        self.other_escrow = escrow_address(self.other_provider, self.carol.pubkey())[0]
        self.poor_escrow = escrow_address(self.provider, self.gina.pubkey())[0]
        self.stack = stack_address(self.region, self.carol.pubkey(), 1)[0]
        self.dave_stack = stack_address(self.region, self.dave.pubkey(), 1)[0]
        self.poor_stack = stack_address(self.region, self.gina.pubkey(), 1)[0]
        self.report = usage_report_address(self.stack, 1, 5)[0]
        self.active_request_signer = Pubkey(bytes([101] * 32))
        self.inactive_request_signer = Pubkey(bytes([102] * 32))
        if self.opened:
            self._open()

    def _open(self) -> None:
        for instruction, key in self._story():
            self.do(instruction, key)
        self.cluster.send(
            tokens.transfer(
                self.tokens(self.erin), self.erin.pubkey(), vault_address(self.dave_escrow)[0], TOKEN
            ),
            self.erin,
        )
        self.cluster.set_time(self.cluster.time() + NOTICE_SECONDS)

    def tokens(self, key: Keypair) -> Pubkey:
        return associated_token_address(key.pubkey(), self.mint)

    def do(self, instruction: Instruction, *keys: Keypair | None) -> client.ProgramEvent:
        """Sends an instruction, which must emit one event."""
        [data] = self.cluster.raw_events(instruction, *(key for key in keys if key is not None))
        self.events.append(data)
        return client.decode_event(data)

    def initialize(self) -> Call:
        instruction = client.initialize(
            self.admin.pubkey(),
            mint=self.mint,
            commission_tokens=self.tokens(self.admin),
            deposit=DEPOSIT,
            commission_millionths=COMMISSION_MILLIONTHS,
            notice_seconds=NOTICE_SECONDS,
        )
        return instruction, self.admin

    def create_provider(self, owner: Keypair, name: str) -> Call:
        tokens = self.tokens(owner)
        return client.create_provider(
            owner.pubkey(), name, mint=self.mint, owner_tokens=tokens, max_deposit=DEPOSIT
        ), owner

    def create_escrow(self, owner: Keypair, provider: Pubkey) -> Call:
        return client.create_escrow(owner.pubkey(), provider, mint=self.mint), owner

    def deposit(self, owner: Keypair, escrow: Pubkey, amount: int) -> Call:
        return client.deposit_escrow(owner.pubkey(), escrow, self.tokens(owner), amount), owner

    def update_usage(self, first: int = 6, last: int = 9, usage: Usage = USAGE) -> Call:
        """The signer's report on carol's stack."""
        return self._report(self.carol, self.stack, first, last, usage)

    def _report(self, owner: Keypair, stack: Pubkey, first: int, last: int, usage: Usage) -> Call:
        instruction = client.update_usage(
            self.signer.pubkey(),
            provider=self.provider,
            region=self.region,
            owner=owner.pubkey(),
            stack=stack,
            first_position=first,
            last_position=last,
            digest=DIGEST,
            usage=usage,
            provider_tokens=self.tokens(self.alice),
            commission_tokens=self.tokens(self.admin),
        )
        return instruction, self.signer

    def _story(self) -> list[Call]:
        admin, authority, alice, bob = (
            key.pubkey() for key in (self.admin, self.authority, self.alice, self.bob)
        )
        carol, dave, gina = (key.pubkey() for key in (self.carol, self.dave, self.gina))
        ends_at = self.cluster.time() + 10 * NOTICE_SECONDS
        return [
            self.initialize(),
            (client.create_provider_authorizer(admin, authority), self.admin),
            self.create_provider(self.alice, "alice"),
            self.create_provider(self.bob, "bob"),
            self.create_provider(self.erin, "erin"),
            (client.authorize_provider(authority, self.provider), self.authority),
            (client.authorize_provider(authority, self.other_provider), self.authority),
            (client.create_region(alice, 7, "north", "https://north.example", TERMS), self.alice),
            (client.create_region(alice, 8, "east", "https://east.example", TERMS), self.alice),
            (client.create_region(bob, 7, "south", "https://south.example", TERMS), self.bob),
            (client.create_usage_signer(alice, 7, self.signer.pubkey(), ends_at), self.alice),
            self.create_escrow(self.carol, self.provider),
            self.create_escrow(self.carol, self.other_provider),
            self.create_escrow(self.dave, self.provider),
            self.deposit(self.carol, self.escrow, PREPAID),
            self.deposit(self.carol, self.other_escrow, PREPAID),
            self.deposit(self.dave, self.dave_escrow, PREPAID),
            (client.deploy_stack(carol, self.provider, self.region, 1, b"first"), self.carol),
            (client.deploy_stack(dave, self.provider, self.region, 1, b"dave's"), self.dave),
            (client.create_request_signer(carol, self.region, self.active_request_signer), self.carol),
            (client.create_request_signer(carol, self.region, self.inactive_request_signer), self.carol),
            (client.deactivate_request_signer(carol, self.region, self.inactive_request_signer), self.carol),
            self.update_usage(1, 5),
            (client.withdraw_escrow(carol, self.provider, TOKEN), self.carol),
            self.create_escrow(self.gina, self.provider),
            self.deposit(self.gina, self.poor_escrow, MINIMUM),
            (client.deploy_stack(gina, self.provider, self.region, 1, b"gina's"), self.gina),
            self._report(self.gina, self.poor_stack, 1, 1, USAGE),
        ]

    def calls(self) -> dict[str, Callable[[], Call]]:
        """Each instruction but `initialize`, in a form that succeeds now, and who signs it."""
        admin, authority, alice, carol, erin = (
            key.pubkey() for key in (self.admin, self.authority, self.alice, self.carol, self.erin)
        )
        erins = provider_address(erin)[0]
        signer = Pubkey(bytes([103] * 32))
        changed = Terms(
            minimum_escrow=2 * MINIMUM,
            max_instructions_per_call=1,
            notice_seconds=NOTICE_SECONDS,
            prices=PRICES,
        )
        return {
            "update_deposit": lambda: (client.update_deposit(admin, 1), self.admin),
            "update_commission": lambda: (
                client.update_commission(admin, 1, self.tokens(self.admin)),
                self.admin,
            ),
            "create_provider_authorizer": lambda: (
                client.create_provider_authorizer(admin, carol),
                self.admin,
            ),
            "remove_provider_authorizer": lambda: (
                client.remove_provider_authorizer(admin, authority),
                self.admin,
            ),
            "create_provider": lambda: self.create_provider(self.dave, "dave"),
            "authorize_provider": lambda: (client.authorize_provider(authority, erins), self.authority),
            "revoke_provider": lambda: (
                client.revoke_provider(authority, self.provider),
                self.authority,
            ),
            "close_provider": lambda: (client.close_provider(erin, self.tokens(self.erin)), self.erin),
            "create_region": lambda: (
                client.create_region(alice, 9, "west", "https://west.example", TERMS),
                self.alice,
            ),
            "update_region": lambda: (
                client.update_region(alice, 7, "https://new.example", changed),
                self.alice,
            ),
            "close_region": lambda: (client.close_region(alice, 8), self.alice),
            "create_escrow": lambda: self.create_escrow(self.dave, self.other_provider),
            "deposit_escrow": lambda: self.deposit(self.carol, self.escrow, TOKEN),
            "withdraw_escrow": lambda: (client.withdraw_escrow(carol, self.provider, 1), self.carol),
            "claim_withdrawal": lambda: (
                client.claim_withdrawal(carol, self.provider, self.tokens(self.carol)),
                self.carol,
            ),
            "sync_escrow": lambda: (client.sync_escrow(self.dave_escrow), None),
            "deploy_stack": lambda: (
                client.deploy_stack(carol, self.provider, self.region, 2, b"second"),
                self.carol,
            ),
            "update_stack": lambda: (
                client.update_stack(carol, self.provider, self.region, self.stack, b"longer than it"),
                self.carol,
            ),
            "delete_stack": lambda: (
                client.delete_stack(carol, self.provider, self.region, self.stack),
                self.carol,
            ),
            "evict_stack": lambda: (
                client.evict_stack(alice, self.provider, self.region, self.gina.pubkey(), self.poor_stack),
                self.alice,
            ),
            "create_usage_signer": lambda: (
                client.create_usage_signer(alice, 8, signer, self.cluster.time() + 1),
                self.alice,
            ),
            "revoke_usage_signer": lambda: (client.revoke_usage_signer(alice, 7), self.alice),
            "create_request_signer": lambda: (
                client.create_request_signer(carol, self.region, signer),
                self.carol,
            ),
            "activate_request_signer": lambda: (
                client.activate_request_signer(carol, self.region, self.inactive_request_signer),
                self.carol,
            ),
            "deactivate_request_signer": lambda: (
                client.deactivate_request_signer(carol, self.region, self.active_request_signer),
                self.carol,
            ),
            "update_usage": self.update_usage,
            "close_usage_report": lambda: (
                client.close_usage_report(self.signer.pubkey(), self.region, self.report),
                self.signer,
            ),
        }

    def request_signer(self, signer: Pubkey) -> Pubkey:
        return request_signer_address(self.region, self.carol.pubkey(), signer)[0]
