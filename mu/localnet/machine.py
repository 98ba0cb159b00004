"""LiteSVM behind typed results: runs transactions, holds the newest accounts, and sets the clock."""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import msgspec
from solders.account import Account
from solders.clock import Clock
from solders.epoch_schedule import EpochSchedule
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import (
    FailedTransactionMetadata,
    SimulatedTransactionInfo,
    TransactionMetadata,
)
from solders.transaction_status import TransactionStatus

from contract.errors import MuError

SLOTS_PER_EPOCH = 432_000
LAMPORTS_PER_SIGNATURE = 5_000

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class MachinePanic(MuError):
    """LiteSVM panicked on this input; as a simulation runs first, no state has changed."""


class InnerInstruction(msgspec.Struct, frozen=True):
    """An instruction that a program invoked; indexes count in the transaction's account keys."""

    program_id_index: int
    accounts: bytes
    data: bytes
    stack_height: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What running a transaction came to. `error` is as Solana's JSON has it, None for success.

    `charged` says that the fee was paid, so that the transaction belongs to the history.
    """

    error: Any
    charged: bool
    logs: tuple[str, ...] = ()
    compute_units: int = 0
    inner_instructions: tuple[tuple[InnerInstruction, ...], ...] = ()
    return_program: Pubkey | None = None
    return_data: bytes = b""


class Machine:
    """One LiteSVM with the standard programs. Blockhashes and repeated signatures are its caller's part."""

    def __init__(self) -> None:
        self._svm = LiteSVM().with_blockhash_check(False).with_transaction_history(0)
        self._svm.set_epoch_schedule(EpochSchedule.without_warmup())

    def set_clock(self, slot: int, unix_timestamp: int, genesis_unix_timestamp: int) -> None:
        """Set the clock sysvar; an epoch is said to have started at genesis, whichever it is."""
        epoch = slot // SLOTS_PER_EPOCH
        self._svm.set_clock(Clock(slot, genesis_unix_timestamp, epoch, epoch + 1, unix_timestamp))

    def verify_signatures(self, verify: bool) -> None:
        """Turn signature checks off (replay, some simulations) and on again."""
        self._svm.with_sigverify(verify)

    def add_program(self, program_id: Pubkey, code: bytes) -> None:
        """Put a program in place, or in place of another. Raises MachinePanic if it is not one."""
        _contained(self._svm.add_program, program_id, code)

    def set_account(self, address: Pubkey, account: Account) -> None:
        """Overwrite an account (genesis only)."""
        self._svm.set_account(address, account)

    def account(self, address: Pubkey) -> Account | None:
        """The newest state; None for an account without lamports, as it does not exist."""
        account = self._svm.get_account(address)
        return account if account is not None and account.lamports else None

    def minimum_balance(self, data_bytes: int) -> int:
        """The lamports that exempt an account of this size from rent."""
        return self._svm.minimum_balance_for_rent_exemption(data_bytes)

    def simulate(self, transaction: VersionedTransaction) -> tuple[Outcome, dict[Pubkey, Account]]:
        """Run without effect; also the accounts as they would be (none on failure). Raises MachinePanic."""
        result = _contained(self._svm.simulate_transaction, transaction)
        if isinstance(result, SimulatedTransactionInfo):
            return _outcome(result.meta()), dict(result.post_accounts())
        return _outcome(result), {}

    def execute(self, transaction: VersionedTransaction) -> Outcome:
        """Run with effect. Raises MachinePanic."""
        return _outcome(_contained(self._svm.send_transaction, transaction))


def _contained(
    call: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    try:
        return call(*args, **kwargs)
    except Exception as error:
        raise MachinePanic(f"LiteSVM refused its input: {error}") from error
    except BaseException as error:
        # A Rust panic arrives as a BaseException of no public type; it must not end the node.
        if type(error).__name__ == "PanicException":
            raise MachinePanic(f"LiteSVM panicked: {error}") from error
        raise


def _outcome(result: TransactionMetadata | FailedTransactionMetadata) -> Outcome:
    if isinstance(result, FailedTransactionMetadata):
        meta = result.meta()
        error = msgspec.json.decode(TransactionStatus(slot=0, err=result.err()).to_json())["err"]
        # LiteSVM leaves the signature empty when it gave up before the fee was taken.
        charged = meta.signature() != Signature.default()
    else:
        meta, error, charged = result, None, True
    returned: Any = meta.return_data()  # pyright: ignore[reportAttributeAccessIssue] — not in the stubs
    return Outcome(
        error=error,
        charged=charged,
        logs=tuple(meta.logs()),
        compute_units=meta.compute_units_consumed(),
        inner_instructions=tuple(tuple(_inner(one) for one in group) for group in meta.inner_instructions()),
        return_program=returned.program_id if returned.data else None,
        return_data=bytes(returned.data),
    )


def _inner(invoked: Any) -> InnerInstruction:
    compiled = invoked.instruction()
    accounts: Sequence[int] = compiled.accounts
    return InnerInstruction(
        compiled.program_id_index, bytes(accounts), bytes(compiled.data), invoked.stack_height()
    )
