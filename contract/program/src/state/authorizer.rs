//! A key that may authorize and revoke providers.

use pinocchio::Address;

use super::{Header, Kind};
use crate::addresses::Seeds;
use crate::numbers::Plain;

#[repr(C)]
pub struct Authorizer {
    pub header: Header,
    pub authority: Address,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for Authorizer {}

impl Kind for Authorizer {
    const DISCRIMINATOR: [u8; 8] = 0xed83fb7d364daec0_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"authorizer", self.authority.as_ref(), b"", b""]
    }
}
