//! `close_region()` by [owner: signer] [provider: writable] [region: writable].
//!
//! The account stays as a tombstone: its number is never used again, and last usage reports still belong to it.

use pinocchio::{AccountView, Address, ProgramResult};

use super::require_signer;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, REGION_CLOSED};
use crate::state::provider::Provider;
use crate::state::region::{Region, CLOSED};
use crate::state::write;

pub const DISCRIMINATOR: &[u8; 8] = &0x5a6abc0351c92097_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [owner, provider, region] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(owner)?;
    let provider_address = *provider.address();
    let mut provider = write::<Provider>(provider, program)?;
    provider.require_owner(owner.address())?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    region.require_provider(&provider_address)?;
    region.require_live()?;
    if region.stack_count.get() > 0 {
        return Err(Error::RegionHasStacks.into());
    }

    region.status = CLOSED;
    provider.region_count.subtract(1)?;
    let number = region.number.get();
    emit(&scope, &mut region.chain, REGION_CLOSED, |event| {
        event.address(&provider_address).u32(number);
    })?;
    Ok(())
}
