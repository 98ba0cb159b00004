//! `update_stack(manifest bytes)` by [owner: signer, writable] [region: writable] [stack: writable] [system
//! program].
//!
//! The account is resized to its manifest: the owner pays the rent of what is added and gets that of what
//! goes.

use pinocchio::{AccountView, Address, ProgramResult, Resize};
use pinocchio_system::instructions::Transfer;

use super::{add, refund, require_live_stack, require_system_program};
use crate::encoding::{Reader, Writer};
use crate::errors::Error;
use crate::events::{emit, STACK_UPDATED};
use crate::rent::minimum_lamports;
use crate::state::{chain, region, stack, MAX_MANIFEST_BYTES};

pub const DISCRIMINATOR: &[u8; 8] = &0x1b4cab511bd7a09a_u64.to_be_bytes();

pub fn process(program: &Address, accounts: &mut [AccountView], mut arguments: Reader) -> ProgramResult {
    let manifest = arguments.bytes(MAX_MANIFEST_BYTES, Error::ManifestInvalid)?;
    arguments.finish()?;
    let [owner, region, stack, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_live_stack(program, owner, region, stack)?;
    require_system_program(system)?;

    let bytes = stack::bytes(manifest.len());
    let needed = minimum_lamports(bytes)?;
    if stack.lamports() < needed {
        Transfer { from: owner, to: stack, lamports: needed - stack.lamports() }.invoke()?;
    }
    stack.resize(bytes)?;
    refund(stack, owner, needed);

    let stack_address = *stack.address();
    let mut data = stack.try_borrow_mut()?;
    let revision = add(&mut data, stack::REVISION_AT, 1)?;
    let tail = &mut data[stack::MANIFEST_AT..];
    tail.fill(0);
    Writer::new(tail).bytes(manifest);

    let scope = *region.address();
    let mut data = region.try_borrow_mut()?;
    emit(&scope, chain(&mut data, region::CHAIN_AT)?, STACK_UPDATED, |event| {
        event.address(&stack_address).address(owner.address()).u32(revision).bytes(manifest);
    })?;
    Ok(())
}
