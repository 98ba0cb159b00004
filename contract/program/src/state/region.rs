//! A cluster of nodes of a provider. The name and the base URL follow the fixed fields, one after the other.

use pinocchio::Address;

use super::terms::Terms;
use super::{Chain, Header, Kind, LENGTH_BYTES, MAX_BASE_URL_BYTES, MAX_NAME_BYTES};
use crate::addresses::Seeds;
use crate::errors::Error;
use crate::numbers::{Plain, I64, U32};

pub const LIVE: u8 = 0;
pub const CLOSED: u8 = 1;

pub const VARIABLE_BYTES: usize = LENGTH_BYTES + MAX_NAME_BYTES + LENGTH_BYTES + MAX_BASE_URL_BYTES;

#[repr(C)]
pub struct Region {
    pub header: Header,
    pub provider: Address,
    pub number: U32,
    pub chain: Chain,
    pub stack_count: U32,
    pub status: u8,
    pub terms: Terms,
    /// Unix time, in seconds; 0 where no terms are to come.
    pub next_from: I64,
    pub next_terms: Terms,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for Region {}

impl Kind for Region {
    const DISCRIMINATOR: [u8; 8] = 0x502f17293a93e3a5_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"region", self.provider.as_ref(), self.number.as_bytes(), b""]
    }
}

impl Region {
    pub fn require_live(&self) -> Result<(), Error> {
        if self.status == LIVE {
            Ok(())
        } else {
            Err(Error::RegionIsClosed)
        }
    }

    pub fn require_provider(&self, provider: &Address) -> Result<(), Error> {
        if &self.provider == provider {
            Ok(())
        } else {
            Err(Error::ProviderMismatch)
        }
    }

    /// The terms in force at Unix time `now`.
    pub fn terms_at(&self, now: i64) -> &Terms {
        let next_from = self.next_from.get();
        if next_from != 0 && now >= next_from {
            &self.next_terms
        } else {
            &self.terms
        }
    }
}
