"""What tests of refusals share: each instruction in a form that succeeds, and the accounts to misuse in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from solders.account import Account as ChainAccount
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM_ID
from solders.sysvar import CLOCK, RENT

from contract import client
from contract.addresses import (
    PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    authorizer_address,
    provider_address,
    region_address,
    request_signer_address,
    stack_address,
    state_address,
    usage_report_address,
    usage_signer_address,
    vault_address,
)
from contract.interface import parse_account
from tests.contract.cluster import Cluster
from tests.contract.idl_values import IDL, account_data, snake
from tests.contract.world import DEPOSIT, DIGEST, NOTICE_SECONDS, TERMS, USAGE, World

TOKEN_2022_ID = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
FALSE_PROGRAM_ID = Pubkey([77] * 32)
"""The Token program's own code under another id."""


@dataclass(frozen=True)
class Place:
    """Where an instruction takes an account."""

    index: int
    name: str
    signs: bool
    writable: bool


PLACES = {
    snake(instruction["name"]): [
        Place(index, snake(account["name"]), account["isSigner"], account["isMut"])
        for index, account in enumerate(instruction["accounts"])
    ]
    for instruction in IDL["instructions"]
}
"""The places of each instruction."""

NAMES = list(PLACES)


@dataclass(frozen=True)
class Target:
    """An instruction that would succeed, and the world in which it would."""

    name: str
    world: World
    instruction: Instruction
    others: dict[str, Pubkey]

    @property
    def cluster(self) -> Cluster:
        return self.world.cluster

    @property
    def keys(self) -> list[Keypair]:
        return self.world.keys

    def address(self, place: str) -> Pubkey:
        """What the instruction has in a place."""
        [index] = [known.index for known in PLACES[self.name] if known.name == place]
        return self.instruction.accounts[index].pubkey

    def snapshot(self, instruction: Instruction) -> list[ChainAccount | None]:
        return [self.cluster.svm.get_account(meta.pubkey) for meta in instruction.accounts]

    def refusal(self, instruction: Instruction) -> str:
        """The error of ours with which the instruction is refused, which must change nothing."""
        before = self.snapshot(instruction)
        name = self.cluster.refusal(instruction, *self.keys)
        assert self.snapshot(instruction) == before
        return name

    def accepts(self, instruction: Instruction) -> dict[Pubkey, ChainAccount] | None:
        """The accounts as they would be; None if it would be refused. Nothing changes."""
        return self.cluster.simulated(instruction, *self.keys)

    def with_account(self, place: Place, address: Pubkey) -> Instruction:
        metas = list(self.instruction.accounts)
        metas[place.index] = AccountMeta(address, place.signs, place.writable)
        return Instruction(PROGRAM_ID, self.instruction.data, metas)

    def with_data(self, data: bytes) -> Instruction:
        return Instruction(PROGRAM_ID, data, list(self.instruction.accounts))

    @contextmanager
    def planted(self, address: Pubkey, data: bytes, owner: Pubkey = PROGRAM_ID) -> Iterator[None]:
        """Puts other contents at an address for a while, whatever is there."""
        svm = self.cluster.svm
        before = svm.get_account(address)
        self.cluster.plant(address, data, owner)
        yield
        svm.set_account(address, before or ChainAccount(0, b"", SYSTEM_PROGRAM_ID))

    def programs_own(self) -> list[Place]:
        """The places of accounts of the Marketplace's that are there."""
        accounts = [self.cluster.svm.get_account(meta.pubkey) for meta in self.instruction.accounts]
        places = zip(PLACES[self.name], accounts, strict=True)
        return [place for place, account in places if account is not None and account.owner == PROGRAM_ID]


def with_fields(data: bytes, **fields: object) -> bytes:
    """An account of the Marketplace's with other values in some fields, as if the program had got there."""
    name, values, _ = parse_account(data)
    assert fields.keys() <= values.keys()
    return account_data(name, values | fields)


def with_tokens(
    data: bytes, *, amount: int | None = None, state: int = 1, mint: Pubkey | None = None
) -> bytes:
    """A token account (165 bytes) with other contents; its state is 0 uninitialized, 1 open, or 2 frozen."""
    amount = int.from_bytes(data[64:72], "little") if amount is None else amount
    head = data[:32] if mint is None else bytes(mint)
    return head + data[32:64] + amount.to_bytes(8, "little") + data[72:108] + bytes([state]) + data[109:]


def targets() -> dict[str, Target]:
    """Each instruction, `initialize` on a cluster of its own."""
    world = World(Cluster())
    others = neighbours(world)
    found = {name: Target(name, world, make()[0], others) for name, make in world.calls().items()}
    bare = World(Cluster(), opened=False)
    found["initialize"] = Target("initialize", bare, bare.initialize()[0], strangers(bare))
    assert found.keys() == PLACES.keys()
    return found


