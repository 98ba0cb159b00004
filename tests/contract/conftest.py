"""A cluster in process (LiteSVM) with the committed program, and a provider, a region and a stack on it."""

import base64
from dataclasses import dataclass, field

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction
from solders.transaction_metadata import FailedTransactionMetadata
from solders.transaction_status import InstructionErrorCustom, TransactionErrorInstructionError

from contract import client
from contract.addresses import PROGRAM_ID, provider_address, region_address, stack_address

LAMPORTS_PER_SOL = 10**9
EVENT_LINE = "Program data: "


class Cluster:
    """Sends instructions to the program; fees are paid by a key of its own, so that balances show rent alone."""

    def __init__(self) -> None:
        # Without a history, the same transaction can be sent twice.
        self.svm = LiteSVM().with_blockhash_check(False).with_transaction_history(0)
        self.svm.add_program(PROGRAM_ID, client.program_bytes())
        self.fee_payer = self.funded(255)

    def funded(self, number: int) -> Keypair:
        key = Keypair.from_seed(bytes([number]) * 32)
        self.svm.airdrop(key.pubkey(), 1000 * LAMPORTS_PER_SOL)
        return key

    def _send(self, instruction: Instruction, signers: tuple[Keypair, ...]):
        message = Message([instruction], self.fee_payer.pubkey())
        keys = [self.fee_payer, *signers]
        return self.svm.send_transaction(Transaction(keys, message, self.svm.latest_blockhash()))

    def raw_events(self, instruction: Instruction, *signers: Keypair) -> list[bytes]:
        """The bytes of what the instruction emits; fails if it is refused."""
        result = self._send(instruction, signers)
        assert not isinstance(result, FailedTransactionMetadata), (result.err(), result.meta().logs())
        lines = [line for line in result.logs() if line.startswith(EVENT_LINE)]
        return [base64.b64decode(line.removeprefix(EVENT_LINE), validate=True) for line in lines]

    def event(self, instruction: Instruction, *signers: Keypair) -> client.ProgramEvent:
        """The one event that the instruction emits."""
        [data] = self.raw_events(instruction, *signers)
        return client.decode_event(data)

    def failure(self, instruction: Instruction, *signers: Keypair):
        """The error with which the instruction fails; it must fail."""
        result = self._send(instruction, signers)
        assert isinstance(result, FailedTransactionMetadata), result.logs()
        return result.err()

    def refusal(self, instruction: Instruction, *signers: Keypair) -> str:
        """The name of the program's own error with which it refuses the instruction."""
        error = self.failure(instruction, *signers)
        assert isinstance(error, TransactionErrorInstructionError), error
        assert isinstance(error.err, InstructionErrorCustom), error
        named = client.error_named(error.err.code)
        assert named is not None, error
        return named[0]

    def data(self, address: Pubkey) -> bytes:
        account = self.svm.get_account(address)
        assert account is not None
        assert account.owner == PROGRAM_ID
        return account.data

    def account(self, address: Pubkey):
        return client.decode_account(self.data(address))

    def balance(self, address: Pubkey) -> int:
        return self.svm.get_balance(address) or 0

    def rent(self, size_bytes: int) -> int:
        return self.svm.minimum_balance_for_rent_exemption(size_bytes)


@dataclass
class World:
    """`cluster` after: initialize, two providers, alice's region 7, alice's stack 1 in it (alice, bob: owners)."""

    cluster: Cluster
    alice: Keypair = field(init=False)
    bob: Keypair = field(init=False)
    region: Pubkey = field(init=False)
    other_region: Pubkey = field(init=False)
    stack: Pubkey = field(init=False)
    events: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.alice, self.bob = self.cluster.funded(1), self.cluster.funded(2)
        alice, bob = self.alice.pubkey(), self.bob.pubkey()
        self.region, _ = region_address(provider_address(alice)[0], 7)
        self.other_region, _ = region_address(provider_address(bob)[0], 7)
        self.stack, _ = stack_address(self.region, alice, 1)
        steps = (
            (client.initialize(alice), self.alice),
            (client.create_provider(alice, "alice"), self.alice),
            (client.create_provider(bob, "bob"), self.bob),
            (client.create_region(alice, 7, "north", "https://north.example"), self.alice),
            (client.create_region(bob, 7, "south", "https://south.example"), self.bob),
            (client.deploy_stack(alice, self.region, 1, b"first"), self.alice),
        )
        self.events = [self.cluster.raw_events(instruction, signer)[0] for instruction, signer in steps]

    def instructions(self) -> dict[str, Instruction]:
        """One of each kind that would succeed now, signed by carol (the creating ones) or alice (the others)."""
        alice, carol = self.alice.pubkey(), self.carol.pubkey()
        return {
            "create_provider": client.create_provider(carol, "carol"),
            "create_region": client.create_region(alice, 8, "east", "https://east.example"),
            "deploy_stack": client.deploy_stack(carol, self.region, 2, b"second"),
            "update_stack": client.update_stack(alice, self.region, self.stack, b"longer than the first"),
            "delete_stack": client.delete_stack(alice, self.region, self.stack),
        }

    @property
    def carol(self) -> Keypair:
        return self.cluster.funded(3)

    def signer_of(self, instruction: Instruction) -> Keypair:
        keys = (self.alice, self.bob, self.carol)
        return next(key for key in keys if key.pubkey() == instruction.accounts[0].pubkey)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def world(cluster: Cluster) -> World:
    return World(cluster)


@pytest.fixture(scope="session")
def new_world():
    """Makes fresh worlds, for each example of a property test one."""
    return lambda: World(Cluster())


@pytest.fixture(scope="module")
def unchanged_world() -> World:
    """For tests whose every instruction is refused."""
    return World(Cluster())


@pytest.fixture(scope="session")
def altered():
    """Makes a copy of an instruction with another account at an index, other flags, or other data."""

    def alter(
        instruction: Instruction,
        index: int = 0,
        *,
        address: Pubkey | None = None,
        signer: bool | None = None,
        writable: bool | None = None,
        data: bytes | None = None,
    ) -> Instruction:
        metas = list(instruction.accounts)
        old = metas[index]
        metas[index] = AccountMeta(
            old.pubkey if address is None else address,
            old.is_signer if signer is None else signer,
            old.is_writable if writable is None else writable,
        )
        return Instruction(instruction.program_id, instruction.data if data is None else data, metas)

    return alter
