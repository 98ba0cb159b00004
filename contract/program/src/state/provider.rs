//! One who sells regions. The name follows the fixed fields.

use pinocchio::Address;

use super::{Chain, Header, Kind, LENGTH_BYTES, MAX_NAME_BYTES};
use crate::addresses::Seeds;
use crate::errors::Error;
use crate::numbers::{Plain, U32, U64};

pub const DISABLED: u8 = 0;
pub const AUTHORIZED: u8 = 1;
pub const CLOSED: u8 = 2;

pub const VARIABLE_BYTES: usize = LENGTH_BYTES + MAX_NAME_BYTES;

#[repr(C)]
pub struct Provider {
    pub header: Header,
    pub owner: Address,
    pub chain: Chain,
    pub vault: Address,
    /// In base units of the mint.
    pub deposit: U64,
    pub region_count: U32,
    pub status: u8,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for Provider {}

impl Kind for Provider {
    const DISCRIMINATOR: [u8; 8] = 0xa4b447114bd850c3_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"provider", self.owner.as_ref(), b"", b""]
    }
}

impl Provider {
    pub fn require_owner(&self, address: &Address) -> Result<(), Error> {
        if &self.owner == address {
            Ok(())
        } else {
            Err(Error::NotTheOwner)
        }
    }

    pub fn require_authorized(&self) -> Result<(), Error> {
        if self.status == AUTHORIZED {
            Ok(())
        } else {
            Err(Error::ProviderNotAuthorized)
        }
    }

    pub fn require_open(&self) -> Result<(), Error> {
        if self.status == CLOSED {
            Err(Error::ProviderIsClosed)
        } else {
            Ok(())
        }
    }
}
