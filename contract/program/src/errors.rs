//! The program's errors; the IDL gives each its message.

use pinocchio::error::ProgramError;

/// Custom errors. Codes are part of the interface: append only.
#[derive(Clone, Copy)]
pub enum Error {
    InstructionDataInvalid = 6000,
    AccountCountInvalid = 6001,
    AccountDuplicate = 6002,
    SignatureMissing = 6003,
    AccountNotWritable = 6004,
    AccountNotOwned = 6005,
    AccountKindInvalid = 6006,
    AddressInvalid = 6007,
    AccountExists = 6008,
    SystemProgramInvalid = 6009,
    NotTheOwner = 6010,
    RegionMismatch = 6011,
    StackIsDeleted = 6012,
    NameInvalid = 6013,
    BaseUrlInvalid = 6014,
    ManifestInvalid = 6015,
    CounterExhausted = 6016,
    RentUnknown = 6017,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
