//! `delete_stack()` by [owner: signer, writable] [state] [region: writable] [escrow: writable] [stack: writable].
//!
//! It works whatever has become of the provider and the region.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, Deletion};
use crate::encoding::Reader;
use crate::errors::Error;

pub const DISCRIMINATOR: &[u8; 8] = &0x89e75ab2989853d9_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [owner, state, region, escrow, stack] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    Deletion { program, state, region, escrow, stack, owner }.delete(false)
}