def strangers(world: World) -> dict[str, Pubkey]:
    """Accounts that have nothing to do with the Marketplace, and programs in the place of others."""
    cluster, svm = world.cluster, world.cluster.svm
    token_program = svm.get_account(TOKEN_PROGRAM_ID)
    assert token_program is not None
    svm.add_program(FALSE_PROGRAM_ID, token_program.data)
    names = ("admin", "authority", "alice", "bob", "carol", "dave", "erin", "signer", "gina")
    found = dict(zip(names, (key.pubkey() for key in world.keys), strict=True))
    found |= {f"{name}_tokens": world.tokens(key) for name, key in zip(names, world.keys, strict=True)}
    found |= {
        "mint": world.mint,
        "other_mint": cluster.new_mint(252),
        "nobody": Pubkey([78] * 32),
        "zeros": Pubkey([79] * 32),
        "foreign": Pubkey([80] * 32),
        "marketplace": PROGRAM_ID,
        "system_program": SYSTEM_PROGRAM_ID,
        "token_program": TOKEN_PROGRAM_ID,
        "false_program": FALSE_PROGRAM_ID,
        "clock": CLOCK,
        "rent": RENT,
    }
    cluster.plant(found["zeros"], bytes(600))
    cluster.plant(found["foreign"], bytes(range(1, 101)), Pubkey([81] * 32))
    for number, name in enumerate(("alice", "carol"), start=82):
        address = found[f"{name}_second_tokens"] = Pubkey([number] * 32)
        data = svm.get_account(found[f"{name}_tokens"]).data
        cluster.plant(address, data, TOKEN_PROGRAM_ID)
        found[f"{name}_other_tokens"] = cluster.token_account(found[name], 10**9, found["other_mint"])
    return found


def neighbours(world: World) -> dict[str, Pubkey]:
    """The accounts of the world by name, with others beside them, of every kind and of more than one owner."""
    found = strangers(world)
    cluster = world.cluster
    frank = cluster.funded(10)
    world.keys.append(frank)
    frank_tokens = cluster.token_account(frank.pubkey(), 10**9)
    alice, carol, dave, erin, bob = (found[name] for name in ("alice", "carol", "dave", "erin", "bob"))
    carol_signer, dave_signer = Pubkey([111] * 32), Pubkey([112] * 32)
    other_stack = stack_address(world.other_region, carol, 1)[0]
    deleted_stack = stack_address(world.region, carol, 8)[0]
    ends_at = cluster.time() + 10 * NOTICE_SECONDS

    def report(signer: Pubkey, provider: Pubkey, region: Pubkey, owner: Pubkey, stack: Pubkey) -> Instruction:
        seller = world.alice if provider == world.provider else world.bob
        return client.update_usage(
            signer,
            provider=provider,
            region=region,
            owner=owner,
            stack=stack,
            first_position=1,
            last_position=5,
            digest=DIGEST,
            usage=USAGE,
            provider_tokens=world.tokens(seller),
            commission_tokens=world.tokens(world.admin),
        )

    for instruction in (
        client.create_provider_authorizer(world.admin.pubkey(), erin),
        client.create_provider(
            frank.pubkey(), "frank", mint=world.mint, owner_tokens=frank_tokens, max_deposit=DEPOSIT
        ),
        client.close_provider(frank.pubkey(), frank_tokens),
        client.create_region(alice, 6, "old", "https://old.example", TERMS),
        client.close_region(alice, 6),
        client.create_usage_signer(bob, 7, erin, ends_at),
        client.create_request_signer(carol, world.other_region, carol_signer),
        client.create_request_signer(dave, world.region, dave_signer),
        client.deploy_stack(carol, world.other_provider, world.other_region, 1, b"other"),
        client.deploy_stack(carol, world.provider, world.region, 8, b"deleted"),
        client.deploy_stack(carol, world.provider, world.region, 9, b"second"),
        report(found["signer"], world.provider, world.region, dave, world.dave_stack),
        report(erin, world.other_provider, world.other_region, carol, other_stack),
    ):
        cluster.event(instruction, *world.keys)
    # The deletion comes first, so that the notice of the withdrawal is over afterwards.
    cluster.event(client.delete_stack(carol, world.provider, world.region, deleted_stack), world.carol)
    cluster.set_time(cluster.time() + NOTICE_SECONDS)
    providers = {
        "provider": world.provider,
        "other_provider": world.other_provider,
        "erin_provider": provider_address(erin)[0],
        "closed_provider": provider_address(frank.pubkey())[0],
    }
    escrows = {
        "escrow": world.escrow,
        "dave_escrow": world.dave_escrow,
        "other_escrow": world.other_escrow,
        "poor_escrow": world.poor_escrow,
    }
    vaults = {f"{name}_vault": vault_address(key)[0] for name, key in {**providers, **escrows}.items()}
    return found | providers | escrows | vaults | {
        "state": state_address()[0],
        "authorizer": authorizer_address(world.authority.pubkey())[0],
        "erin_authorizer": authorizer_address(erin)[0],
        "region": world.region,
        "empty_region": world.empty_region,
        "other_region": world.other_region,
        "closed_region": region_address(world.provider, 6)[0],
        "stack": world.stack,
        "second_stack": stack_address(world.region, carol, 9)[0],
        "dave_stack": world.dave_stack,
        "poor_stack": world.poor_stack,
        "deleted_stack": deleted_stack,
        "other_stack": other_stack,
        "usage_signer": usage_signer_address(world.region)[0],
        "other_usage_signer": usage_signer_address(world.other_region)[0],
        "active_request_signer": world.request_signer(world.active_request_signer),
        "inactive_request_signer": world.request_signer(world.inactive_request_signer),
        "other_request_signer": request_signer_address(world.other_region, carol, carol_signer)[0],
        "dave_request_signer": request_signer_address(world.region, dave, dave_signer)[0],
        "report": world.report,
        "dave_report": usage_report_address(world.dave_stack, 1, 5)[0],
        "poor_report": usage_report_address(world.poor_stack, 1, 1)[0],
        "other_report": usage_report_address(other_stack, 1, 5)[0],
        "frank_tokens": frank_tokens,
    }  # fmt: skip
