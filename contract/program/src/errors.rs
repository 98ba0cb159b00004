//! The program's errors; the IDL gives each its message.

use pinocchio::error::ProgramError;

/// Custom errors. Codes are part of the interface: append only.
#[derive(Clone, Copy)]
pub enum Error {
    InstructionDataInvalid = 6000,
    AccountCountInvalid = 6001,
    AccountInUse = 6002,
    SignatureMissing = 6003,
    AccountNotWritable = 6004,
    AccountNotOwned = 6005,
    AccountKindInvalid = 6006,
    AddressInvalid = 6007,
    AccountExists = 6008,
    SystemProgramInvalid = 6009,
    TokenProgramInvalid = 6010,
    NotTheAdmin = 6011,
    NotTheOwner = 6012,
    NotAnAuthorizer = 6013,
    NotTheUsageSigner = 6014,
    UsageSignerExpired = 6015,
    ProviderMismatch = 6016,
    RegionMismatch = 6017,
    EscrowMismatch = 6018,
    VaultMismatch = 6019,
    MintInvalid = 6020,
    TokenAccountInvalid = 6021,
    TokenAccountFrozen = 6022,
    TokensInsufficient = 6023,
    NothingChanges = 6024,
    ProviderNotAuthorized = 6025,
    ProviderIsClosed = 6026,
    ProviderHasRegions = 6027,
    RegionIsClosed = 6028,
    RegionHasStacks = 6029,
    StackIsDeleted = 6030,
    StackIsSettled = 6031,
    GraceIsOver = 6032,
    EscrowTooLow = 6033,
    EscrowRegionsFull = 6034,
    NothingToWithdraw = 6035,
    NoticeNotOver = 6036,
    PositionsInvalid = 6037,
    CostTooLarge = 6038,
    AmountInvalid = 6039,
    NameInvalid = 6040,
    BaseUrlInvalid = 6041,
    ManifestInvalid = 6042,
    TermsInvalid = 6043,
    CommissionInvalid = 6044,
    NoticeInvalid = 6045,
    ValidityInvalid = 6046,
    CounterExhausted = 6047,
    RentUnknown = 6048,
    ClockUnknown = 6049,
    DepositTooHigh = 6050,
    EscrowSuffices = 6051,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
