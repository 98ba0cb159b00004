//! What a developer has deployed to a region. The manifest follows the fixed fields.

use pinocchio::Address;

use super::terms::Prices;
use super::{Header, Kind, LENGTH_BYTES, SPARE_BYTES};
use crate::addresses::Seeds;
use crate::errors::Error;
use crate::numbers::{Plain, I64, U32, U64};

pub const ACTIVE: u8 = 0;
/// Awaits its last usage report.
pub const DELETED: u8 = 1;
/// Has had it.
pub const SETTLED: u8 = 2;

#[repr(C)]
pub struct Stack {
    pub header: Header,
    pub region: Address,
    pub owner: Address,
    pub seed: U64,
    pub revision: U32,
    pub status: u8,
    /// The last position of its last usage report; 0 before the first.
    pub reported_position: U64,
    /// Unix time, in seconds; 0 while it is live.
    pub deleted_at: I64,
    /// The prices in force when it was deleted, at which its last usage is charged; zeros while it is live.
    pub final_prices: Prices,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for Stack {}

impl Kind for Stack {
    const DISCRIMINATOR: [u8; 8] = 0x3a46a8f4bca9814f_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"stack", self.region.as_ref(), self.owner.as_ref(), self.seed.as_bytes()]
    }
}

impl Stack {
    /// Checks a change by the stack's owner: whose it is, where it is, and that it is live.
    pub fn require_live(&self, owner: &Address, region: &Address) -> Result<(), Error> {
        if &self.owner != owner {
            return Err(Error::NotTheOwner);
        }
        self.require_region(region)?;
        if self.status != ACTIVE {
            return Err(Error::StackIsDeleted);
        }
        Ok(())
    }

    pub fn require_region(&self, region: &Address) -> Result<(), Error> {
        if &self.region == region {
            Ok(())
        } else {
            Err(Error::RegionMismatch)
        }
    }
}

pub const fn variable_bytes(manifest_bytes: usize) -> usize {
    LENGTH_BYTES + manifest_bytes
}

/// The size of the whole account.
pub const fn account_bytes(manifest_bytes: usize) -> usize {
    Stack::BYTES + variable_bytes(manifest_bytes) + SPARE_BYTES
}
