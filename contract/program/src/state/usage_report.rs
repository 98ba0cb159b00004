//! A charge that was made: while its account is there, the same report finds its address taken.

use pinocchio::Address;

use super::{Header, Kind};
use crate::addresses::Seeds;
use crate::numbers::{Plain, I64, U64};

#[repr(C)]
pub struct UsageReport {
    pub header: Header,
    pub region: Address,
    pub stack: Address,
    pub first_position: U64,
    pub last_position: U64,
    pub payer: Address,
    /// Unix time, in seconds.
    pub reported_at: I64,
    pub digest: [u8; 32],
    /// In base units of the mint, as the next two.
    pub cost: U64,
    pub charge: U64,
    pub commission: U64,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for UsageReport {}

impl Kind for UsageReport {
    const DISCRIMINATOR: [u8; 8] = 0x8629088197e94e7c_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"usage_report", self.stack.as_ref(), self.first_position.as_bytes(), self.last_position.as_bytes()]
    }
}
