//! `evict_stack()` by [provider owner: signer] [provider] [state] [region: writable] [escrow: writable]
//! [stack: writable] [stack owner: writable].
//!
//! A provider may delete a stack whose owner's escrow does not hold what is locked; otherwise a stack that nobody pays
//! for would keep its region open, and the deposit with it, for ever. The stack's owner gets the rent.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_signer, require_writable, Deletion};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::state::provider::Provider;
use crate::state::read;
use crate::state::region::Region;

pub const DISCRIMINATOR: &[u8; 8] = &0x4d619aa449fc8957_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [provider_owner, provider, state, region, escrow, stack, owner] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(provider_owner)?;
    read::<Provider>(provider, program)?.require_owner(provider_owner.address())?;
    read::<Region>(region, program)?.require_provider(provider.address())?;
    require_writable(owner)?;
    Deletion { program, state, region, escrow, stack, owner }.delete(true)
}
