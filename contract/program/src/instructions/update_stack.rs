//! `update_stack(manifest bytes)` by [owner: signer, writable] [provider] [region: writable] [escrow: writable]
//! [stack: writable] [system program].
//!
//! The account is resized to its manifest: the owner pays the rent of what is added and gets that of what goes.

use pinocchio::{AccountView, Address, ProgramResult};

use pinocchio::Resize;
use pinocchio_system::instructions::Transfer;

use super::{refund, require_payer, require_system_program, Placement};
use crate::encoding::{Reader, Writer};
use crate::errors::Error;
use crate::events::{emit, STACK_UPDATED};
use crate::numbers::Plain;
use crate::rent::minimum_lamports;
use crate::state::region::Region;
use crate::state::stack::{account_bytes, Stack};
use crate::state::{read, require_changeable, write, MAX_MANIFEST_BYTES};

pub const DISCRIMINATOR: &[u8; 8] = &0x1b4cab511bd7a09a_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let manifest = arguments.bytes(MAX_MANIFEST_BYTES, Error::ManifestInvalid)?;
    arguments.finish()?;
    let [owner, provider, region, escrow, stack, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    require_changeable::<Stack>(stack, program)?;
    read::<Stack>(stack, program)?.require_live(owner.address(), &scope)?;
    let placement = Placement { program, owner: owner.address(), provider, region: &region, added_stacks: 0 };
    let minimum = placement.lock(escrow)?;
    require_system_program(system)?;

    let bytes = account_bytes(manifest.len());
    let needed = minimum_lamports(bytes)?;
    if stack.lamports() < needed {
        Transfer { from: owner, to: stack, lamports: needed - stack.lamports() }.invoke()?;
    }
    stack.resize(bytes)?;
    refund(stack, owner, needed);

    let stack_address = *stack.address();
    let mut data = stack.try_borrow_mut()?;
    let (fields, variable) = Stack::split_mut(&mut data).ok_or(Error::AccountKindInvalid)?;
    let revision = fields.revision.add(1)?;
    variable.fill(0);
    Writer::new(variable).bytes(manifest);
    emit(&scope, &mut region.chain, STACK_UPDATED, |event| {
        event
            .address(&stack_address)
            .address(owner.address())
            .address(escrow.address())
            .u64(minimum)
            .u32(revision)
            .bytes(manifest);
    })?;
    Ok(())
}
