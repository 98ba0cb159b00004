//! `deploy_stack(bump u8, seed u64, manifest bytes)` by [owner: signer, writable] [region: writable] [stack:
//! writable] [system program]; whoever signs owns the stack.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{add, require_payer, require_system_program, require_writable};
use crate::addresses::{create, NewAccount};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, STACK_DEPLOYED};
use crate::state::{begin, chain, region, require_kind, stack, MAX_MANIFEST_BYTES};

pub const DISCRIMINATOR: &[u8; 8] = &0xe3861823199ce3ab_u64.to_be_bytes();

const FIRST_REVISION: u32 = 1;

pub fn process(program: &Address, accounts: &mut [AccountView], mut arguments: Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let seed = arguments.u64()?;
    let manifest = arguments.bytes(MAX_MANIFEST_BYTES, Error::ManifestInvalid)?;
    arguments.finish()?;
    let [owner, region, stack, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    require_writable(region)?;
    require_kind::<region::Region>(region, program)?;
    require_writable(stack)?;
    require_system_program(system)?;
    let seed_bytes = seed.to_le_bytes();
    let seeds = stack::seeds(region.address().as_ref(), owner.address().as_ref(), &seed_bytes);
    create(&NewAccount {
        payer: owner,
        account: stack,
        program,
        seeds,
        bump,
        bytes: stack::bytes(manifest.len()),
    })?;

    begin::<stack::Stack>(&mut stack.try_borrow_mut()?, bump)
        .address(region.address())
        .address(owner.address())
        .u64(seed)
        .u32(FIRST_REVISION)
        .u8(stack::ACTIVE)
        .bytes(manifest);

    let scope = *region.address();
    let mut data = region.try_borrow_mut()?;
    add(&mut data, region::STACK_COUNT_AT, 1)?;
    emit(&scope, chain(&mut data, region::CHAIN_AT)?, STACK_DEPLOYED, |event| {
        event.address(stack.address()).address(owner.address()).u64(seed).u32(FIRST_REVISION).bytes(manifest);
    })?;
    Ok(())
}
