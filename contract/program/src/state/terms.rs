//! What a region costs, and what was used: the same units in the same order in both.

use super::marketplace::State;
use crate::errors::Error;
use crate::numbers::{Plain, U32, U64};

/// 365 days.
const MAX_TERMS_NOTICE_SECONDS: u32 = 31_536_000;

/// In base units of the mint.
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Prices {
    /// Of 10^12 megabyte-instructions.
    pub tera_megabyte_instruction: U64,
    /// Of 10^9 bytes for 30 days.
    pub database_gigabyte_month: U64,
    pub database_million_reads: U64,
    pub database_million_writes: U64,
    /// Of 10^9 bytes for 30 days.
    pub storage_gigabyte_month: U64,
    /// Of 10^9 bytes.
    pub storage_gigabyte_read: U64,
    /// Of 10^9 bytes.
    pub storage_gigabyte_written: U64,
    pub gateway_million_requests: U64,
    /// Of 10^9 bytes.
    pub gateway_gigabyte: U64,
}

/// In the units that are metered.
#[repr(C)]
pub struct Usage {
    pub megabyte_instructions: U64,
    pub database_byte_seconds: U64,
    pub database_reads: U64,
    pub database_writes: U64,
    pub storage_byte_seconds: U64,
    pub storage_bytes_read: U64,
    pub storage_bytes_written: U64,
    pub gateway_requests: U64,
    pub gateway_bytes: U64,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for Usage {}

#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Terms {
    /// In base units of the mint.
    pub minimum_escrow: U64,
    pub max_instructions_per_call: U64,
    pub notice_seconds: U32,
    pub prices: Prices,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for Terms {}

impl Terms {
    /// Where none are to come.
    pub const NONE: Self = {
        let zero = U64::new(0);
        Self {
            minimum_escrow: zero,
            max_instructions_per_call: zero,
            notice_seconds: U32::new(0),
            prices: Prices {
                tera_megabyte_instruction: zero,
                database_gigabyte_month: zero,
                database_million_reads: zero,
                database_million_writes: zero,
                storage_gigabyte_month: zero,
                storage_gigabyte_read: zero,
                storage_gigabyte_written: zero,
                gateway_million_requests: zero,
                gateway_gigabyte: zero,
            },
        }
    };

    /// Refuses what no region may have. Raises `TermsInvalid`.
    pub fn require_valid(&self, state: &State) -> Result<(), Error> {
        let notice_seconds = self.notice_seconds.get();
        if self.max_instructions_per_call.get() == 0
            || notice_seconds < state.notice_seconds.get()
            || notice_seconds > MAX_TERMS_NOTICE_SECONDS
        {
            return Err(Error::TermsInvalid);
        }
        Ok(())
    }
}
