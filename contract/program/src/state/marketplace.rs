//! The Marketplace itself; there is one.

use pinocchio::Address;

use super::{Chain, Header, Kind};
use crate::addresses::Seeds;
use crate::errors::Error;
use crate::numbers::{Plain, U32, U64};

pub const MAX_COMMISSION_MILLIONTHS: u32 = 1_000_000;

/// 30 days.
pub const MAX_NOTICE_SECONDS: u32 = 2_592_000;

#[repr(C)]
pub struct State {
    pub header: Header,
    pub admin: Address,
    pub chain: Chain,
    pub mint: Address,
    pub commission_tokens: Address,
    /// In base units of the mint.
    pub deposit: U64,
    pub commission_millionths: U32,
    pub notice_seconds: U32,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for State {}

impl Kind for State {
    const DISCRIMINATOR: [u8; 8] = 0xd8926b5e684bb6b1_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"state", b"", b"", b""]
    }
}

impl State {
    pub fn require_admin(&self, address: &Address) -> Result<(), Error> {
        if &self.admin == address {
            Ok(())
        } else {
            Err(Error::NotTheAdmin)
        }
    }
}
