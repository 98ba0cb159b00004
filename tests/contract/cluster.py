"""A cluster in process (LiteSVM) with the committed program and one mint."""

import base64
from collections.abc import Sequence

from solders.account import Account as ChainAccount
from solders.clock import Clock
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.transaction import Transaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata
from solders.transaction_status import InstructionErrorCustom, TransactionErrorInstructionError

from contract import client, tokens
from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID, associated_token_address
from contract.program_errors import error_of

LAMPORTS_PER_SOL = 10**9
EVENT_LINE = "Program data: "
DECIMALS = 6
START_UNIX_TIME = 1_800_000_000


class Cluster:
    """Sends instructions; fees are paid by a key of its own, so that balances show rent alone."""

    def __init__(self) -> None:
        # Without a history, the same transaction can be sent twice.
        self.svm = LiteSVM().with_blockhash_check(False).with_transaction_history(0)
        self.svm.add_program(PROGRAM_ID, client.program_bytes())
        self.fee_payer = self.funded(255)
        self.mint_authority = self.key(254)
        self.set_time(START_UNIX_TIME)
        self.mint = self.new_mint(253)

    @staticmethod
    def key(number: int) -> Keypair:
        return Keypair.from_seed(bytes([number]) * 32)

    def funded(self, number: int) -> Keypair:
        key = self.key(number)
        self.svm.airdrop(key.pubkey(), 1000 * LAMPORTS_PER_SOL)
        return key

    # time

    def time(self) -> int:
        return self.svm.get_clock().unix_timestamp

    def set_time(self, unix_time: int) -> None:
        clock = self.svm.get_clock()
        self.svm.set_clock(
            Clock(
                clock.slot, clock.epoch_start_timestamp, clock.epoch, clock.leader_schedule_epoch, unix_time
            )
        )

    # tokens

    def new_mint(self, number: int, *, freezable: bool = True) -> Pubkey:
        """A mint whose address is that of key `number`."""
        mint = self.key(number)
        create = create_account(
            CreateAccountParams(
                from_pubkey=self.fee_payer.pubkey(),
                to_pubkey=mint.pubkey(),
                lamports=self.rent(tokens.MINT_BYTES),
                space=tokens.MINT_BYTES,
                owner=TOKEN_PROGRAM_ID,
            )
        )
        self.send(create, mint)
        authority = self.mint_authority.pubkey()
        initialize = tokens.initialize_mint(mint.pubkey(), authority, DECIMALS)
        if freezable:
            # the Token program's InitializeMint ends with an optional freeze authority
            data = bytes(initialize.data)[:34] + b"\x01" + bytes(authority)
            initialize = Instruction(initialize.program_id, data, initialize.accounts)
        self.send(initialize)
        return mint.pubkey()

    def token_account(self, owner: Pubkey, amount: int = 0, mint: Pubkey | None = None) -> Pubkey:
        """The associated token account of `owner`, with `amount` more base units in it."""
        mint = mint or self.mint
        self.send(tokens.create_associated_token_account(self.fee_payer.pubkey(), owner, mint))
        address = associated_token_address(owner, mint)
        if amount:
            self.send(
                tokens.mint_to(mint, self.mint_authority.pubkey(), address, amount), self.mint_authority
            )
        return address

    def tokens(self, address: Pubkey) -> int:
        """How many base units a token account holds; 0 where there is none."""
        account = self.svm.get_account(address)
        if account is None or not account.data:
            return 0
        assert account.owner == TOKEN_PROGRAM_ID
        return tokens.decode_token_account(account.data).amount

    # instructions

    def transaction(self, instructions: Sequence[Instruction], *signers: Keypair) -> Transaction:
        """Signed by those of `signers` who have to."""
        message = Message(instructions, self.fee_payer.pubkey())
        keys = {key.pubkey(): key for key in (self.fee_payer, *signers)}
        needed = message.account_keys[: message.header.num_required_signatures]
        return Transaction([keys[key] for key in needed], message, self.svm.latest_blockhash())

    def result(
        self, instruction: Instruction, *signers: Keypair
    ) -> TransactionMetadata | FailedTransactionMetadata:
        return self.svm.send_transaction(self.transaction([instruction], *signers))

    def result_together(
        self, instructions: Sequence[Instruction], *signers: Keypair
    ) -> TransactionMetadata | FailedTransactionMetadata:
        """What comes of instructions in one transaction."""
        return self.svm.send_transaction(self.transaction(instructions, *signers))

    def simulated(self, instruction: Instruction, *signers: Keypair) -> dict[Pubkey, ChainAccount] | None:
        """The accounts as they would be after an instruction; None if it would be refused."""
        result = self.svm.simulate_transaction(self.transaction([instruction], *signers))
        if isinstance(result, FailedTransactionMetadata):
            return None
        return dict(result.post_accounts())

    def send(self, instruction: Instruction, *signers: Keypair) -> TransactionMetadata:
        """What came of an instruction that must succeed."""
        result = self.result(instruction, *signers)
        assert isinstance(result, TransactionMetadata), (result.err(), result.meta().logs())
        return result

    def raw_events(self, instruction: Instruction, *signers: Keypair) -> list[bytes]:
        """The bytes of what the instruction emits; fails if it is refused."""
        lines = [line for line in self.send(instruction, *signers).logs() if line.startswith(EVENT_LINE)]
        return [base64.b64decode(line.removeprefix(EVENT_LINE), validate=True) for line in lines]

    def event(self, instruction: Instruction, *signers: Keypair) -> client.ProgramEvent:
        """The one event that the instruction emits."""
        [data] = self.raw_events(instruction, *signers)
        return client.decode_event(data)

    def failure(self, instruction: Instruction, *signers: Keypair):
        """The error with which the instruction fails; it must fail."""
        result = self.result(instruction, *signers)
        assert isinstance(result, FailedTransactionMetadata), result.logs()
        return result.err()

    def refusal(self, instruction: Instruction, *signers: Keypair) -> str:
        """The name of the program's own error with which it refuses the instruction."""
        error = self.failure(instruction, *signers)
        assert isinstance(error, TransactionErrorInstructionError), error
        assert isinstance(error.err, InstructionErrorCustom), error
        named = error_of(error.err.code)
        assert named is not None, error
        return type(named).__name__

    # accounts

    def data(self, address: Pubkey) -> bytes:
        account = self.svm.get_account(address)
        assert account is not None
        assert account.owner == PROGRAM_ID
        return account.data

    def account(self, address: Pubkey) -> client.Account:
        return client.decode_account(self.data(address))

    def exists(self, address: Pubkey) -> bool:
        account = self.svm.get_account(address)
        return account is not None and account.lamports > 0

    def plant(self, address: Pubkey, data: bytes, owner: Pubkey = PROGRAM_ID) -> None:
        """Puts an account where no instruction could have put it."""
        self.svm.set_account(address, ChainAccount(self.rent(len(data)), data, owner))

    def balance(self, address: Pubkey) -> int:
        return self.svm.get_balance(address) or 0

    def rent(self, size_bytes: int) -> int:
        return self.svm.minimum_balance_for_rent_exemption(size_bytes)
