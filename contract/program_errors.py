"""The program's custom errors, one class each; `idl.json` has their messages."""

from typing import ClassVar

from contract.errors import MuError
from contract.interface import ERROR_MESSAGES


class ProgramError(MuError):
    """The Marketplace refused an instruction, with the custom error `code`; nothing has changed."""

    code: ClassVar[int]

    def __init__(self) -> None:
        super().__init__(ERROR_MESSAGES[self.code])


class InstructionDataInvalid(ProgramError):
    code = 6000


class AccountCountInvalid(ProgramError):
    code = 6001


class AccountInUse(ProgramError):
    code = 6002


class SignatureMissing(ProgramError):
    code = 6003


class AccountNotWritable(ProgramError):
    code = 6004


class AccountNotOwned(ProgramError):
    code = 6005


class AccountKindInvalid(ProgramError):
    code = 6006


class AddressInvalid(ProgramError):
    code = 6007


class AccountExists(ProgramError):
    code = 6008


class SystemProgramInvalid(ProgramError):
    code = 6009


class TokenProgramInvalid(ProgramError):
    code = 6010


class NotTheAdmin(ProgramError):
    code = 6011


class NotTheOwner(ProgramError):
    code = 6012


class NotAnAuthorizer(ProgramError):
    code = 6013


class NotTheUsageSigner(ProgramError):
    code = 6014


class UsageSignerExpired(ProgramError):
    code = 6015


class ProviderMismatch(ProgramError):
    code = 6016


class RegionMismatch(ProgramError):
    code = 6017


class EscrowMismatch(ProgramError):
    code = 6018


class VaultMismatch(ProgramError):
    code = 6019


class MintInvalid(ProgramError):
    code = 6020


class TokenAccountInvalid(ProgramError):
    code = 6021


class TokenAccountFrozen(ProgramError):
    code = 6022


class TokensInsufficient(ProgramError):
    code = 6023


class NothingChanges(ProgramError):
    code = 6024


class ProviderNotAuthorized(ProgramError):
    code = 6025


class ProviderIsClosed(ProgramError):
    code = 6026


class ProviderHasRegions(ProgramError):
    code = 6027


class RegionIsClosed(ProgramError):
    code = 6028


class RegionHasStacks(ProgramError):
    code = 6029


class StackIsDeleted(ProgramError):
    code = 6030


class StackIsSettled(ProgramError):
    code = 6031


class GraceIsOver(ProgramError):
    code = 6032


class EscrowTooLow(ProgramError):
    code = 6033


class EscrowRegionsFull(ProgramError):
    code = 6034


class NothingToWithdraw(ProgramError):
    code = 6035


class NoticeNotOver(ProgramError):
    code = 6036


class PositionsInvalid(ProgramError):
    code = 6037


class CostTooLarge(ProgramError):
    code = 6038


class AmountInvalid(ProgramError):
    code = 6039


class NameInvalid(ProgramError):
    code = 6040


class BaseUrlInvalid(ProgramError):
    code = 6041


class ManifestInvalid(ProgramError):
    code = 6042


class TermsInvalid(ProgramError):
    code = 6043


class CommissionInvalid(ProgramError):
    code = 6044


class NoticeInvalid(ProgramError):
    code = 6045


class ValidityInvalid(ProgramError):
    code = 6046


class CounterExhausted(ProgramError):
    code = 6047


class RentUnknown(ProgramError):
    code = 6048


class ClockUnknown(ProgramError):
    code = 6049


class DepositTooHigh(ProgramError):
    code = 6050


class EscrowSuffices(ProgramError):
    code = 6051


_CLASSES = {kind.code: kind for kind in ProgramError.__subclasses__()}


def error_of(code: int) -> ProgramError | None:
    """The program's custom error with this code (from 6000), or None if it has none."""
    kind = _CLASSES.get(code)
    return None if kind is None else kind()
