//! The one key that reports usage in a region.

use pinocchio::Address;

use super::{Header, Kind};
use crate::addresses::Seeds;
use crate::errors::Error;
use crate::numbers::{Plain, I64};

#[repr(C)]
pub struct UsageSigner {
    pub header: Header,
    pub region: Address,
    pub signer: Address,
    /// Unix time, in seconds.
    pub valid_from: I64,
    /// Unix time, in seconds; the first at which it is not valid.
    pub valid_to: I64,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for UsageSigner {}

impl Kind for UsageSigner {
    const DISCRIMINATOR: [u8; 8] = 0x37e25fef503b3eb9_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"usage_signer", self.region.as_ref(), b"", b""]
    }
}

impl UsageSigner {
    /// Checks that `signer` may report usage in `region` at Unix time `now`.
    pub fn require_valid(&self, signer: &Address, region: &Address, now: i64) -> Result<(), Error> {
        if &self.region != region {
            return Err(Error::RegionMismatch);
        }
        if &self.signer != signer {
            return Err(Error::NotTheUsageSigner);
        }
        if now < self.valid_from.get() || now >= self.valid_to.get() {
            return Err(Error::UsageSignerExpired);
        }
        Ok(())
    }
}
