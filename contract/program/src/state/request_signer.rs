//! A key that makes requests to a region on a client's behalf.

use pinocchio::Address;

use super::{Header, Kind};
use crate::addresses::Seeds;
use crate::numbers::Plain;

pub const INACTIVE: u8 = 0;
pub const ACTIVE: u8 = 1;

#[repr(C)]
pub struct RequestSigner {
    pub header: Header,
    pub region: Address,
    pub client: Address,
    pub signer: Address,
    pub active: u8,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for RequestSigner {}

impl Kind for RequestSigner {
    const DISCRIMINATOR: [u8; 8] = 0x2c35ab406397ca8d_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"request_signer", self.region.as_ref(), self.client.as_ref(), self.signer.as_ref()]
    }
}
