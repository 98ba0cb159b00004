//! `delete_stack()` by [owner: signer, writable] [region: writable] [stack: writable].
//!
//! The account stays as a tombstone without a manifest, so that its address can never be a stack again; the
//! owner gets the rent of the manifest.

use pinocchio::{AccountView, Address, ProgramResult, Resize};

use super::{add, refund, require_live_stack};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, STACK_DELETED};
use crate::rent::minimum_lamports;
use crate::state::{chain, region, stack, u32_at};

pub const DISCRIMINATOR: &[u8; 8] = &0x89e75ab2989853d9_u64.to_be_bytes();

pub fn process(program: &Address, accounts: &mut [AccountView], arguments: Reader) -> ProgramResult {
    arguments.finish()?;
    let [owner, region, stack] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_live_stack(program, owner, region, stack)?;

    let bytes = stack::bytes(0);
    stack.resize(bytes)?;
    refund(stack, owner, minimum_lamports(bytes)?);

    let stack_address = *stack.address();
    let mut data = stack.try_borrow_mut()?;
    let revision = u32::from_le_bytes(*u32_at(&mut data, stack::REVISION_AT)?);
    data[stack::STATUS_AT] = stack::DELETED;
    data[stack::MANIFEST_AT..].fill(0);

    let scope = *region.address();
    let mut data = region.try_borrow_mut()?;
    add(&mut data, region::STACK_COUNT_AT, -1)?;
    emit(&scope, chain(&mut data, region::CHAIN_AT)?, STACK_DELETED, |event| {
        event.address(&stack_address).address(owner.address()).u32(revision);
    })?;
    Ok(())
}
